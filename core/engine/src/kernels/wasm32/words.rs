//! i16 words in 128 bits: what the kernel is made of.

use crate::kernels::vector::both_ways::{Form, Forms, Products, Tiles, forms};
use crate::kernels::vector::gray::Pixels;
use crate::kernels::vector::winograd::{THIRD, Winograd};
use crate::kernels::vector::{Isa, Lanes};
use crate::quant::requantize_fixed;
use core::arch::wasm32::*;

/// i16 words in 128 bits.
#[derive(Clone, Copy)]
pub struct Words;

impl Isa for Words {
    type Vector = v128;
    const LANES: usize = 4;
    const TAPS: usize = 2;
    const FLIPPED: bool = false;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> v128 {
        // SAFETY: 16 readable bytes.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> v128 {
        // SAFETY: 4 readable bytes.
        unsafe { v128_load32_splat(from.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    unsafe fn add(a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }

    #[inline(always)]
    unsafe fn dot(sum: v128, x: v128, w: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(x, w))
    }

    #[inline(always)]
    unsafe fn requantize(sum: v128, scale: v128, zero_point: i8, to: *mut i8) {
        let words = narrow(rounded(sum, scale), rounded(sum, scale), zero_point);
        // SAFETY: 4 writable bytes.
        unsafe { v128_store32_lane::<0>(i8x16_narrow_i16x8(words, words), to.cast()) };
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> v128 {
        // SAFETY: 4 readable bytes.
        unsafe { i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(v128_load32_zero(from.cast()))) }
    }

    /// Lane by lane: shifts by a vector are not to be had.
    #[inline(always)]
    unsafe fn requantize_fixed(sum: v128, [multiplier, shift]: [v128; 2], zero_point: i8, to: *mut i8) {
        let lanes =
            |v| [i32x4_extract_lane::<0>(v), i32x4_extract_lane::<1>(v), i32x4_extract_lane::<2>(v), i32x4_extract_lane::<3>(v)];
        for (i, ((sum, multiplier), shift)) in lanes(sum).into_iter().zip(lanes(multiplier)).zip(lanes(shift)).enumerate() {
            // SAFETY: 4 writable bytes.
            unsafe { *to.add(i) = requantize_fixed(sum, multiplier, shift as i8, zero_point) };
        }
    }

    #[inline(always)]
    unsafe fn requantize_columns(sums: [v128; 4], scale: v128, zero_point: i8, to: [*mut i8; 4]) {
        let [a, b, c, d] = sums.map(|sum| rounded(sum, scale));
        let bytes = i8x16_narrow_i16x8(narrow(a, b, zero_point), narrow(c, d, zero_point));
        // SAFETY: 4 writable bytes each.
        unsafe {
            v128_store32_lane::<0>(bytes, to[0].cast());
            v128_store32_lane::<1>(bytes, to[1].cast());
            v128_store32_lane::<2>(bytes, to[2].cast());
            v128_store32_lane::<3>(bytes, to[3].cast());
        }
    }
}

impl Lanes for Words {
    #[inline(always)]
    unsafe fn multiply(sum: v128, x: [*const i8; 2], w: [*const i8; 2]) -> v128 {
        // SAFETY: 4 readable bytes each.
        unsafe {
            let words = |[a, b]: [*const i8; 2]| {
                let (a, b) = (v128_load32_zero(a.cast()), v128_load32_zero(b.cast()));
                i16x8_extend_low_i8x16(i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b))
            };
            Self::dot(sum, words(x), words(w))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: v128) -> i32 {
        let pairs = i32x4_add(sum, i32x4_shuffle::<2, 3, 0, 1>(sum, sum));
        i32x4_extract_lane::<0>(pairs).wrapping_add(i32x4_extract_lane::<1>(pairs))
    }
}

impl Winograd for Words {
    #[inline(always)]
    unsafe fn sub(a: v128, b: v128) -> v128 {
        i32x4_sub(a, b)
    }

    #[inline(always)]
    unsafe fn twenty_fourth(a: v128) -> v128 {
        i32x4_mul(i32x4_shr(a, 3), i32x4_splat(THIRD))
    }
}

/// Sums times scales as integers, half to even as `quant::round_ties_even`; what no int8 value with its zero point comes from, anything
/// beyond 512.
///
/// By the addition of 1.5 * 2^23, after which a float's last bit stands for 1: `i32x4.trunc_sat_f32x4_s`, which is defined for all numbers,
/// is eight instructions of an x86 processor. `pmin` and `pmax` are one.
#[inline(always)]
fn rounded(sum: v128, scale: v128) -> v128 {
    const SHIFT: f32 = 12_582_912.0;
    let real = f32x4_mul(f32x4_convert_i32x4(sum), scale);
    let real = f32x4_pmax(f32x4_splat(-512.0), f32x4_pmin(f32x4_splat(512.0), real));
    i32x4_sub(f32x4_add(real, f32x4_splat(SHIFT)), i32x4_splat(SHIFT.to_bits().cast_signed()))
}

/// Eight integers within [`rounded`]'s limits, with this zero point.
#[inline(always)]
fn narrow(a: v128, b: v128, zero_point: i8) -> v128 {
    i16x8_add(i16x8_narrow_i32x4(a, b), i16x8_splat(i16::from(zero_point)))
}

impl Tiles for Words {
    const BLOCKS: usize = 2;
    const FETCHES: bool = false;

    #[inline(always)]
    unsafe fn load_words(from: *const i8) -> v128 {
        // SAFETY: 8 readable bytes.
        unsafe { i16x8_load_extend_i8x8(from) }
    }

    #[inline(always)]
    unsafe fn add_words(a: v128, b: v128) -> v128 {
        i16x8_add(a, b)
    }

    #[inline(always)]
    unsafe fn sub_words(a: v128, b: v128) -> v128 {
        i16x8_sub(a, b)
    }

    #[inline(always)]
    unsafe fn shift_words<const N: i32>(a: v128) -> v128 {
        i16x8_shl(a, N.cast_unsigned())
    }

    #[inline(always)]
    unsafe fn shift<const N: i32>(a: v128) -> v128 {
        i32x4_shl(a, N.cast_unsigned())
    }

    #[inline(always)]
    unsafe fn scale(a: v128, by: i32) -> v128 {
        i32x4_mul(a, i32x4_splat(by))
    }

    #[inline(always)]
    unsafe fn product(x: v128, w: v128) -> v128 {
        i32x4_dot_i16x8(x, w)
    }

    #[inline(always)]
    unsafe fn save(a: v128, to: *mut u8) {
        // SAFETY: 16 writable bytes.
        unsafe { v128_store(to.cast(), a) };
    }

    #[inline(always)]
    unsafe fn fetch(_: *const u8) {}
}

impl Products for Words {
    type Isa = Self;

    #[inline(always)]
    unsafe fn add(sum: v128, x: v128, w: *const u8, b: usize) -> v128 {
        // SAFETY: `b + 1` vectors at `w`.
        unsafe { Self::dot(sum, x, Self::load(w.add(b * Self::VECTOR))) }
    }
}

// SAFETY: this module is compiled with simd128 only.
unsafe impl Forms for Words {
    const FORMS: [Form; 2] = forms::<Self>();
    const FIRST: u8 = 2;
}

impl Pixels<4> for Words {
    #[inline(always)]
    unsafe fn low_halves(a: v128, b: v128) -> v128 {
        i16x8_shuffle::<0, 8, 2, 10, 4, 12, 6, 14>(a, b)
    }

    #[inline(always)]
    unsafe fn requantize_pair(sums: [[v128; 4]; 2], scales: [v128; 4], zero_point: i8, to: [*mut i8; 2]) {
        for (sums, to) in sums.into_iter().zip(to) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| rounded(sums[i], scales[i]));
            let bytes = i8x16_narrow_i16x8(narrow(a, b, zero_point), narrow(c, d, zero_point));
            // SAFETY: 16 writable bytes.
            unsafe { v128_store(to.cast(), bytes) };
        }
    }
}
