//! Sums of two rows, value by value, in TFLite's arithmetic.

use crate::kernels::args::{FixedSum, WIDE};
use crate::kernels::vector::Isa;

/// Places by which TFLite's addition moves its inputs to the left.
pub const SHIFT: u32 = FixedSum::SHIFT;

/// Operations on 32-bit lanes.
///
/// # Safety
/// As [`Isa`].
pub trait Values: Isa {
    /// [`LANES`](Isa::LANES) int8 values.
    unsafe fn widen(from: *const i8) -> Self::Vector;
    /// A value in every lane.
    unsafe fn all(value: i32) -> Self::Vector;
    /// [`SHIFT`] places to the left.
    unsafe fn shift_left(a: Self::Vector) -> Self::Vector;
    /// [`multiply_by_quantized_multiplier`](crate::quant::multiply_by_quantized_multiplier) by a multiplier and a shift.
    unsafe fn times(x: Self::Vector, by: [Self::Vector; 2]) -> Self::Vector;
    /// Adds the zero point, clamps, and writes [`LANES`](Isa::LANES) values.
    unsafe fn store(q: Self::Vector, zero_point: i8, limits: [i8; 2], to: *mut i8);
}

/// TFLite's addition.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn sum<I: Values>(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
    // SAFETY: `WIDE` is a multiple of all numbers of lanes.
    unsafe {
        let [one, two, whole] = by.factors.map(|(multiplier, shift)| [I::all(multiplier), I::all(i32::from(shift))]);
        let [za, zb] = by.zero_points.map(|zero| I::all(-i32::from(zero)));
        let times = |from: *const i8, zero, by| I::times(I::shift_left(I::add(I::widen(from), zero)), by);
        for at in (0..WIDE).step_by(I::LANES) {
            let (a, b) = (times(a.as_ptr().add(at), za, one), times(b.as_ptr().add(at), zb, two));
            I::store(I::times(I::add(a, b), whole), by.zero_point, by.limits, out.as_mut_ptr().add(at));
        }
    }
}
