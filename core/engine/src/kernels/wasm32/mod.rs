//! WebAssembly's 128-bit vectors: `i32x4.dot_i16x8_s`, two taps of four output channels; Winograd's algorithms where they apply.
//!
//! A module is compiled with them or without: a browser that lacks them refuses to load it, and nothing is chosen at run time.

use crate::kernels::api::Kernel;
use crate::kernels::checked::{Conv, Covered, Depthwise, Gray};
use crate::kernels::general::loops;
use crate::kernels::more::More;
use crate::kernels::pack::Layout;
use crate::kernels::scalar;
use crate::kernels::vector::{Job, both_ways, conv, depthwise, dot, gray, layout, winograd};

mod words;
use words::Words;

/// As for AVX2, whose registers and instructions most engines use for this.
const BLOCKS: usize = 2;
const COLUMNS: usize = 4;
const ALONE: usize = 8;
const TILES: usize = 2;

const KERNEL: Kernel = Kernel {
    name: "simd128",
    conv_row,
    gray_row,
    depthwise_row,
    dot: dot_product,
    dots: loops::dots,
    pack: Some(pack),
    more: More { blocks: Some(both_ways::blocks::<Words>()), ..More::NONE },
};

/// The vector kernel.
pub fn available() -> impl Iterator<Item = Kernel> {
    core::iter::once(KERNEL)
}

const fn winograd_layout() -> Layout {
    Layout { winograd: true, ..layout::<Words>(1) }
}

fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if gray::suits(layer.shape()) {
        return gray::pack(layer, out);
    }
    let layout = if layer.suits_winograd() { winograd_layout() } else { layout::<Words>(BLOCKS) };
    layout.pack_into(layer, out)
}

fn conv_row(mut checked: Conv<'_>) {
    if !row(&mut Job::conv(&mut checked)) {
        scalar::conv_row(checked);
    }
}

fn gray_row(mut checked: Gray<'_>) {
    let mut job = Job::gray(&mut checked);
    // SAFETY: this module is compiled with simd128 only.
    if !(unsafe { gray::row::<Words, 4>(&mut job) } || row(&mut job)) {
        scalar::gray_row(checked);
    }
}

fn depthwise_row(checked: Depthwise<'_>) {
    // SAFETY: this module is compiled with simd128 only.
    unsafe { depthwise::<Words>(checked) }
}

fn dot_product(values: &[i8], weights: &[u8]) -> i32 {
    // SAFETY: this module is compiled with simd128 only.
    unsafe { dot::<Words>(values, weights) }
}

fn row(job: &mut Job<'_>) -> bool {
    // SAFETY: this module is compiled with simd128 only.
    unsafe { winograd::row::<Words, TILES>(job, winograd_layout()) || conv::<Words, BLOCKS, COLUMNS, ALONE>(job) }
}
