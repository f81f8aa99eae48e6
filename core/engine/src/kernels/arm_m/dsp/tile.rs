//! What lies under the windows of four columns, as i16, in the order in which the loops over products want it.

use super::threes::{self, THREE};
use crate::kernels::args::ConvRow;
use crate::kernels::columns::{COLUMNS, row_of};
use core::arch::naked_asm;

/// Taps that a tile holds; longer filters are summed in several passes.
pub const TAPS: usize = 192;

/// Widened activations: for each four taps, taps 0 and 2 of every column, then taps 1 and 3 of every column.
pub type Tile = [u32; TAPS / 2 * COLUMNS];

/// Taps `tap..tap + taps` of the window of each of the first `tile` columns into the tile.
#[inline(always)]
pub fn widen(args: &ConvRow<'_>, columns: [usize; COLUMNS], tile: usize, tap: usize, taps: usize, to: *mut u32) {
    let (y, at) = row_of(tap, args.span);
    if args.span.is_multiple_of(4) {
        let (mut done, mut at) = (0, at);
        for row in args.rows.get(y..).unwrap_or(&[]) {
            let count = (args.span - at).min(taps - done);
            if count == 0 {
                return;
            }
            // SAFETY: each row holds the window of every column, and `at + count <= span`; both are
            // multiples of 4, and `done + count <= taps <= TAPS`.
            unsafe {
                let row = row.as_ptr().add(at);
                let from = columns.map(|x| row.add(x * args.step));
                match from {
                    [a, b, c, _] if tile == THREE => threes::widen(&[a, b, c], count, to.add(done * THREE / 2)),
                    _ => widen_columns(&from, count, to.add(done * COLUMNS / 2)),
                }
            }
            (done, at) = (done + count, 0);
        }
        return;
    }
    // Spans that are no whole words: value by value. What follows the last tap meets weights of zero.
    gather(args.rows, args.span, args.step, columns, tap, taps, QUADS, to);
}

/// Bytes from a tap to the next in the tile, one after another from the lowest byte: taps 0, 1, 2, 3 of quads,
const QUADS: u32 = u32::from_le_bytes([16, 2u8.wrapping_sub(16), 16, 14]);
/// and pairs of neighbours.
pub const PAIRS: u32 = u32::from_le_bytes([2, 14, 2, 14]);

/// Taps `tap..tap + taps` of every column's window into the tile, value by value; `tap` is a multiple of 4.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn gather(
    rows: &[&[i8]],
    span: usize,
    step: usize,
    columns: [usize; COLUMNS],
    tap: usize,
    taps: usize,
    places: u32,
    to: *mut u32,
) {
    let (y, mut at) = row_of(tap, span);
    let (mut done, mut to) = (0, to.cast());
    for row in rows.get(y..).unwrap_or(&[]) {
        let count = (span - at).min(taps - done);
        if count == 0 {
            return;
        }
        // SAFETY: each row holds the window of every column, and `at + count <= span`;
        // `done + count <= taps <= TAPS`.
        unsafe {
            let row = row.as_ptr().add(at);
            let from = columns.map(|x| row.add(x * step));
            to = gather_columns(&from, count, to, places.rotate_right(8 * (done as u32 % 4)));
        }
        (done, at) = (done + count, 0);
    }
}

/// `count` values of each column, each to the next of `places`; where the next would go.
///
/// # Safety
/// `count` is not 0; `from` can be read for as many bytes each, and every place of the tile written.
#[unsafe(naked)]
unsafe extern "C" fn gather_columns(from: &[*const i8; COLUMNS], count: usize, to: *mut i16, places: u32) -> *mut i16 {
    naked_asm!(
        arch!(),
        "push {{r4-r8, lr}}",
        "ldm r0, {{r4-r7}}",
        "add r1, r1, r4",
        "2:",
        "ldrsb r0, [r4], #1",
        "ldrsb r8, [r5], #1",
        "ldrsb r12, [r6], #1",
        "ldrsb lr, [r7], #1",
        "strh r0, [r2]",
        "strh r8, [r2, #4]",
        "strh r12, [r2, #8]",
        "strh lr, [r2, #12]",
        "sxtab r2, r2, r3",
        "ror r3, r3, #8",
        "cmp r4, r1",
        "bne 2b",
        "mov r0, r2",
        "pop {{r4-r8, pc}}",
    )
}

/// `taps` values of each column, interleaved.
///
/// # Safety
/// `taps` is a multiple of 4 and not 0; `from` can be read for `taps` bytes each, `to` written for `2 * taps` words.
#[unsafe(naked)]
unsafe extern "C" fn widen_columns(from: &[*const i8; COLUMNS], taps: usize, to: *mut u32) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r3-r6}}",
        "add r1, r1, r3",
        "2:",
        "ldr r0, [r3], #4",
        "ldr r7, [r4], #4",
        "ldr r12, [r5], #4",
        "ldr lr, [r6], #4",
        "sxtb16 r8, r0",
        "sxtb16 r9, r7",
        "sxtb16 r10, r12",
        "sxtb16 r11, lr",
        "stm r2!, {{r8-r11}}",
        "sxtb16 r8, r0, ror #8",
        "sxtb16 r9, r7, ror #8",
        "sxtb16 r10, r12, ror #8",
        "sxtb16 r11, lr, ror #8",
        "stm r2!, {{r8-r11}}",
        "cmp r3, r1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
