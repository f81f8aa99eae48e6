//! AVX-VNNI: `vpdpbusd` on 256 bits, four taps of eight output channels an instruction, added up in place.
//!
//! Its activations are unsigned: they come with the top bit flipped, and the bias pays the 128 back.

use super::words::Words;
use super::{avx2, winograd_2d};
use crate::kernels::api::Kernel;
use crate::kernels::checked::{Conv, Covered};
use crate::kernels::more::More;
use crate::kernels::scalar;
use crate::kernels::vector::{Isa, Job, conv, layout};
use core::arch::x86_64::*;

/// Twelve accumulators: five cycles a chain, two instructions a cycle.
const BLOCKS: usize = 3;
const COLUMNS: usize = 4;
const ALONE: usize = 8;

/// The kernel; only [`available`](super::available) gives it away.
pub const KERNEL: Kernel = Kernel {
    name: "avx-vnni",
    conv_row,
    pack: Some(pack),
    more: More { blocks: Some(winograd_2d::FUSED), ..avx2::KERNEL.more },
    ..avx2::KERNEL
};

/// Bytes in 256 bits.
struct Bytes;

impl Isa for Bytes {
    type Vector = __m256i;
    const LANES: usize = 8;
    const TAPS: usize = 4;
    const FLIPPED: bool = true;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller's.
        unsafe { Words::load(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m256i {
        // SAFETY: the caller's.
        unsafe { Words::splat(from) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller's.
        unsafe { Words::zero() }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's.
        unsafe { Words::add(a, b) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn requantize(sum: __m256i, scale: __m256i, zero_point: i8, to: *mut i8) {
        // SAFETY: the caller's.
        unsafe { Words::requantize(sum, scale, zero_point, to) }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> __m256i {
        // SAFETY: the caller's.
        unsafe { Words::load_shifts(from) }
    }

    #[inline(always)]
    unsafe fn requantize_fixed(sum: __m256i, by: [__m256i; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: the caller's.
        unsafe { Words::requantize_fixed(sum, by, zero_point, to) }
    }
}

fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if layer.shape().wide { avx2::pack(layer, out) } else { layout::<Bytes>(BLOCKS).pack_into(layer, out) }
}

fn conv_row(mut checked: Conv<'_>) {
    #[target_feature(enable = "avx2,avxvnni")]
    fn inner(job: &mut Job<'_>) -> bool {
        // SAFETY: AVX2 and AVX-VNNI are there.
        unsafe { conv::<Bytes, BLOCKS, COLUMNS, ALONE>(job) }
    }
    // SAFETY: a kernel with this function exists on a processor with AVX2 and AVX-VNNI only.
    if !unsafe { inner(&mut Job::conv(&mut checked)) } {
        scalar::conv_row(checked);
    }
}
