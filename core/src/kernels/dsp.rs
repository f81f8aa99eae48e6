//! Cortex-M4, M7, M33: the DSP extension multiplies two pairs of i16 and adds both products in one instruction (SMLAD).
//!
//! Four output columns at a time: what lies under their windows is widened to i16 once, interleaved in the order in which
//! the inner loop wants it, and then serves every output channel. `docs/kernels.md` has the counts.

use super::{ConvRow, DepthwiseRow, Filters, GrayRow, scalar};
use crate::quant::requantize;
use core::arch::{asm, naked_asm};

/// Columns computed together.
const COLUMNS: usize = 4;
/// Taps that a tile holds; longer filters are summed in several passes.
const TAPS: usize = 192;
/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// Widened activations: for each four taps, taps 0 and 2 of every column, then taps 1 and 3 of every column.
#[repr(align(4))]
struct Tile([u32; TAPS / 2 * COLUMNS]);

/// Sums of [`CHANNELS`] output channels, of every column each.
type Sums = [[i32; COLUMNS]; CHANNELS];

/// One output row of a convolution; `out` is `width * channels` long.
pub fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    let stride = args.filter_stride();
    let Some(width) = width(args.rows, &args.filters, args.span, args.step, args.channels, stride, out.len()) else {
        return scalar::conv_row(args, out);
    };
    let passes = stride.div_ceil(TAPS);
    let pass = stride.div_ceil(passes).next_multiple_of(4);
    let mut tile = Tile([0; TAPS / 2 * COLUMNS]);
    let mut sums: Sums = [[0; COLUMNS]; CHANNELS];
    for x in (0..width).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let count = CHANNELS.min(args.channels - channel);
            let sums = &mut sums[..count];
            load_bias(&args.filters.bias[4 * channel..], sums);
            for tap in (0..stride).step_by(pass) {
                let taps = pass.min(stride - tap);
                if passes > 1 || channel == 0 {
                    widen(args, columns, tap, taps, &mut tile);
                }
                // SAFETY: `width` found `channels * stride` bytes of weights; `tile` holds `TAPS` taps of each column
                // and `taps`, a multiple of 4 that is not 0, is at most that.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + tap);
                    let sums = sums.as_mut_ptr_range();
                    dots(tile.0.as_ptr(), weights, taps, sums.start, sums.end, stride - taps);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
}

/// Output width, if all lengths are as they must be; everything unchecked below relies on it.
fn width(
    rows: &[&[i8]],
    filters: &Filters<'_>,
    span: usize,
    step: usize,
    channels: usize,
    filter_stride: usize,
    out: usize,
) -> Option<usize> {
    let width = out.checked_div(channels)?;
    let end = width.checked_sub(1)?.checked_mul(step)?.checked_add(span)?;
    let fits = span > 0
        && !rows.is_empty()
        && rows.iter().all(|row| row.len() >= end)
        && out == width * channels
        && filters.weights.len() >= channels.checked_mul(filter_stride)?
        && filters.bias.len() >= channels.checked_mul(4)?
        && filters.scales.len() >= channels * 4;
    fits.then_some(width)
}

/// Starts every column's sum with the bias.
#[inline(always)]
fn load_bias(bias: &[u8], sums: &mut [[i32; COLUMNS]]) {
    for (sums, bias) in sums.iter_mut().zip(bias.chunks_exact(4)) {
        *sums = [i32::from_le_bytes([bias[0], bias[1], bias[2], bias[3]]); COLUMNS];
    }
}

/// Taps `tap..tap + taps` of every column's window into the tile.
#[inline(always)]
fn widen(args: &ConvRow<'_>, columns: [usize; COLUMNS], tap: usize, taps: usize, tile: &mut Tile) {
    if args.span % 4 == 0 {
        let (mut done, mut y, mut at) = (0, tap / args.span, tap % args.span);
        while done < taps {
            let count = (args.span - at).min(taps - done);
            // SAFETY: `width` found that each row holds the window of every column, and `at + count <= span`.
            unsafe {
                let row = args.rows[y].as_ptr().add(at);
                let from = columns.map(|x| row.add(x * args.step));
                widen_columns(from, count / 4, tile.0.as_mut_ptr().add(done * COLUMNS / 2));
            }
            (done, y, at) = (done + count, y + 1, 0);
        }
        return;
    }
    // Spans that are no whole words: the window is copied together first.
    for (i, x) in columns.into_iter().enumerate() {
        let mut window = [0u8; TAPS];
        let (mut done, mut y, mut at) = (0, tap / args.span, tap % args.span);
        while done < taps && y < args.rows.len() {
            let count = (args.span - at).min(taps - done);
            // SAFETY: as above; `done + count <= taps <= TAPS`.
            unsafe { copy(args.rows[y].as_ptr().add(x * args.step + at).cast(), count, window.as_mut_ptr().add(done)) };
            (done, y, at) = (done + count, y + 1, 0);
        }
        for (quad, words) in window[..taps].chunks_exact(4).zip(tile.0.chunks_exact_mut(2 * COLUMNS)) {
            let quad = u32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]);
            (words[i], words[COLUMNS + i]) = (even(quad), odd(quad));
        }
    }
}

