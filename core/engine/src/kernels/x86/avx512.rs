//! AVX-512 with VNNI: `vpdpbusd` on 512 bits, four taps of sixteen output channels an instruction: 64 multiply-accumulates.
//!
//! Its activations are unsigned: they come with the top bit flipped, and the bias pays the 128 back.

use super::bytes::Bytes;
use super::values::sum;
use super::{avx2, depthwise};
use crate::kernels::api::Kernel;
use crate::kernels::args::{FixedSum, WIDE};
use crate::kernels::checked::{Conv, Covered};
use crate::kernels::more::More;
use crate::kernels::scalar;
use crate::kernels::vector::{Isa, Job, conv, layout};
use core::arch::x86_64::*;

/// Sixteen accumulators or more: five cycles a chain, two instructions a cycle.
const BLOCKS: usize = 2;
const COLUMNS: usize = 8;
const ALONE: usize = 16;

/// The kernel; only [`available`](super::available) gives it away.
pub const KERNEL: Kernel = Kernel {
    name: "avx512-vnni",
    conv_row,
    depthwise_row: depthwise::depthwise_row,
    dots,
    pack: Some(pack),
    more: More { fixed_sum: Some(fixed_sum), blocks: None, ..avx2::KERNEL.more },
    ..avx2::KERNEL
};

fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if layer.shape().wide { avx2::pack(layer, out) } else { layout::<Bytes>(BLOCKS).pack_into(layer, out) }
}

fn conv_row(mut checked: Conv<'_>) {
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    fn inner(job: &mut Job<'_>) -> bool {
        // SAFETY: AVX-512 and its VNNI are there.
        unsafe { conv::<Bytes, BLOCKS, COLUMNS, ALONE>(job) }
    }
    // SAFETY: a kernel with this function exists on a processor with these instructions only.
    if !unsafe { inner(&mut Job::conv(&mut checked)) } {
        scalar::conv_row(checked);
    }
}

fn fixed_sum(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    fn inner(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
        // SAFETY: AVX-512 is there.
        unsafe { sum::<Bytes>(by, a, b, out) }
    }
    // SAFETY: a kernel with this function exists on a processor with these instructions only.
    unsafe { inner(by, a, b, out) }
}

/// Filters whose sums are on their way together.
const FILTERS: usize = 4;

fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    let whole = window.len() / 64 * 64;
    let (vectors, rest) = window.split_at(whole);
    for (i, sums) in sums.chunks_mut(FILTERS).enumerate() {
        let weights = weights.get(i * FILTERS * stride..).unwrap_or_default();
        let fits = (FILTERS - 1)
            .checked_mul(stride)
            .and_then(|last| last.checked_add(window.len()))
            .is_some_and(|end| end <= weights.len());
        let Some(sums) = <&mut [i32; FILTERS]>::try_from(&mut *sums).ok().filter(|_| fits) else {
            avx2::KERNEL.dots(window, weights, stride, sums);
            continue;
        };
        // SAFETY: a kernel with this function exists on a processor with these instructions only.
        unsafe { dot_vectors(vectors, weights, stride, sums) };
        avx2::KERNEL.dots(rest, weights.get(whole..).unwrap_or_default(), stride, sums);
    }
}

/// # Safety
/// `window` is a whole number of vectors, and there are as many weights from each of the four filters on, `stride` apart.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn dot_vectors(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32; FILTERS]) {
    let flips = _mm512_set1_epi8(-128);
    let mut found = [[_mm512_setzero_si512(); 2]; FILTERS];
    for (at, values) in window.chunks_exact(64).enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let values = _mm512_xor_si512(Bytes::load(values.as_ptr().cast()), flips);
            for (filter, [products, paid]) in found.iter_mut().enumerate() {
                let weights = Bytes::load(weights.as_ptr().add(filter * stride + at * 64));
                *products = _mm512_dpbusd_epi32(*products, values, weights);
                *paid = _mm512_dpbusd_epi32(*paid, flips, weights);
            }
        }
    }
    for (sum, [products, paid]) in sums.iter_mut().zip(found) {
        *sum = sum.wrapping_add(_mm512_reduce_add_epi32(_mm512_sub_epi32(products, paid)));
    }
}
