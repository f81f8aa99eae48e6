//! WebAssembly's 128-bit vectors: `i32x4.dot_i16x8_s`, two taps of four output channels; Winograd's F(4, 3) where it applies.
//!
//! A module is compiled with them or without: a browser that lacks them refuses to load it, and nothing is chosen at run time.

use crate::kernels::api::Kernel;
use crate::kernels::checked::{Conv, Covered, Depthwise, Gray};
use crate::kernels::general::loops::dots as general_dots;
use crate::kernels::pack::Layout;
use crate::kernels::scalar;
use crate::kernels::vector::winograd::{self, THIRD, Winograd};
use crate::kernels::vector::{Isa, Job, Lanes, conv, depthwise, dot, layout};
use crate::quant::requantize_fixed;
use core::arch::wasm32::*;

/// As for AVX2, whose registers and instructions most engines use for this.
const BLOCKS: usize = 2;
const COLUMNS: usize = 4;
const ALONE: usize = 8;
const TILES: usize = 2;

const KERNEL: Kernel =
    Kernel { name: "simd128", conv_row, gray_row, depthwise_row, dot: dot_product, dots: general_dots, pack: Some(pack) };

/// The vector kernel.
pub fn available() -> impl Iterator<Item = Kernel> {
    core::iter::once(KERNEL)
}

struct Words;

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

    /// `f32x4.nearest` rounds to even, as `quant::round_ties_even`; narrowing saturates at i16 first, which the zero point cannot undo.
    #[inline(always)]
    unsafe fn requantize(sum: v128, scale: v128, zero_point: i8, to: *mut i8) {
        let q = i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(f32x4_convert_i32x4(sum), scale)));
        let words = i16x8_add_sat(i16x8_narrow_i32x4(q, q), i16x8_splat(i16::from(zero_point)));
        // SAFETY: 4 writable bytes.
        unsafe { to.cast::<i32>().write_unaligned(i32x4_extract_lane::<0>(i8x16_narrow_i16x8(words, words))) }
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

const fn winograd_layout() -> Layout {
    Layout { winograd: true, ..layout::<Words>(1) }
}

fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    let layout = if layer.suits_winograd() { winograd_layout() } else { layout::<Words>(BLOCKS) };
    layout.pack_into(layer, out)
}

fn conv_row(mut checked: Conv<'_>) {
    if !row(&mut Job::conv(&mut checked)) {
        scalar::conv_row(checked);
    }
}

fn gray_row(mut checked: Gray<'_>) {
    if !row(&mut Job::gray(&mut checked)) {
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
