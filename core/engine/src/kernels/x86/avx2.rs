//! AVX2: `vpmaddwd` on i16 words, two taps of eight output channels an instruction; Winograd's F(4, 3) where it applies.
//!
//! `vpmaddubsw` would take twice the taps, and saturates: 2 * 255 * 127 is not an i16.

use super::values::sum;
use super::words::Words;
use super::{general, gray, winograd_2d};
use crate::kernels::api::Kernel;
use crate::kernels::args::{FixedSum, WIDE};
use crate::kernels::checked::{Conv, Covered, Depthwise, Gray};
use crate::kernels::more::More;
use crate::kernels::pack::Layout;
use crate::kernels::scalar;
use crate::kernels::vector::{Job, conv, depthwise, dot, gray as packed_gray, layout, winograd};

/// Blocks of channels, columns of them, columns of a block alone: eight accumulators, whose chains are one addition long.
const BLOCKS: usize = 2;
const COLUMNS: usize = 4;
const ALONE: usize = 8;
/// Tiles under Winograd: twelve accumulators.
const TILES: usize = 2;

/// The kernel; only [`available`](super::available) gives it away.
pub const KERNEL: Kernel = Kernel {
    name: "avx2",
    conv_row,
    gray_row,
    depthwise_row,
    dot: dot_product,
    dots: general::dots,
    pack: Some(pack),
    more: More { fixed_sum: Some(fixed_sum), blocks: Some(winograd_2d::BLOCKS), general: general::LOOPS },
};

const fn winograd_layout() -> Layout {
    Layout { winograd: true, ..layout::<Words>(1) }
}

/// The form that is faster for these filters.
pub fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if packed_gray::suits(layer.shape()) {
        return packed_gray::pack(layer, out);
    }
    let layout = if layer.suits_winograd() { winograd_layout() } else { layout::<Words>(BLOCKS) };
    layout.pack_into(layer, out)
}

fn conv_row(mut checked: Conv<'_>) {
    // SAFETY: a kernel with this function exists on a processor with AVX2 only.
    if !unsafe { row(&mut Job::conv(&mut checked)) } {
        scalar::conv_row(checked);
    }
}

fn gray_row(mut checked: Gray<'_>) {
    let mut job = Job::gray(&mut checked);
    // SAFETY: a kernel with this function exists on a processor with AVX2 only.
    if !unsafe { gray::row(&mut job) || row(&mut job) } {
        scalar::gray_row(checked);
    }
}

fn depthwise_row(checked: Depthwise<'_>) {
    #[target_feature(enable = "avx2")]
    fn inner(checked: Depthwise<'_>) {
        // SAFETY: AVX2 is there.
        unsafe { depthwise::<Words>(checked) }
    }
    // SAFETY: a kernel with this function exists on a processor with AVX2 only.
    unsafe { inner(checked) }
}

fn fixed_sum(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
    #[target_feature(enable = "avx2")]
    fn inner(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
        // SAFETY: AVX2 is there.
        unsafe { sum::<Words>(by, a, b, out) }
    }
    // SAFETY: a kernel with this function exists on a processor with AVX2 only.
    unsafe { inner(by, a, b, out) }
}

fn dot_product(values: &[i8], weights: &[u8]) -> i32 {
    #[target_feature(enable = "avx2")]
    fn inner(values: &[i8], weights: &[u8]) -> i32 {
        // SAFETY: AVX2 is there.
        unsafe { dot::<Words>(values, weights) }
    }
    // SAFETY: a kernel with this function exists on a processor with AVX2 only.
    unsafe { inner(values, weights) }
}

#[target_feature(enable = "avx2")]
fn row(job: &mut Job<'_>) -> bool {
    // SAFETY: AVX2 is there.
    unsafe { winograd::row::<Words, TILES>(job, winograd_layout()) || conv::<Words, BLOCKS, COLUMNS, ALONE>(job) }
}
