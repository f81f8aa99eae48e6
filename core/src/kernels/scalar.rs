//! The definition: plain loops, no target-specific code.

use super::ConvRow;
use crate::quant::requantize;

/// Output channels computed together: each activation is loaded once for all of them.
const BLOCK: usize = 4;

/// One output row of a convolution; `out` is `width * channels` long.
pub fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    let taps = args.rows.len() * args.span;
    for (x, pixel) in out.chunks_exact_mut(args.channels).enumerate() {
        let at = x * args.step;
        let mut weights = args.weights.chunks_exact(BLOCK * taps);
        let mut bias = args.bias.chunks_exact(4);
        let mut scales = args.scales.chunks_exact(4);
        let mut finish = |q: &mut i8, sum: i32| {
            let (bias, scale) = (bias.next().map_or(0, i32_le), scales.next().map_or(0, i32_le));
            *q = requantize(sum + bias, f32::from_bits(scale as u32), args.zero_point);
        };
        let mut blocks = pixel.chunks_exact_mut(BLOCK);
        for (block, weights) in (&mut blocks).zip(&mut weights) {
            for (q, sum) in block.iter_mut().zip(sums(args, at, taps, weights)) {
                finish(q, sum);
            }
        }
        for (q, weights) in blocks.into_remainder().iter_mut().zip(weights.remainder().chunks_exact(taps)) {
            let windows = args.rows.iter().map(|row| row.get(at..at + args.span).unwrap_or(&[]));
            finish(q, windows.zip(weights.chunks_exact(args.span)).map(|(window, w)| dot(window, w)).sum());
        }
    }
}

/// Sums of products of [`BLOCK`] output channels whose weights lie one after another.
#[inline(always)]
fn sums(args: &ConvRow<'_>, at: usize, taps: usize, weights: &[u8]) -> [i32; BLOCK] {
    let (w0, rest) = weights.split_at_checked(taps).unwrap_or_default();
    let (w1, rest) = rest.split_at_checked(taps).unwrap_or_default();
    let (w2, w3) = rest.split_at_checked(taps).unwrap_or_default();
    let mut sums = [0; BLOCK];
    let spans = w0.chunks_exact(args.span).zip(w1.chunks_exact(args.span));
    let spans = spans.zip(w2.chunks_exact(args.span)).zip(w3.chunks_exact(args.span));
    for (row, (((w0, w1), w2), w3)) in args.rows.iter().zip(spans) {
        let window = row.get(at..at + args.span).unwrap_or(&[]);
        for ((((x, w0), w1), w2), w3) in window.iter().zip(w0).zip(w1).zip(w2).zip(w3) {
            let x = i32::from(*x);
            sums[0] += x * i32::from(*w0 as i8);
            sums[1] += x * i32::from(*w1 as i8);
            sums[2] += x * i32::from(*w2 as i8);
            sums[3] += x * i32::from(*w3 as i8);
        }
    }
    sums
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
