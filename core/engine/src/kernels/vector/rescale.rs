//! Sums to int8.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use crate::kernels::checked::{Shape, WORD};

/// How the sums of a vector's channels become int8.
pub enum Rescale<I: Isa> {
    /// By f32 scales.
    Float(I::Vector),
    /// By multipliers and shifts.
    Fixed([I::Vector; 2]),
}

impl<I: Isa> Rescale<I> {
    /// Of block `b` of a packed group of so many.
    ///
    /// # Safety
    /// The processor has the instructions of `I`; the group holds its parameters.
    #[inline(always)]
    pub unsafe fn load(group: *const u8, blocks: usize, b: usize, shape: &Shape) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let vector = |i: usize| I::load(group.add((i * blocks + b) * I::LANES * WORD));
            if shape.fixed { Self::Fixed([vector(1), vector(2)]) } else { Self::Float(vector(1)) }
        }
    }
}

/// Requantises the vectors of `N` columns and writes their first `count` lanes, all of them if they have fewer.
///
/// # Safety
/// The processor has the instructions of `I`; each `to` has that many values.
#[inline(always)]
pub unsafe fn store<I: Isa, const N: usize>(
    sums: [I::Vector; N],
    rescale: Rescale<I>,
    zero_point: i8,
    to: impl Fn(usize) -> *mut i8,
    count: usize,
) {
    // SAFETY: the caller's; a short store goes by a copy.
    unsafe {
        let scale = match rescale {
            Rescale::Float(scale) => scale,
            Rescale::Fixed(by) => {
                for c in 0..N {
                    if count >= I::LANES {
                        I::requantize_fixed(sums[c], by, zero_point, to(c));
                        continue;
                    }
                    let mut lanes = [0i8; 16];
                    I::requantize_fixed(sums[c], by, zero_point, lanes.as_mut_ptr());
                    to(c).copy_from_nonoverlapping(lanes.as_ptr(), count);
                }
                return;
            }
        };
        if count >= I::LANES {
            let fours = N / 4 * 4;
            for c in (0..fours).step_by(4) {
                let columns = [0, 1, 2, 3].map(|i| c + i);
                I::requantize_columns(columns.map(|c| sums[c]), scale, zero_point, columns.map(&to));
            }
            for c in fours..N {
                I::requantize(sums[c], scale, zero_point, to(c));
            }
        } else {
            for c in 0..N {
                let mut lanes = [0i8; 16];
                I::requantize(sums[c], scale, zero_point, lanes.as_mut_ptr());
                to(c).copy_from_nonoverlapping(lanes.as_ptr(), count);
            }
        }
    }
}
