//! The loops for any geometry, compiled for AVX2.

use crate::kernels::general::{ConvRow, DepthwiseRow, Loops, loops};

/// For processors with AVX2 only.
pub const LOOPS: Loops = Loops { conv_row, depthwise_row };

fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(args: &ConvRow<'_>, out: &mut [i8]) {
        loops::conv_row(args, out);
    }
    // SAFETY: a kernel with these loops exists on a processor with AVX2 only.
    unsafe { with_avx2(args, out) }
}

fn depthwise_row(args: &DepthwiseRow<'_>, out: &mut [i8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(args: &DepthwiseRow<'_>, out: &mut [i8]) {
        loops::depthwise_row(args, out);
    }
    // SAFETY: a kernel with these loops exists on a processor with AVX2 only.
    unsafe { with_avx2(args, out) }
}

pub fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
        loops::dots(window, weights, stride, sums);
    }
    // SAFETY: a kernel with these loops exists on a processor with AVX2 only.
    unsafe { with_avx2(window, weights, stride, sums) }
}
