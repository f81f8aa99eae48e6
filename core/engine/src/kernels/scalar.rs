//! The definition: plain loops, no target-specific code. Sums are taken modulo 2^32; those of a model that parses fit.

use super::args::{ConvRow, DepthwiseRow, Filters};
use super::checked::{Conv, Depthwise, Gray};
use crate::quant::{requantize, requantize_fixed};

/// Output channels computed together: each activation is loaded once for all of them.
const BLOCK: usize = 4;

/// One output row of a convolution.
pub fn conv_row(mut checked: Conv<'_>) {
    let (args, stride) = (checked.args(), checked.stride());
    let (taps, span) = (args.rows.len().saturating_mul(args.span), args.span.max(1));
    for (x, pixel) in checked.out().chunks_exact_mut(args.channels.max(1)).enumerate() {
        let at = x * args.step;
        // No slice of weights is longer than the largest number.
        let mut weights = args.filters.weights.chunks_exact(stride.saturating_mul(BLOCK).max(1));
        let mut requantizer = Requantizer::new(&args.filters);
        let mut blocks = pixel.chunks_exact_mut(BLOCK);
        for (block, weights) in (&mut blocks).zip(&mut weights) {
            for (q, sum) in block.iter_mut().zip(sums(&args, at, stride, weights)) {
                *q = requantizer.next(sum);
            }
        }
        for (q, weights) in blocks.into_remainder().iter_mut().zip(weights.remainder().chunks_exact(stride.max(1))) {
            let windows = args.rows.iter().map(|row| row.get(at..at + args.span).unwrap_or(&[]));
            let weights = weights.get(..taps).unwrap_or(&[]);
            let sums = windows.zip(weights.chunks_exact(span)).map(|(window, w)| dot(window, w));
            *q = requantizer.next(sums.fold(0, i32::wrapping_add));
        }
    }
}

/// Sums of products of [`BLOCK`] output channels whose weights lie one after another.
#[inline(always)]
fn sums(args: &ConvRow<'_>, at: usize, stride: usize, weights: &[u8]) -> [i32; BLOCK] {
    let (w0, rest) = weights.split_at_checked(stride).unwrap_or_default();
    let (w1, rest) = rest.split_at_checked(stride).unwrap_or_default();
    let (w2, w3) = rest.split_at_checked(stride).unwrap_or_default();
    let (mut sums, span) = ([0i32; BLOCK], args.span.max(1));
    let spans = w0.chunks_exact(span).zip(w1.chunks_exact(span));
    let spans = spans.zip(w2.chunks_exact(span)).zip(w3.chunks_exact(span));
    for (row, (((w0, w1), w2), w3)) in args.rows.iter().zip(spans) {
        let window = row.get(at..at + args.span).unwrap_or(&[]);
        for ((((x, w0), w1), w2), w3) in window.iter().zip(w0).zip(w1).zip(w2).zip(w3) {
            let x = i32::from(*x);
            sums[0] = sums[0].wrapping_add(x * i32::from(*w0 as i8));
            sums[1] = sums[1].wrapping_add(x * i32::from(*w1 as i8));
            sums[2] = sums[2].wrapping_add(x * i32::from(*w2 as i8));
            sums[3] = sums[3].wrapping_add(x * i32::from(*w3 as i8));
        }
    }
    sums
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(mut checked: Gray<'_>) {
    let (args, stride) = (checked.args(), checked.stride().max(1));
    let span = (2 * args.span).max(1);
    for (x, pixel) in checked.out().chunks_exact_mut(args.channels.max(1)).enumerate() {
        let at = x * args.step;
        let mut requantizer = Requantizer::new(&args.filters);
        for (q, weights) in pixel.iter_mut().zip(args.filters.weights.chunks_exact(stride)) {
            let mut sum = 0i32;
            for (row, weights) in args.rows.iter().zip(weights.chunks_exact(span)) {
                let window = row.get(at..at + args.span).unwrap_or(&[]);
                for (x, w) in window.iter().zip(weights.chunks_exact(2)) {
                    sum = sum.wrapping_add(i32::from(*x) * i32::from(i16_le(w)));
                }
            }
            *q = requantizer.next(sum);
        }
    }
}

/// One output row of a depthwise convolution.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    let args = checked.args();
    let channels = args.channels.max(1);
    for (x, pixel) in checked.out().chunks_exact_mut(channels).enumerate() {
        let mut requantizer = Requantizer::new(&args.filters);
        for (channel, q) in pixel.iter_mut().enumerate() {
            *q = requantizer.next(depthwise_sum(&args, x, channel));
        }
    }
}

/// Sum of products of one output of a depthwise convolution.
#[inline(always)]
pub fn depthwise_sum(args: &DepthwiseRow<'_>, x: usize, channel: usize) -> i32 {
    let (at, channels) = (x * args.step + channel, args.channels.max(1));
    let mut weights = args.filters.weights.iter().skip(channel).step_by(channels);
    let mut sum = 0i32;
    for row in args.rows {
        let column = row.get(at..).unwrap_or(&[]).iter().step_by(channels).take(args.kernel_width);
        for (x, w) in column.zip(&mut weights) {
            sum = sum.wrapping_add(i32::from(*x) * i32::from(*w as i8));
        }
    }
    sum
}

/// Sum of products of int8 values, modulo 2^32.
#[inline(always)]
pub fn dot(a: &[i8], b: &[u8]) -> i32 {
    a.iter().zip(b).fold(0, |sum, (x, w)| sum.wrapping_add(i32::from(*x) * i32::from(*w as i8)))
}

/// Requantises the output channels of a pixel one after another.
struct Requantizer<'a> {
    bias: core::slice::ChunksExact<'a, u8>,
    scales: core::slice::ChunksExact<'a, u8>,
    shifts: Option<core::slice::Iter<'a, u8>>,
    zero_point: i8,
}

impl<'a> Requantizer<'a> {
    #[inline(always)]
    fn new(filters: &Filters<'a>) -> Self {
        let (bias, scales) = (filters.bias.chunks_exact(4), filters.scales.chunks_exact(4));
        let shifts = filters.is_fixed().then(|| filters.shifts.iter());
        Self { bias, scales, shifts, zero_point: filters.zero_point }
    }

    #[inline(always)]
    fn next(&mut self, sum: i32) -> i8 {
        let (bias, scale) = (self.bias.next().map_or(0, i32_le), self.scales.next().map_or(0, i32_le));
        let sum = sum.wrapping_add(bias);
        if let Some(shifts) = &mut self.shifts {
            let shift = shifts.next().map_or(0, |shift| *shift as i8);
            return requantize_fixed(sum, scale, shift, self.zero_point);
        }
        requantize(sum, f32::from_bits(scale as u32), self.zero_point)
    }
}

#[inline(always)]
fn i16_le(b: &[u8]) -> i16 {
    match b {
        [a, b] => i16::from_le_bytes([*a, *b]),
        _ => 0,
    }
}

#[inline(always)]
fn i32_le(b: &[u8]) -> i32 {
    match b {
        [a, b, c, d] => i32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}
