//! i16 words in the 256 bits of AVX2: what its kernels are made of.

use super::values::{SHIFT, Values};
use crate::kernels::vector::winograd::{THIRD, Winograd};
use crate::kernels::vector::{Isa, Lanes};
use core::arch::x86_64::*;

/// i16 words in 256 bits.
#[derive(Clone, Copy)]
pub struct Words;

impl Isa for Words {
    type Vector = __m256i;
    const LANES: usize = 8;
    const TAPS: usize = 2;
    const FLIPPED: bool = false;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: 32 readable bytes, and AVX2.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m256i {
        // SAFETY: 4 readable bytes, and AVX2.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)) }
    }

    /// `vcvtps2dq` rounds to even, as `quant::round_ties_even`; packing saturates at i16 first, which the zero point cannot undo.
    #[inline(always)]
    unsafe fn requantize(sum: __m256i, scale: __m256i, zero_point: i8, to: *mut i8) {
        // SAFETY: 8 writable bytes, and AVX2.
        unsafe {
            let q = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_castsi256_ps(scale)));
            let words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
            let words = _mm_adds_epi16(words, _mm_set1_epi16(i16::from(zero_point)));
            _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> __m256i {
        // SAFETY: 8 readable bytes, and AVX2.
        unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast())) }
    }

    #[inline(always)]
    unsafe fn requantize_fixed(sum: __m256i, by: [__m256i; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: 8 writable bytes, and AVX2.
        unsafe { _mm_storel_epi64(to.cast(), Self::narrow(Self::times(sum, by), zero_point)) };
    }

    /// Packing keeps to halves of a vector: at last the columns' halves are brought together.
    #[inline(always)]
    unsafe fn requantize_columns(sums: [__m256i; 4], scale: __m256i, zero_point: i8, to: [*mut i8; 4]) {
        // SAFETY: 8 writable bytes each, and AVX2.
        unsafe {
            let round = |sum| _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_castsi256_ps(scale)));
            let [a, b, c, d] = sums.map(round);
            let zero_point = _mm256_set1_epi16(i16::from(zero_point));
            let words = |a, b| _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero_point);
            let bytes = _mm256_packs_epi16(words(a, b), words(c, d));
            let columns = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            let (low, high) = (_mm256_castsi256_si128(columns), _mm256_extracti128_si256::<1>(columns));
            for (pair, to) in [(low, [to[0], to[1]]), (high, [to[2], to[3]])] {
                _mm_storel_epi64(to[0].cast(), pair);
                _mm_storeh_pd(to[1].cast(), _mm_castsi128_pd(pair));
            }
        }
    }
}

impl Words {
    /// Eight int8 values with this zero point, twice.
    #[inline(always)]
    unsafe fn narrow(q: __m256i, zero_point: i8) -> __m128i {
        // SAFETY: AVX2.
        unsafe {
            let words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
            let words = _mm_adds_epi16(words, _mm_set1_epi16(i16::from(zero_point)));
            _mm_packs_epi16(words, words)
        }
    }
}

impl Values for Words {
    #[inline(always)]
    unsafe fn widen(from: *const i8) -> __m256i {
        // SAFETY: 8 readable bytes, and AVX2.
        unsafe { Self::load_shifts(from.cast()) }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn shift_left(a: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_slli_epi32::<{ SHIFT as i32 }>(a) }
    }

    /// Products of even lanes, then of odd ones; what is rounded away decides as gemmlowp's `RoundingDivideByPOT` does.
    #[inline(always)]
    unsafe fn times(x: __m256i, [multiplier, shift]: [__m256i; 2]) -> __m256i {
        // SAFETY: AVX2.
        unsafe {
            let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi32(1));
            let x = _mm256_sllv_epi32(x, _mm256_max_epi32(shift, zero));
            let half = _mm256_set1_epi64x(1 << 30);
            let even = _mm256_add_epi64(_mm256_mul_epi32(x, multiplier), half);
            let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(x), _mm256_srli_epi64::<32>(multiplier));
            let odd = _mm256_slli_epi64::<1>(_mm256_add_epi64(odd, half));
            let x = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<31>(even), odd);
            let right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);
            let mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, right), one);
            let threshold = _mm256_sub_epi32(_mm256_srli_epi32::<1>(mask), _mm256_srai_epi32::<31>(x));
            let up = _mm256_cmpgt_epi32(_mm256_and_si256(x, mask), threshold);
            _mm256_sub_epi32(_mm256_srav_epi32(x, right), up)
        }
    }

    #[inline(always)]
    unsafe fn store(q: __m256i, zero_point: i8, [least, greatest]: [i8; 2], to: *mut i8) {
        // SAFETY: 8 writable bytes, and AVX2.
        unsafe {
            let q = _mm_min_epi8(Self::narrow(q, zero_point), _mm_set1_epi8(greatest));
            _mm_storel_epi64(to.cast(), _mm_max_epi8(q, _mm_set1_epi8(least)));
        }
    }
}

impl Lanes for Words {
    #[inline(always)]
    unsafe fn multiply(sum: __m256i, x: [*const i8; 2], w: [*const i8; 2]) -> __m256i {
        // SAFETY: 8 readable bytes each, and AVX2.
        unsafe {
            let words = |[a, b]: [*const i8; 2]| {
                _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(_mm_loadl_epi64(a.cast()), _mm_loadl_epi64(b.cast())))
            };
            Self::dot(sum, words(x), words(w))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: __m256i) -> i32 {
        // SAFETY: AVX2.
        unsafe {
            let s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let s = _mm_add_epi32(s, _mm_shuffle_epi32::<0b00_00_11_10>(s));
            _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32::<1>(s)))
        }
    }
}

impl Winograd for Words {
    #[inline(always)]
    unsafe fn sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn twenty_fourth(a: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_mullo_epi32(_mm256_srai_epi32::<3>(a), _mm256_set1_epi32(THIRD)) }
    }
}
