//! NEON on aarch64: `sdot` where the processor has it (Armv8.2 and later), else `smlal` on i16 and Winograd's F(4, 3).

use crate::kernels::api::Kernel;
use crate::kernels::checked::{Conv, Covered, Depthwise, Gray};
use crate::kernels::general::loops::dots as general_dots;
use crate::kernels::more::More;
use crate::kernels::pack::Layout;
use crate::kernels::scalar;
use crate::kernels::vector::winograd::{self, THIRD, Winograd};
use crate::kernels::vector::{Isa, Job, Lanes, conv, depthwise, dot, layout};
use core::arch::aarch64::*;
use core::arch::asm;

/// Sixteen accumulators of thirty-two registers.
const BLOCKS: usize = 4;
const COLUMNS: usize = 4;
const ALONE: usize = 8;
const TILES: usize = 4;

const NEON: Kernel = Kernel {
    name: "neon",
    conv_row: words_row,
    gray_row,
    depthwise_row,
    dot: dot_product,
    dots: general_dots,
    pack: Some(pack_words),
    more: More::NONE,
};
const DOTPROD: Kernel = Kernel { name: "neon-dotprod", conv_row: bytes_row, pack: Some(pack_bytes), ..NEON };

/// The vector kernels, fastest first.
pub fn available() -> impl Iterator<Item = Kernel> {
    has_dotprod().then_some(DOTPROD).into_iter().chain(core::iter::once(NEON))
}

/// ID_AA64ISAR0_EL1.DP (Arm ARM, D23.2): readable on bare metal, and from programs where Linux answers for it.
#[cfg(any(target_os = "none", target_os = "linux"))]
fn has_dotprod() -> bool {
    let features: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ID_AA64ISAR0_EL1", out(reg) features, options(pure, nomem, nostack, preserves_flags)) };
    features >> 44 & 0xF != 0
}

#[cfg(not(any(target_os = "none", target_os = "linux")))]
fn has_dotprod() -> bool {
    cfg!(target_feature = "dotprod")
}

/// i16 words: the first tap of four channels, then the second.
struct Words;

impl Isa for Words {
    type Vector = int32x4_t;
    const LANES: usize = 4;
    const TAPS: usize = 2;
    const FLIPPED: bool = false;
    const TAP_MAJOR: bool = true;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> int32x4_t {
        // SAFETY: 16 readable bytes.
        unsafe { vreinterpretq_s32_u8(vld1q_u8(from)) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> int32x4_t {
        // SAFETY: 4 readable bytes.
        unsafe { vdupq_n_s32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: NEON, which this target always has.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn add(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: NEON, which this target always has.
        unsafe { vaddq_s32(a, b) }
    }

    #[inline(always)]
    unsafe fn dot(sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        // SAFETY: NEON, which this target always has.
        unsafe {
            let (x, w) = (vget_low_s16(vreinterpretq_s16_s32(x)), vreinterpretq_s16_s32(w));
            vmlal_lane_s16::<1>(vmlal_lane_s16::<0>(sum, vget_low_s16(w), x), vget_high_s16(w), x)
        }
    }

    /// `fcvtns` rounds to even, as `quant::round_ties_even`; narrowing saturates at i16 first, which the zero point cannot undo.
    #[inline(always)]
    unsafe fn requantize(sum: int32x4_t, scale: int32x4_t, zero_point: i8, to: *mut i8) {
        // SAFETY: 4 writable bytes.
        unsafe {
            let q = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum), vreinterpretq_f32_s32(scale)));
            let words = vqadd_s16(vqmovn_s32(q), vdup_n_s16(i16::from(zero_point)));
            let bytes = vqmovn_s16(vcombine_s16(words, words));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(bytes)));
        }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> int32x4_t {
        // SAFETY: 4 readable bytes.
        unsafe { vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(u64::from(from.cast::<u32>().read_unaligned()))))) }
    }

    /// A rounding shift rounds halves up: one less before it, where a value below 0 is shifted, rounds them away from 0.
    #[inline(always)]
    unsafe fn requantize_fixed(sum: int32x4_t, [multiplier, shift]: [int32x4_t; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: 4 writable bytes.
        unsafe {
            let zero = vdupq_n_s32(0);
            let x = vqrdmulhq_s32(vshlq_s32(sum, vmaxq_s32(shift, zero)), multiplier);
            let right = vminq_s32(shift, zero);
            let q = vrshlq_s32(vqaddq_s32(x, vshrq_n_s32::<31>(vandq_s32(x, right))), right);
            let words = vqadd_s16(vqmovn_s32(q), vdup_n_s16(i16::from(zero_point)));
            let bytes = vqmovn_s16(vcombine_s16(words, words));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(bytes)));
        }
    }
}

