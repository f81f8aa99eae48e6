//! What the loops over vectors ask of an instruction set.

use crate::kernels::pack::Layout;

/// Instructions on vectors of 32-bit lanes.
///
/// # Safety
/// Every function needs a processor with the instruction set; pointers need as many bytes as they are read or written for.
pub trait Isa {
    /// A register.
    type Vector: Copy;
    /// 32-bit lanes of a vector, 16 at most.
    const LANES: usize;
    /// Taps in a word: 4 of int8 or 2 of i16.
    const TAPS: usize;
    /// See [`Layout::flipped`].
    const FLIPPED: bool;
    /// See [`Layout::tap_major`].
    const TAP_MAJOR: bool;

    /// A vector from memory, at any alignment.
    unsafe fn load(from: *const u8) -> Self::Vector;
    /// The word at `from` in every lane.
    unsafe fn splat(from: *const u8) -> Self::Vector;
    /// 0 in every lane.
    unsafe fn zero() -> Self::Vector;
    /// Sums.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `sum + x * w`, lane by lane, over the taps of a word.
    unsafe fn dot(sum: Self::Vector, x: Self::Vector, w: Self::Vector) -> Self::Vector;
    /// Requantises (scales as f32 bits) and writes [`LANES`](Self::LANES) int8 values.
    unsafe fn requantize(sum: Self::Vector, scale: Self::Vector, zero_point: i8, to: *mut i8);
    /// [`LANES`](Self::LANES) i8 values from memory.
    unsafe fn load_shifts(from: *const u8) -> Self::Vector;
    /// [`quant::requantize_fixed`](crate::quant::requantize_fixed) by multipliers and shifts; writes as [`requantize`](Self::requantize).
    unsafe fn requantize_fixed(sum: Self::Vector, by: [Self::Vector; 2], zero_point: i8, to: *mut i8);
    /// [`requantize`](Self::requantize) of four columns of the same channels.
    #[inline(always)]
    unsafe fn requantize_columns(sums: [Self::Vector; 4], scale: Self::Vector, zero_point: i8, to: [*mut i8; 4]) {
        for (sum, to) in sums.into_iter().zip(to) {
            // SAFETY: the caller's.
            unsafe { Self::requantize(sum, scale, zero_point, to) };
        }
    }
}

/// The layout of an instruction set.
pub const fn layout<I: Isa>(blocks: usize) -> Layout {
    Layout { lanes: I::LANES, taps: I::TAPS, blocks, flipped: I::FLIPPED, tap_major: I::TAP_MAJOR, winograd: false }
}
