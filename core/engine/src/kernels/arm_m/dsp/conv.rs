//! Convolution: four columns at a time, three or one where a row ends in those.

use super::products::{conv_dots, gray_dots};
use super::requantize::requantize_block;
use super::threes::{self, THREE};
use super::tile::{PAIRS, TAPS, Tile, gather, widen};
use super::{dense, fixed};
use crate::kernels::args::ConvRow;
use crate::kernels::checked::{Conv, Gray};
use crate::kernels::columns::{COLUMNS, load_bias};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// Sums of [`CHANNELS`] output channels, of every column each.
type Sums = [MaybeUninit<[i32; COLUMNS]>; CHANNELS];

/// One output row of a convolution.
pub fn conv_row(mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let out = checked.out();
    let passes = stride.div_ceil(TAPS).max(1);
    let pass = stride.div_ceil(passes).next_multiple_of(4).max(4);
    // Clearing it would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<u32>();
    let mut sums: Sums = [MaybeUninit::uninit(); CHANNELS];
    let is_whole = args.span.is_multiple_of(4);
    let threes = if is_whole && args.channels.is_multiple_of(2) { threes::tiles(width, args.rows.len()) } else { 0 };
    // Four columns of which one counts take twice as long as that one.
    let is_alone = is_whole && threes == 0 && width % COLUMNS == 1;
    let fours = if threes == 0 { width - usize::from(is_alone) } else { width.saturating_sub(THREE * threes) };
    for x in (0..fours).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, &mut sums, args.channels);
            for tap in (0..stride).step_by(pass) {
                let taps = pass.min(stride - tap);
                if passes > 1 || channel == 0 {
                    widen(&args, columns, COLUMNS, tap, taps, tile);
                }
                // SAFETY: there are `channels * stride` bytes of weights; `tile` has room for `TAPS` taps of each column
                // and `taps`, a multiple of 4 that is not 0, is at most that.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + tap);
                    let sums = sums.as_mut_ptr_range();
                    conv_dots(tile, weights, taps, sums.start, sums.end, stride - taps);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
    if threes > 0 {
        by_threes(&args, fours..width, [stride, pass], tile, &mut sums, out);
    }
    if is_alone {
        column(&args, width - 1, stride, out);
    }
}

/// These columns by threes; channels are even, spans whole words.
#[inline(never)]
fn by_threes(
    args: &ConvRow<'_>,
    over: Range<usize>,
    [stride, pass]: [usize; 2],
    tile: *mut u32,
    sums: &mut Sums,
    out: &mut [i8],
) {
    // It is four at least; a step of none would be a panic.
    let pass = pass.max(4);
    for x in over.clone().step_by(THREE) {
        // Beyond the right edge, and as the fourth, the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i.min(THREE - 1)).min(over.end - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, sums, args.channels);
            for tap in (0..stride).step_by(pass) {
                let taps = pass.min(stride - tap);
                if pass < stride || channel == 0 {
                    widen(args, columns, THREE, tap, taps, tile);
                }
                // SAFETY: as in `conv_row`; channels, and so those of a block, are even.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + tap);
                    let sums = sums.as_mut_ptr_range();
                    threes::dots(tile, weights, taps, sums.start, sums.end, stride);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
}

/// A column alone, by four filters at a time.
#[inline(never)]
fn column(args: &ConvRow<'_>, x: usize, stride: usize, out: &mut [i8]) {
    let out = out.get_mut(x * args.channels..).unwrap_or_default();
    for (i, out) in out.chunks_mut(CHANNELS).enumerate() {
        let first = i * CHANNELS;
        let mut sums = [0; CHANNELS];
        let sums = sums.get_mut(..out.len()).unwrap_or_default();
        for (sum, bias) in sums.iter_mut().zip(args.filters.bias.get(4 * first..).unwrap_or_default().chunks_exact(4)) {
            *sum = i32::from_le_bytes([bias[0], bias[1], bias[2], bias[3]]);
        }
        for (y, row) in args.rows.iter().enumerate() {
            let window = row.get(x * args.step..).and_then(|row| row.get(..args.span)).unwrap_or_default();
            dense::dots(window, args.filters.weights.get(first * stride + y * args.span..).unwrap_or_default(), stride, sums);
        }
        for (k, (q, sum)) in out.iter_mut().zip(sums).enumerate() {
            let (filters, channel) = (&args.filters, first + k);
            *q = if filters.is_fixed() { fixed::one(filters, channel, *sum) } else { filters.requantize(channel, *sum) };
        }
    }
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let out = checked.out();
    // Clearing it would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<u32>();
    let mut sums: Sums = [MaybeUninit::uninit(); CHANNELS];
    for x in (0..width).step_by(COLUMNS) {
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, &mut sums, args.channels);
            for at in (0..stride).step_by(2 * TAPS) {
                let bytes = (2 * TAPS).min(stride - at);
                if stride > 2 * TAPS || channel == 0 {
                    let taps = (args.rows.len() * args.span).min((at + bytes) / 2) - at / 2;
                    gather(args.rows, args.span, args.step, columns, at / 2, taps, PAIRS, tile);
                }
                // SAFETY: there are `channels * stride` bytes of weights; `tile` has room for `TAPS` taps of each column
                // and `bytes`, a multiple of 4 that is not 0, is at most two for each.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + at);
                    let sums = sums.as_mut_ptr_range();
                    gray_dots(tile, weights, bytes, sums.start, sums.end, stride - bytes);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
}
