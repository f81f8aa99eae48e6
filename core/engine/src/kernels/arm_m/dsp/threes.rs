//! Three columns of two channels together, for rows that are no whole number of four columns.
//!
//! Activations are loaded once for two filters: 22 instructions, by the manual 29 cycles, for 24 multiplications.

use crate::kernels::columns::COLUMNS;
use core::arch::naked_asm;

/// Columns computed together.
pub const THREE: usize = 3;

/// Tiles of three columns in a row; what is left before them is a multiple of four.
pub const fn tiles(width: usize, rows: usize) -> usize {
    match (width, width % COLUMNS) {
        // Five are one more than four; that goes alone, unless its window comes in pieces.
        (5, _) if rows > 1 => 2,
        (1 | 5, _) | (_, 0) => 0,
        // One column is computed twice.
        (2, _) => 1,
        (_, rest) => COLUMNS - rest,
    }
}

// Every width is whole fours and these tiles, of which the last may compute one column more.
const _: () = {
    let mut width = 1;
    while width < 100 {
        let (flat, tall) = (THREE * tiles(width, 1), THREE * tiles(width, 2));
        assert!(flat <= width + 1 && tall <= width + 1);
        assert!(flat == 0 || width.saturating_sub(flat) % COLUMNS == 0);
        assert!(tall == 0 || width.saturating_sub(tall) % COLUMNS == 0);
        width += 1;
    }
};

/// `taps` values of each column, interleaved: taps 0 and 2 of every column, then taps 1 and 3.
///
/// # Safety
/// `taps` is a multiple of 4 and not 0; `from` can be read for `taps` bytes each, `to` written for `3 * taps / 2` words.
#[unsafe(naked)]
pub unsafe extern "C" fn widen(from: &[*const i8; THREE], taps: usize, to: *mut u32) {
    naked_asm!(
        arch!(),
        "push {{r4-r8, lr}}",
        "ldm r0, {{r3-r5}}",
        "add r1, r1, r3",
        "2:",
        "ldr r0, [r3], #4",
        "ldr r12, [r4], #4",
        "ldr lr, [r5], #4",
        "sxtb16 r6, r0",
        "sxtb16 r7, r12",
        "sxtb16 r8, lr",
        "stm r2!, {{r6-r8}}",
        "sxtb16 r6, r0, ror #8",
        "sxtb16 r7, r12, ror #8",
        "sxtb16 r8, lr, ror #8",
        "stm r2!, {{r6-r8}}",
        "cmp r3, r1",
        "bne 2b",
        "pop {{r4-r8, pc}}",
    )
}

/// Adds to the sums of each pair of channels the products of their weights and the tile; the last column's sum is written twice.
///
/// Four blocks make the loop, which is entered so that the remainder comes first.
///
/// # Safety
/// `taps` is a multiple of 4 and not 0, and the tile holds as many of three columns; `sums..end` is a whole number of pairs of
/// channels, not 0; for each channel `weights` can be read for `taps` bytes, each channel's `stride` after those of the one before.
#[unsafe(naked)]
pub unsafe extern "C" fn dots(
    tile: *const u32,
    weights: *const u8,
    taps: usize,
    sums: *mut [i32; COLUMNS],
    end: *mut [i32; COLUMNS],
    stride: usize,
) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, sp, #24",
        // Where to enter the loop: at block -(taps / 4) mod 4.
        "rsb r5, r2, #0",
        "ubfx r5, r5, #2, #2",
        "mov r6, #84",
        "mul r5, r5, r6",
        "adr r6, 3f",
        "add r5, r5, r6",
        "orr r5, r5, #1",
        "ldr r4, [sp, #64]",
        // sp: stride, end of the weights, sums, tile, taps, entry.
        "str r4, [sp]",
        "str r0, [sp, #12]",
        "str r2, [sp, #16]",
        "str r5, [sp, #20]",
        "2:",
        "str r3, [sp, #8]",
        "ldrd r4, r5, [r3]",
        "ldr r6, [r3, #8]",
        "ldrd r7, r11, [r3, #16]",
        "ldr r12, [r3, #24]",
        "add r2, r2, r1",
        "str r2, [sp, #4]",
        "ldr pc, [sp, #20]",
        ".p2align 2",
        // r0: tile, r1: weights, r2 and r3: two filters, r4-r6 and r7, r11, r12: their sums, r8-r10: columns.
        "3:",
        ".rept 4",
        "ldr lr, [sp]",
        "ldr.n r2, [r1]",
        "ldr r3, [r1, lr]",
        "adds r1, #4",
        "ldm.w r0!, {{r8-r10}}",
        "sxtb16 lr, r2",
        "smlad r4, r8, lr, r4",
        "smlad r5, r9, lr, r5",
        "smlad r6, r10, lr, r6",
        "sxtb16 lr, r3",
        "smlad r7, r8, lr, r7",
        "smlad r11, r9, lr, r11",
        "smlad r12, r10, lr, r12",
        "ldm.w r0!, {{r8-r10}}",
        "sxtb16 lr, r2, ror #8",
        "smlad r4, r8, lr, r4",
        "smlad r5, r9, lr, r5",
        "smlad r6, r10, lr, r6",
        "sxtb16 lr, r3, ror #8",
        "smlad r7, r8, lr, r7",
        "smlad r11, r9, lr, r11",
        "smlad r12, r10, lr, r12",
        ".endr",
        "ldr lr, [sp, #4]",
        "cmp r1, lr",
        "bne 3b",
        "ldr r3, [sp, #8]",
        "ldr lr, [sp]",
        "strd r4, r5, [r3]",
        "strd r6, r6, [r3, #8]",
        "strd r7, r11, [r3, #16]",
        "strd r12, r12, [r3, #24]",
        "add r3, r3, #32",
        "ldrd r0, r2, [sp, #12]",
        "sub r1, r1, r2",
        "add r1, r1, lr, lsl #1",
        "ldr lr, [sp, #60]",
        "cmp r3, lr",
        "bne 2b",
        "add sp, sp, #24",
        "pop {{r4-r11, pc}}",
    )
}
