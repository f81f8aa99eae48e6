//! AVX2: `vpmaddwd` on i16 words, two taps of eight output channels an instruction; Winograd's F(4, 3) where it applies.
//!
//! `vpmaddubsw` would take twice the taps, and saturates: 2 * 255 * 127 is not an i16.

use super::checked::{Conv, Covered, Depthwise, Gray};
use super::pack::Layout;
use super::simd::{Isa, Job, Lanes, conv, depthwise, dot, layout};
use super::winograd::{self, THIRD, Winograd};
use super::{Kernel, gray, scalar, winograd_2d};
use core::arch::x86_64::*;

/// Blocks of channels, columns of them, columns of a block alone: eight accumulators, whose chains are one addition long.
const BLOCKS: usize = 2;
const COLUMNS: usize = 4;
const ALONE: usize = 8;
/// Tiles under Winograd: twelve accumulators.
const TILES: usize = 2;

/// The kernel; only [`x86::available`](super::x86::available) gives it away.
pub const KERNEL: Kernel = Kernel {
    name: "avx2",
    conv_row,
    gray_row,
    depthwise_row,
    dot: dot_product,
    pack: Some(pack),
    blocks: Some(winograd_2d::BLOCKS),
};

/// i16 words in 256 bits.
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

const fn winograd_layout() -> Layout {
    Layout { winograd: true, ..layout::<Words>(1) }
}

/// The form that is faster for these filters.
pub fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if gray::suits(layer.shape()) {
        return gray::pack(layer, out);
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
