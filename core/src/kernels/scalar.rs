//! The definition: plain loops, no target-specific code.

use super::ConvRow;
use crate::quant::requantize;

/// One output row of a convolution; `out` is `width * channels` long.
pub fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    let taps = args.rows.len() * args.span;
    for (x, pixel) in out.chunks_exact_mut(args.channels).enumerate() {
        let at = x * args.step;
        let channels = args.weights.chunks_exact(taps).zip(args.bias.chunks_exact(4)).zip(args.scales.chunks_exact(4));
        for (q, ((weights, bias), scale)) in pixel.iter_mut().zip(channels) {
            let mut sum = i32_le(bias);
            for (row, w) in args.rows.iter().zip(weights.chunks_exact(args.span)) {
                if let Some(window) = row.get(at..at + args.span) {
                    sum += dot(window, w);
                }
            }
            *q = requantize(sum, f32::from_bits(i32_le(scale) as u32), args.zero_point);
        }
    }
}

/// Sum of products of int8 values, in i32.
#[inline(always)]
pub fn dot(a: &[i8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(x, w)| i32::from(*x) * i32::from(*w as i8)).sum()
}

#[inline(always)]
fn i32_le(b: &[u8]) -> i32 {
    match b {
        [a, b, c, d] => i32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}
