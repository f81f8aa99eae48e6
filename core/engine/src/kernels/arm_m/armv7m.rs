//! Cortex-M3: no DSP extension, but loads of several words and multiply-accumulate in one instruction.
//!
//! As in the kernel of the DSP extension, what lies under four columns is widened once, here to i32, and serves every output
//! channel: one load of a weight, one of four activations, four multiplications. Compiled code reaches half of that.

use crate::kernels::checked::{Conv, Gray};
use crate::kernels::columns::{COLUMNS, dots, row_of};
use crate::kernels::portable::{Loops, Source, conv_row_by, gray_row_by};
use core::arch::naked_asm;

macro_rules! arch {
    () => {
        ""
    };
}

/// One output row of a convolution.
pub fn conv_row(checked: Conv<'_>) {
    conv_row_by(&Loops { weight: 1, widen, dots: narrow_dots }, checked);
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(checked: Gray<'_>) {
    gray_row_by(&Loops { weight: 2, widen, dots: wide_dots }, checked);
}

/// # Safety
/// As for [`Loops::dots`].
unsafe fn narrow_dots(tile: *const i32, weights: *const u8, bytes: usize, stride: usize, sums: &mut [[i32; COLUMNS]]) {
    let sums = sums.as_mut_ptr_range();
    // SAFETY: the caller's; what follows the last tap of the tile meets weights of zero.
    unsafe { dots(tile.cast(), weights, bytes, sums.start, sums.end, stride - bytes) };
}

/// # Safety
/// As for [`Loops::dots`].
unsafe fn wide_dots(tile: *const i32, weights: *const u8, bytes: usize, stride: usize, sums: &mut [[i32; COLUMNS]]) {
    let sums = sums.as_mut_ptr_range();
    // SAFETY: the caller's; what follows the last tap of the tile meets weights of zero.
    unsafe { gray_dots(tile.cast(), weights, bytes, sums.start, sums.end, stride - bytes) };
}

/// Taps of every column's window from `first` on into the tile, `[tap][column]`.
///
/// # Safety
/// As for [`Loops::widen`].
unsafe fn widen(source: &Source<'_>, columns: &[usize; COLUMNS], first: usize, taps: usize, tile: *mut i32) {
    let (y, mut at) = row_of(first, source.span);
    let mut done = 0;
    for row in source.rows.get(y..).unwrap_or(&[]) {
        let count = (source.span - at).min(taps - done);
        if count == 0 {
            return;
        }
        // SAFETY: each row holds the window of every column, and `at + count <= span`; `done + count <= taps`.
        unsafe {
            let row = row.as_ptr().add(at);
            widen_columns(&columns.map(|x| row.add(x * source.step)), count, tile.add(COLUMNS * done).cast());
        }
        (done, at) = (done + count, 0);
    }
}

/// `count` values of each column, interleaved.
///
/// # Safety
/// `count` is not 0; `from` can be read for as many bytes each, `to` written for as many words of each column.
#[unsafe(naked)]
unsafe extern "C" fn widen_columns(from: &[*const i8; COLUMNS], count: usize, to: *mut u32) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r0, {{r4-r7}}",
        "add r1, r1, r4",
        "2:",
        "ldrsb r8, [r4], #1",
        "ldrsb r9, [r5], #1",
        "ldrsb r10, [r6], #1",
        "ldrsb r11, [r7], #1",
        "stm r2!, {{r8-r11}}",
        "cmp r4, r1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

// A weight of int8: 4 multiplications in 6 instructions.
dots!(
    dots,
    24,
    0,
    "ldrsb r12, [r1], #1",
    "ldm.w r0!, {{r8-r11}}",
    "mla r4, r8, r12, r4",
    "mla r5, r9, r12, r5",
    "mla r6, r10, r12, r6",
    "mla r7, r11, r12, r7",
);

// A weight of i16: the same.
dots!(
    gray_dots,
    24,
    1,
    "ldrsh r12, [r1], #2",
    "ldm.w r0!, {{r8-r11}}",
    "mla r4, r8, r12, r4",
    "mla r5, r9, r12, r5",
    "mla r6, r10, r12, r6",
    "mla r7, r11, r12, r7",
);
