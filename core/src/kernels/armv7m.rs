//! Cortex-M3: no DSP extension, but loads of several words and multiply-accumulate in one instruction.
//!
//! As in the kernel of the DSP extension, what lies under four columns is widened once, here to i32, and serves every output
//! channel: one load of a weight, one of four activations, four multiplications. Compiled code reaches half of that.

use super::columns::{COLUMNS, dots, load_bias, row_of, width};
use super::{ConvRow, DepthwiseRow, Filters, GrayRow, scalar};
use crate::quant::requantize;
use crate::shape::MAX_KERNEL;
use core::arch::naked_asm;
use core::mem::MaybeUninit;

macro_rules! arch {
    () => {
        ""
    };
}

/// Taps that a tile holds; longer filters are summed in several passes.
const TAPS: usize = 96;
/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// One output row of a convolution; `out` is `width * channels` long.
pub fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    let stride = args.filter_stride();
    let width = width(args.rows, &args.filters, args.span, args.step, args.channels, stride, out.len());
    let (Some(width), ..=MAX_KERNEL) = (width, args.rows.len()) else { return scalar::conv_row(args, out) };
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: `width` has checked the lengths.
    unsafe { columns(&args.filters, args.channels, stride, width, (dots, 1), &source, out) };
}

/// One output row of the first convolution of a gray image; `out` is `width * channels` long.
pub fn gray_row(args: &GrayRow<'_>, out: &mut [i8]) {
    let stride = args.filter_stride();
    let width = width(args.rows, &args.filters, args.span, args.step, args.channels, stride, out.len());
    let (Some(width), ..=MAX_KERNEL) = (width, args.rows.len()) else { return scalar::gray_row(args, out) };
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: `width` has checked the lengths.
    unsafe { columns(&args.filters, args.channels, stride, width, (gray_dots, 2), &source, out) };
}

/// Where windows are widened from.
struct Source<'a> {
    rows: &'a [&'a [i8]],
    span: usize,
    step: usize,
}

/// [`dots`] or [`gray_dots`].
type Dots = unsafe extern "C" fn(*const u32, *const u8, usize, *mut [i32; COLUMNS], *mut [i32; COLUMNS], usize);

/// What a convolution of either kind does, with its function and the bytes of a weight.
///
/// # Safety
/// `columns::width` gave `width` for the same arguments.
#[inline(always)]
unsafe fn columns(
    filters: &Filters<'_>,
    channels: usize,
    stride: usize,
    width: usize,
    (dots, weight): (Dots, usize),
    source: &Source<'_>,
    out: &mut [i8],
) {
    // Clearing it would take longer than many a row.
    let mut tile = MaybeUninit::<[[i32; COLUMNS]; TAPS]>::uninit();
    let tile = tile.as_mut_ptr().cast::<u32>();
    let mut sums = [MaybeUninit::<[i32; COLUMNS]>::uninit(); CHANNELS];
    let pass = TAPS * weight;
    for x in (0..width).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..channels).step_by(CHANNELS) {
            let sums = load_bias(filters.bias, channel, &mut sums, channels);
            for at in (0..stride).step_by(pass) {
                if stride > pass || channel == 0 {
                    widen(source, columns, at / weight, tile);
                }
                let bytes = pass.min(stride - at);
                // SAFETY: there are `channels * stride` bytes of weights; the tile has room for `TAPS` taps of each column,
                // and what follows the last tap is undefined and meets weights of zero.
                unsafe {
                    let weights = filters.weights.as_ptr().add(channel * stride + at);
                    let sums = sums.as_mut_ptr_range();
                    dots(tile, weights, bytes, sums.start, sums.end, stride - bytes);
                }
            }
            for (i, (sums, scale)) in
                sums.iter().zip(filters.scales.get(4 * channel..).unwrap_or_default().chunks_exact(4)).enumerate()
            {
                let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
                for (sum, x) in sums.iter().zip(columns) {
                    let q = requantize(*sum, scale, filters.zero_point);
                    // SAFETY: `columns` are below the width, and `channel + i` is below the number of channels.
                    unsafe { *out.get_unchecked_mut(x * channels + channel + i) = q };
                }
            }
        }
    }
}

/// Taps of every column's window from `tap` on into the tile, as many as it holds.
#[inline(always)]
fn widen(source: &Source<'_>, columns: [usize; COLUMNS], tap: usize, to: *mut u32) {
    let (y, mut at) = row_of(tap, source.span);
    let mut done = 0;
    for row in source.rows.get(y..).unwrap_or(&[]) {
        let count = (source.span - at).min(TAPS - done);
        if count == 0 {
            return;
        }
        // SAFETY: each row holds the window of every column, and `at + count <= span`; `done + count <= TAPS`.
        unsafe {
            let row = row.as_ptr().add(at);
            widen_columns(&columns.map(|x| row.add(x * source.step)), count, to.add(COLUMNS * done));
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

/// One output row of a depthwise convolution; `out` is `width * channels` long.
pub fn depthwise_row(args: &DepthwiseRow<'_>, out: &mut [i8]) {
    scalar::depthwise_row(args, out);
}