impl Lanes for Words {
    #[inline(always)]
    unsafe fn multiply(sum: int32x4_t, x: [*const i8; 2], w: [*const i8; 2]) -> int32x4_t {
        // SAFETY: 4 readable bytes each.
        unsafe {
            let words = |from: *const i8| vget_low_s16(vmovl_s8(vcreate_s8(u64::from(from.cast::<u32>().read_unaligned()))));
            let sum = vmlal_s16(sum, words(x[0]), words(w[0]));
            vmlal_s16(sum, words(x[1]), words(w[1]))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: int32x4_t) -> i32 {
        // SAFETY: NEON, which this target always has.
        unsafe { vaddvq_s32(sum) }
    }
}

impl Winograd for Words {
    #[inline(always)]
    unsafe fn sub(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: NEON, which this target always has.
        unsafe { vsubq_s32(a, b) }
    }

    #[inline(always)]
    unsafe fn twenty_fourth(a: int32x4_t) -> int32x4_t {
        // SAFETY: NEON, which this target always has.
        unsafe { vmulq_n_s32(vshrq_n_s32::<3>(a), THIRD) }
    }
}

/// Bytes: four taps of a channel a lane.
struct Bytes;

impl Isa for Bytes {
    type Vector = int32x4_t;
    const LANES: usize = 4;
    const TAPS: usize = 4;
    const FLIPPED: bool = false;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> int32x4_t {
        // SAFETY: the caller's.
        unsafe { Words::load(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> int32x4_t {
        // SAFETY: the caller's.
        unsafe { Words::splat(from) }
    }

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller's.
        unsafe { Words::zero() }
    }

    #[inline(always)]
    unsafe fn add(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: the caller's.
        unsafe { Words::add(a, b) }
    }

    /// By assembly: the intrinsic is not in stable Rust 1.95.
    #[inline(always)]
    unsafe fn dot(mut sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        // SAFETY: the caller has seen that the processor has `sdot`.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                "sdot {sum:v}.4s, {x:v}.16b, {w:v}.16b",
                sum = inout(vreg) sum,
                x = in(vreg) x,
                w = in(vreg) w,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sum
    }

    #[inline(always)]
    unsafe fn requantize(sum: int32x4_t, scale: int32x4_t, zero_point: i8, to: *mut i8) {
        // SAFETY: the caller's.
        unsafe { Words::requantize(sum, scale, zero_point, to) }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> int32x4_t {
        // SAFETY: the caller's.
        unsafe { Words::load_shifts(from) }
    }

    #[inline(always)]
    unsafe fn requantize_fixed(sum: int32x4_t, by: [int32x4_t; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: the caller's.
        unsafe { Words::requantize_fixed(sum, by, zero_point, to) }
    }
}

const fn winograd_layout() -> Layout {
    Layout { winograd: true, ..layout::<Words>(1) }
}

fn pack_words(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    let layout = if layer.suits_winograd() { winograd_layout() } else { layout::<Words>(BLOCKS) };
    layout.pack_into(layer, out)
}

fn pack_bytes(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if layer.shape().wide { pack_words(layer, out) } else { layout::<Bytes>(BLOCKS).pack_into(layer, out) }
}

fn bytes_row(mut checked: Conv<'_>) {
    // SAFETY: the kernel with this function exists where `has_dotprod` has said yes.
    if !unsafe { conv::<Bytes, BLOCKS, COLUMNS, ALONE>(&mut Job::conv(&mut checked)) } {
        scalar::conv_row(checked);
    }
}

fn words_row(mut checked: Conv<'_>) {
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
    // SAFETY: NEON, which this target always has.
    unsafe { depthwise::<Words>(checked) }
}

fn dot_product(values: &[i8], weights: &[u8]) -> i32 {
    // SAFETY: NEON, which this target always has.
    unsafe { dot::<Words>(values, weights) }
}

fn row(job: &mut Job<'_>) -> bool {
    // SAFETY: NEON, which this target always has.
    unsafe { winograd::row::<Words, TILES>(job, winograd_layout()) || conv::<Words, BLOCKS, COLUMNS, ALONE>(job) }
}
