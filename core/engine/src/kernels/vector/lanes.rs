//! What is no sum over channels: int8 values in the order of memory.

use super::isa::Isa;
use crate::kernels::checked::{Depthwise, WORD};
use crate::kernels::pack::word;
use crate::kernels::scalar;

/// Operations on int8 values in the order of memory, for what is no sum over channels.
///
/// # Safety
/// As [`Isa`].
pub trait Lanes: Isa {
    /// `sum + x[0] * w[0] + x[1] * w[1]`, lane by lane; each points at [`LANES`](Isa::LANES) int8 values.
    unsafe fn multiply(sum: Self::Vector, x: [*const i8; 2], w: [*const i8; 2]) -> Self::Vector;
    /// Sum of the lanes.
    unsafe fn total(sum: Self::Vector) -> i32;
}

/// One output row of a depthwise convolution.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn depthwise<I: Lanes>(mut checked: Depthwise<'_>) {
    const ZERO: [i8; 16] = [0; 16];
    let (args, taps) = (checked.args(), checked.stride());
    let channels = args.channels;
    let whole = channels / I::LANES * I::LANES;
    for (x, pixel) in checked.out().chunks_exact_mut(channels).enumerate() {
        for channel in (0..whole).step_by(I::LANES) {
            // SAFETY: each row holds the window of column `x`; there are weights, biases and scales of these lanes.
            unsafe {
                let value = |tap: usize| {
                    let (y, i) = (tap / args.kernel_width, tap % args.kernel_width);
                    args.rows.get(y).map_or(ZERO.as_ptr(), |row| row.as_ptr().add(x * args.step + i * channels + channel))
                };
                let weight = |tap: usize| {
                    if tap < taps { args.filters.weights.as_ptr().add(tap * channels + channel).cast() } else { ZERO.as_ptr() }
                };
                let mut sum = I::load(args.filters.bias.as_ptr().add(WORD * channel));
                for tap in (0..taps).step_by(2) {
                    sum = I::multiply(sum, [value(tap), value(tap + 1)], [weight(tap), weight(tap + 1)]);
                }
                let (scale, to) = (I::load(args.filters.scales.as_ptr().add(WORD * channel)), pixel.as_mut_ptr().add(channel));
                if args.filters.is_fixed() {
                    let shifts = I::load_shifts(args.filters.shifts.as_ptr().add(channel));
                    I::requantize_fixed(sum, [scale, shifts], args.filters.zero_point, to);
                } else {
                    I::requantize(sum, scale, args.filters.zero_point, to);
                }
            }
        }
        for (channel, q) in pixel.iter_mut().enumerate().skip(whole) {
            let sum = scalar::depthwise_sum(&args, x, channel).wrapping_add(word(args.filters.bias, channel));
            *q = args.filters.requantize(channel, sum);
        }
    }
}

/// Sum of products of int8 values.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn dot<I: Lanes>(values: &[i8], weights: &[u8]) -> i32 {
    let zero = [0u8; 64];
    // SAFETY: a vector is 64 bytes at most.
    let mut sum = unsafe { I::load(zero.as_ptr()) };
    let pair = 2 * I::LANES;
    let whole = values.len().min(weights.len()) / pair * pair;
    for at in (0..whole).step_by(pair) {
        // SAFETY: `at + pair` lies within both.
        unsafe {
            let (x, w) = (values.as_ptr().add(at), weights.as_ptr().add(at).cast::<i8>());
            sum = I::multiply(sum, [x, x.add(I::LANES)], [w, w.add(I::LANES)]);
        }
    }
    let rest = scalar::dot(values.get(whole..).unwrap_or(&[]), weights.get(whole..).unwrap_or(&[]));
    // SAFETY: the caller's.
    unsafe { I::total(sum).wrapping_add(rest) }
}
