//! What the portable kernel and those of Arm's M profile share: four columns at a time.

use core::mem::MaybeUninit;

/// Columns computed together.
pub const COLUMNS: usize = 4;

/// The row of a tap, and where in the row's span it lies.
#[inline(always)]
pub fn row_of(tap: usize, span: usize) -> (usize, usize) {
    if tap < span { (0, tap) } else { (tap.checked_div(span).unwrap_or(0), tap.checked_rem(span).unwrap_or(0)) }
}

/// Starts every column's sum of the channels from `channel` on, as many as there is room for, with the bias.
#[inline(always)]
pub fn load_bias<'a>(
    bias: &[u8],
    channel: usize,
    sums: &'a mut [MaybeUninit<[i32; COLUMNS]>],
    channels: usize,
) -> &'a mut [[i32; COLUMNS]] {
    let bias = bias.get(4 * channel..).unwrap_or_default();
    let count = sums.len().min(channels - channel);
    let sums = sums.get_mut(..count).unwrap_or_default();
    for (sums, bias) in sums.iter_mut().zip(bias.chunks_exact(4)) {
        sums.write([i32::from_le_bytes([bias[0], bias[1], bias[2], bias[3]]); COLUMNS]);
    }
    // SAFETY: all are written: there is a bias for each channel.
    unsafe { core::slice::from_raw_parts_mut(sums.as_mut_ptr().cast(), sums.len()) }
}

/// Adds to each channel's four sums the products of its weights and the tile.
///
/// Eight blocks make the loop, which is entered so that the remainder comes first. A block takes `1 << weight_shift` bytes of
/// weights; it may use r8 to r12 and lr, advances the weights in r1 and the tile in r0, and adds to r4 to r7.
/// The caller defines `arch!`, what the assembler has to be told first.
///
/// # Safety
/// `bytes` of weights are whole blocks and not 0; `tile` holds as many taps of four columns; `sums..end` is a whole
/// number of channels, not 0; for each of them `weights` can be read for `bytes`, the next channel's `skip` bytes after them.
#[cfg(any(cortex_m3, cortex_m_dsp))]
macro_rules! dots {
    ($name:ident, $block_bytes:literal, $weight_shift:literal, $($block:literal),+ $(,)?) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            tile: *const u32,
            weights: *const u8,
            bytes: usize,
            sums: *mut [i32; COLUMNS],
            end: *mut [i32; COLUMNS],
            skip: usize,
        ) {
            naked_asm!(
                arch!(),
                "push {{r4-r11, lr}}",
                // Where to enter the loop: at block -(bytes >> shift) mod 8.
                "rsb r4, r2, #0",
                concat!("ubfx r4, r4, #", $weight_shift, ", #3"),
                concat!("mov r5, #", $block_bytes),
                "mul r4, r4, r5",
                "adr r5, 3f",
                "add r5, r5, r4",
                "orr r5, r5, #1",
                "push {{r0, r2, r5}}",
                "2:",
                "ldm r3, {{r4-r7}}",
                "ldrd r0, r2, [sp]",
                "add r2, r2, r1",
                "ldr pc, [sp, #8]",
                ".p2align 2",
                "3:",
                ".rept 8",
                $($block,)+
                ".endr",
                "cmp r1, r2",
                "bne 3b",
                "stm r3!, {{r4-r7}}",
                "ldrd r0, r2, [sp, #48]",
                "add r1, r1, r2",
                "cmp r3, r0",
                "bne 2b",
                "add sp, sp, #12",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
#[cfg(any(cortex_m3, cortex_m_dsp))]
pub(super) use dots;
