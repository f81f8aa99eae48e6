//! Winograd both ways by AVX2, and by AVX-VNNI, which adds up products in place.

use super::words::Words;
use crate::kernels::blocks::Blocks;
use crate::kernels::checked::Shape;
use crate::kernels::vector::Isa;
use crate::kernels::vector::both_ways::{Form, Forms, Products, Tiles, blocks, forms};
use core::arch::asm;
use core::arch::x86_64::*;

/// For AVX2.
pub const BLOCKS: Blocks = blocks::<Words>();
/// For AVX-VNNI.
pub const FUSED: Blocks = blocks::<Fused>();

/// Input channels from which on stride 2 takes less time so than by `vpdpbusd`, whose products are twice as many an instruction.
const FUSED_FROM: usize = 48;

impl Tiles for Words {
    const BLOCKS: usize = 3;
    const FETCHES: bool = true;

    #[inline(always)]
    unsafe fn load_words(from: *const i8) -> __m256i {
        // SAFETY: 16 readable bytes, and AVX2.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn add_words(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub_words(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_sub_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn shift_words<const N: i32>(a: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_slli_epi16::<N>(a) }
    }

    #[inline(always)]
    unsafe fn shift<const N: i32>(a: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_slli_epi32::<N>(a) }
    }

    #[inline(always)]
    unsafe fn scale(a: __m256i, by: i32) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_mullo_epi32(a, _mm256_set1_epi32(by)) }
    }

    #[inline(always)]
    unsafe fn product(x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: AVX2.
        unsafe { _mm256_madd_epi16(x, w) }
    }

    #[inline(always)]
    unsafe fn save(a: __m256i, to: *mut u8) {
        // SAFETY: 32 writable bytes, and AVX2.
        unsafe { _mm256_storeu_si256(to.cast(), a) };
    }

    #[inline(always)]
    unsafe fn fetch(from: *const u8) {
        // SAFETY: nothing needs to be there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
    }
}

impl Products for Words {
    type Isa = Self;

    #[inline(always)]
    unsafe fn add(sum: __m256i, x: __m256i, w: *const u8, b: usize) -> __m256i {
        // SAFETY: `b + 1` vectors at `w`, and AVX2.
        unsafe { if b < 2 { Self::dot(sum, x, Self::load(w.add(b * Self::VECTOR))) } else { _mm256_add_epi32(sum, third(x, w)) } }
    }
}

// SAFETY: a kernel with these loops exists on a processor with AVX2 only.
unsafe impl Forms for Words {
    const FORMS: [Form; 2] = forms::<Self>();
    const FIRST: u8 = 2;
}

/// Products by AVX-VNNI.
struct Fused;

impl Products for Fused {
    type Isa = Words;

    #[inline(always)]
    unsafe fn add(sum: __m256i, x: __m256i, w: *const u8, b: usize) -> __m256i {
        // SAFETY: `b + 1` vectors at `w`, and AVX-VNNI.
        unsafe { if b < 2 { fused(sum, x, Words::load(w.add(b * Words::VECTOR))) } else { fused_third(sum, x, w) } }
    }
}

// SAFETY: a kernel with these loops exists on a processor with AVX2 and AVX-VNNI only.
unsafe impl Forms for Fused {
    const FORMS: [Form; 2] = forms::<Self>();
    const FIRST: u8 = 4;

    fn is_slower(shape: &Shape, stride: usize) -> bool {
        stride == 2 && shape.span / 3 < FUSED_FROM
    }
}

/// The products with the third vector at `w`, from memory: a register for it would cost one of twelve sums its own.
///
/// # Safety
/// AVX2; three vectors at `w`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn third(values: __m256i, w: *const u8) -> __m256i {
    let products;
    // SAFETY: reads the vector, no more.
    unsafe {
        asm!(
            "vpmaddwd {products}, {values}, ymmword ptr [{w} + 64]",
            products = lateout(ymm_reg) products,
            values = in(ymm_reg) values,
            w = in(reg) w,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    products
}

/// `sum + x * w`, both products of a lane, in one instruction.
///
/// # Safety
/// AVX-VNNI.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn fused(mut sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {x}, {w}",
            sum = inlateout(ymm_reg) sum,
            x = in(ymm_reg) x,
            w = in(ymm_reg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// [`fused`] with the third vector at `w`, as [`third`].
///
/// # Safety
/// AVX-VNNI; three vectors at `w`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn fused_third(mut sum: __m256i, x: __m256i, w: *const u8) -> __m256i {
    // SAFETY: reads the vector, no more.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {x}, ymmword ptr [{w} + 64]",
            sum = inlateout(ymm_reg) sum,
            x = in(ymm_reg) x,
            w = in(reg) w,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sum
}
