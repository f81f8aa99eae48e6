//! Bytes in the 512 bits of AVX-512 with VNNI: what its kernel is made of.

use super::values::{SHIFT, Values};
use crate::kernels::vector::Isa;
use core::arch::x86_64::*;

/// Bytes in 512 bits.
pub struct Bytes;

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
    unsafe fn zero() -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_epi32(a, b) }
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

    #[inline(always)]
    unsafe fn requantize_fixed(sum: __m512i, by: [__m512i; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe { _mm_storeu_si128(to.cast(), Self::narrow(Self::times(sum, by), zero_point)) };
    }
}

impl Bytes {
    /// Sixteen int8 values with this zero point.
    #[inline(always)]
    pub unsafe fn narrow(q: __m512i, zero_point: i8) -> __m128i {
        // SAFETY: AVX-512.
        unsafe {
            let words = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(q), _mm256_set1_epi16(i16::from(zero_point)));
            _mm256_cvtsepi16_epi8(words)
        }
    }
}

impl Values for Bytes {
    #[inline(always)]
    unsafe fn widen(from: *const i8) -> __m512i {
        // SAFETY: 16 readable bytes, and AVX-512.
        unsafe { Self::load_shifts(from.cast()) }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn shift_left(a: __m512i) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_slli_epi32::<SHIFT>(a) }
    }

    /// As of AVX2's words.
    #[inline(always)]
    unsafe fn times(x: __m512i, [multiplier, shift]: [__m512i; 2]) -> __m512i {
        // SAFETY: AVX-512.
        unsafe {
            let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
            let x = _mm512_sllv_epi32(x, _mm512_max_epi32(shift, zero));
            let half = _mm512_set1_epi64(1 << 30);
            let even = _mm512_add_epi64(_mm512_mul_epi32(x, multiplier), half);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(x), _mm512_srli_epi64::<32>(multiplier));
            let odd = _mm512_slli_epi64::<1>(_mm512_add_epi64(odd, half));
            let x = _mm512_mask_mov_epi32(_mm512_srli_epi64::<31>(even), 0b1010_1010_1010_1010, odd);
            let right = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
            let mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, right), one);
            let threshold = _mm512_sub_epi32(_mm512_srli_epi32::<1>(mask), _mm512_srai_epi32::<31>(x));
            let up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(x, mask), threshold);
            let q = _mm512_srav_epi32(x, right);
            _mm512_mask_add_epi32(q, up, q, one)
        }
    }

    #[inline(always)]
    unsafe fn store(q: __m512i, zero_point: i8, [least, greatest]: [i8; 2], to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe {
            let q = _mm_max_epi8(_mm_min_epi8(Self::narrow(q, zero_point), _mm_set1_epi8(greatest)), _mm_set1_epi8(least));
            _mm_storeu_si128(to.cast(), q);
        }
    }
}
