//! What Winograd's tiles ask of an instruction set.

use super::axis::Value;
use crate::kernels::checked::WORD;
use crate::kernels::vector::winograd::Winograd;
use core::ops::{Add, Sub};

/// Operations beyond those of F(4, 3) along the width. A vector is `LANES` sums or twice as many i16 values.
///
/// # Safety
/// As [`Isa`](crate::kernels::vector::Isa).
pub trait Tiles: Winograd + Copy {
    /// Most blocks of output channels whose sums stay in registers, of four tiles each; 2 or 3.
    const BLOCKS: usize;
    /// Weights are fetched into the nearest cache ahead of their use.
    const FETCHES: bool;
    /// Bytes of a vector.
    const VECTOR: usize = Self::LANES * WORD;
    /// Input channels that are transformed together.
    const CHANNELS: usize = 2 * Self::LANES;
    /// Bytes of products of a tile at a point.
    const SUMS: usize = Self::BLOCKS * Self::VECTOR;

    /// [`CHANNELS`](Self::CHANNELS) int8 values as i16.
    unsafe fn load_words(from: *const i8) -> Self::Vector;
    /// `a + b`, of i16 values.
    unsafe fn add_words(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a - b`, of i16 values.
    unsafe fn sub_words(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a << N`, of i16 values.
    unsafe fn shift_words<const N: i32>(a: Self::Vector) -> Self::Vector;
    /// `a << N`, of sums.
    unsafe fn shift<const N: i32>(a: Self::Vector) -> Self::Vector;
    /// Each sum times `by`, modulo 2^32.
    unsafe fn scale(a: Self::Vector, by: i32) -> Self::Vector;
    /// The products of two words, added up.
    unsafe fn product(x: Self::Vector, w: Self::Vector) -> Self::Vector;
    /// To memory, at any alignment.
    unsafe fn save(a: Self::Vector, to: *mut u8);
    /// Brings what lies there, if anything does, into the nearest cache.
    unsafe fn fetch(from: *const u8);
}

macro_rules! values {
    ($(#[$what:meta])* $name:ident, $add:ident, $sub:ident, $shift:ident) => {
        $(#[$what])*
        #[derive(Clone, Copy)]
        pub struct $name<I: Tiles>(pub I::Vector);

        impl<I: Tiles> Value for $name<I> {
            #[inline(always)]
            fn double(self) -> Self {
                // SAFETY: only a processor with the instruction set makes vectors.
                Self(unsafe { I::$shift::<1>(self.0) })
            }

            #[inline(always)]
            fn fourfold(self) -> Self {
                // SAFETY: only a processor with the instruction set makes vectors.
                Self(unsafe { I::$shift::<2>(self.0) })
            }
        }

        impl<I: Tiles> Add for $name<I> {
            type Output = Self;

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: only a processor with the instruction set makes vectors.
                Self(unsafe { I::$add(self.0, other.0) })
            }
        }

        impl<I: Tiles> Sub for $name<I> {
            type Output = Self;

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: only a processor with the instruction set makes vectors.
                Self(unsafe { I::$sub(self.0, other.0) })
            }
        }
    };
}

values! {
    /// i16 lanes: inputs and factors.
    Words, add_words, sub_words, shift_words
}
values! {
    /// i32 lanes modulo 2^32: products and outputs.
    Sums, add, sub, shift
}