/// `quads` times four values of each column.
///
/// # Safety
/// `from` can be read for `4 * quads` bytes each, `to` written for `8 * quads` words.
#[inline(always)]
unsafe fn widen_columns(from: [*const i8; COLUMNS], quads: usize, to: *mut u32) {
    for quad in 0..quads {
        for (i, from) in from.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let values = from.add(4 * quad).cast::<u32>().read_unaligned();
                to.add(8 * quad + i).write(even(values));
                to.add(8 * quad + COLUMNS + i).write(odd(values));
            }
        }
    }
}

/// Copies a few bytes, by words where there are four: the last word may overlap the one before.
///
/// # Safety
/// `from` can be read and `to` written for `count` bytes.
#[inline(always)]
unsafe fn copy(from: *const u8, count: usize, to: *mut u8) {
    // SAFETY: every access lies in `0..count`.
    unsafe {
        if count < 4 {
            for i in 0..count {
                to.add(i).write(from.add(i).read());
            }
            return;
        }
        let mut i = 0;
        while i + 4 < count {
            to.add(i).cast::<u32>().write_unaligned(from.add(i).cast::<u32>().read_unaligned());
            i += 4;
        }
        to.add(count - 4).cast::<u32>().write_unaligned(from.add(count - 4).cast::<u32>().read_unaligned());
    }
}

/// Bytes 0 and 2, sign-extended to i16.
#[inline(always)]
fn even(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe { asm!("sxtb16 {}, {}", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Bytes 1 and 3, sign-extended to i16.
#[inline(always)]
fn odd(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe { asm!("sxtb16 {}, {}, ror #8", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Adds to each channel's four sums the products of its `taps` weights and the tile.
///
/// A block of 13 instructions is 16 multiplications; eight blocks make the loop, which is entered so that the
/// remainder comes first.
///
/// # Safety
/// `taps` is a multiple of 4 and not 0; `tile` holds as many taps of four columns; `sums..end` is a whole number of
/// channels, not 0; for each of them `weights` can be read for `taps` bytes, the next channel's `skip` bytes after them.
#[unsafe(naked)]
unsafe extern "C" fn dots(
    tile: *const u32,
    weights: *const u8,
    taps: usize,
    sums: *mut [i32; COLUMNS],
    end: *mut [i32; COLUMNS],
    skip: usize,
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        // Where to enter the loop: -taps / 4 mod 8 blocks of 52 bytes.
        "rsb r4, r2, #0",
        "ubfx r4, r4, #2, #3",
        "movs r5, #52",
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
        "ldr lr, [r1], #4",
        "ldm.w r0!, {{r8-r11}}",
        "sxtb16 r12, lr",
        "smlad r4, r8, r12, r4",
        "smlad r5, r9, r12, r5",
        "smlad r6, r10, r12, r6",
        "smlad r7, r11, r12, r7",
        "ldm.w r0!, {{r8-r11}}",
        "sxtb16 r12, lr, ror #8",
        "smlad r4, r8, r12, r4",
        "smlad r5, r9, r12, r5",
        "smlad r6, r10, r12, r6",
        "smlad r7, r11, r12, r7",
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

/// The sums of a block of channels to int8.
#[inline(always)]
fn requantize_block(
    filters: &Filters<'_>,
    channel: usize,
    sums: &[[i32; COLUMNS]],
    columns: [usize; COLUMNS],
    channels: usize,
    out: &mut [i8],
) {
    for (i, (sums, scale)) in sums.iter().zip(filters.scales[4 * channel..].chunks_exact(4)).enumerate() {
        let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (sum, x) in sums.iter().zip(columns) {
            // SAFETY: `columns` are below the width, and `channel + i` is below the number of channels.
            unsafe { *out.get_unchecked_mut(x * channels + channel + i) = requantize(*sum, scale, filters.zero_point) };
        }
    }
}

/// One output row of the first convolution of a gray image; `out` is `width * channels` long.
pub fn gray_row(args: &GrayRow<'_>, out: &mut [i8]) {
    scalar::gray_row(args, out);
}

/// One output row of a depthwise convolution; `out` is `width * channels` long.
pub fn depthwise_row(args: &DepthwiseRow<'_>, out: &mut [i8]) {
    scalar::depthwise_row(args, out);
}

/// Sum of products of int8 values, in i32.
pub fn dot(a: &[i8], b: &[u8]) -> i32 {
    scalar::dot(a, b)
}
