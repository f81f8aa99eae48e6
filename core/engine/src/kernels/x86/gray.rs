//! The first layer of a gray image, by AVX2.

use super::words::Words;
use crate::kernels::vector::Job;
use crate::kernels::vector::gray::{self, Pixels};
use core::arch::x86_64::*;

impl Pixels<2> for Words {
    #[inline(always)]
    unsafe fn low_halves(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_blend_epi16::<0b1010_1010>(a, _mm256_slli_epi32::<16>(b)) }
    }

    #[inline(always)]
    unsafe fn requantize_pair(sums: [[__m256i; 2]; 2], scales: [__m256i; 2], zero_point: i8, to: [*mut i8; 2]) {
        // SAFETY: 16 writable bytes each, and AVX2.
        unsafe {
            let round = |sum, scale| _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_castsi256_ps(scale)));
            let zero_point = _mm256_set1_epi16(i16::from(zero_point));
            let [one, two] =
                sums.map(|[a, b]| _mm256_adds_epi16(_mm256_packs_epi32(round(a, scales[0]), round(b, scales[1])), zero_point));
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(one, two), order);
            _mm_storeu_si128(to[0].cast(), _mm256_castsi256_si128(bytes));
            _mm_storeu_si128(to[1].cast(), _mm256_extracti128_si256::<1>(bytes));
        }
    }
}

/// One output row; false, with nothing written, where the layer or the filters are others.
#[target_feature(enable = "avx2")]
pub fn row(job: &mut Job<'_>) -> bool {
    // SAFETY: AVX2 is there.
    unsafe { gray::row::<Words, 2>(job) }
}
