//! AVX-512 with VNNI: `vpdpbusd` on 512 bits, four taps of sixteen output channels an instruction: 64 multiply-accumulates.
//!
//! Its activations are unsigned: they come with the top bit flipped, and the bias pays the 128 back.

use super::avx2;
use super::words::Words;
use crate::kernels::api::Kernel;
use crate::kernels::checked::{Conv, Covered};
use crate::kernels::scalar;
use crate::kernels::vector::{Isa, Job, conv, layout};
use core::arch::x86_64::*;

/// Sixteen accumulators or more: five cycles a chain, two instructions a cycle.
const BLOCKS: usize = 2;
const COLUMNS: usize = 8;
const ALONE: usize = 16;

/// The kernel; only [`available`](super::available) gives it away.
pub const KERNEL: Kernel = Kernel { name: "avx512-vnni", conv_row, pack: Some(pack), blocks: None, ..avx2::KERNEL };

/// Bytes in 512 bits.
struct Bytes;

impl Isa for Bytes {
    type Vector = __m512i;
    const LANES: usize = 16;
    const TAPS: usize = 4;
    const FLIPPED: bool = true;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: 64 readable bytes, and AVX-512.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m512i {
        // SAFETY: 4 readable bytes, and AVX-512.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: AVX512-VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, x, w) }
    }

    /// `vcvtps2dq` rounds to even, as `quant::round_ties_even`.
    #[inline(always)]
    unsafe fn requantize(sum: __m512i, scale: __m512i, zero_point: i8, to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe {
            let q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(scale)));
            let q = _mm512_add_epi32(q, _mm512_set1_epi32(i32::from(zero_point)));
            _mm_storeu_si128(to.cast(), _mm512_cvtsepi32_epi8(q));
        }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> __m512i {
        // SAFETY: 16 readable bytes, and AVX-512.
        unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())) }
    }

    /// By halves.
    #[inline(always)]
    unsafe fn requantize_fixed(sum: __m512i, by: [__m512i; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe {
            let low = |v| _mm512_castsi512_si256(v);
            let high = |v| _mm512_extracti64x4_epi64::<1>(v);
            Words::requantize_fixed(low(sum), by.map(low), zero_point, to);
            Words::requantize_fixed(high(sum), by.map(high), zero_point, to.add(8));
        }
    }
}

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
