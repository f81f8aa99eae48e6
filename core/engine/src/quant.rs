//! Requantisation: how accumulators become int8, in ONNX's arithmetic and in TFLite's.

/// Largest magnitude that [`round_ties_even`] takes.
pub const ROUND_LIMIT: f32 = 4_194_304.0;

/// Rounds to the nearest integer, ties to even, for `|x| <= 2^22`.
///
/// Adding 1.5 * 2^23 leaves the integer in the low mantissa bits: an f32 there has a unit step, and the addition itself rounds
/// half to even. No library, no branch, the same bits on every IEEE 754 target.
///
/// ```
/// use rownet::quant::round_ties_even;
/// assert_eq!([0.5, 1.5, -0.5, -1.5, 2.4].map(round_ties_even), [0, 2, 0, -2, 2]);
/// ```
#[inline(always)]
pub const fn round_ties_even(x: f32) -> i32 {
    ((x + 12_582_912.0).to_bits() as i32).wrapping_sub(0x4B40_0000)
}

/// Rounds what may be of any size: beyond 2^21 it is clamped first, which no int8 can tell.
#[inline(always)]
pub const fn round_clamped(x: f32) -> i32 {
    const LIMIT: f32 = 2_097_152.0;
    round_ties_even(if x > LIMIT {
        LIMIT
    } else if x < -LIMIT {
        -LIMIT
    } else {
        x
    })
}

/// Gemmlowp's `SaturatingRoundingDoublingHighMul`: the upper 32 bits of `2ab`, a half rounded up. Nothing saturates while `b` is
/// not negative.
///
/// ```
/// assert_eq!(rownet::quant::doubling_high_mul(1000, 1 << 30), 500);
/// ```
#[inline(always)]
pub const fn doubling_high_mul(a: i32, b: i32) -> i32 {
    // Gemmlowp adds 2^30 or 1 - 2^30 and divides towards zero: the same as adding 2^30 and dividing downwards.
    ((a as i64 * b as i64 + (1 << 30)) >> 31) as i32
}

/// Gemmlowp's `RoundingDivideByPOT`: `x / 2^exponent`, a half rounded away from zero; exponents from 0 to 31.
///
/// ```
/// use rownet::quant::rounding_divide_by_pot;
/// assert_eq!([5, -5, 6].map(|x| rounding_divide_by_pot(x, 1)), [3, -3, 3]);
/// ```
#[inline(always)]
pub const fn rounding_divide_by_pot(x: i32, exponent: u32) -> i32 {
    let mask = (1u32 << (exponent & 31)).wrapping_sub(1) as i32;
    let threshold = (mask >> 1) + (x < 0) as i32;
    (x >> (exponent & 31)) + ((x & mask) > threshold) as i32
}

/// TFLite's `MultiplyByQuantizedMultiplier`: `x * multiplier * 2^(shift - 31)`, rounded twice.
///
/// ```
/// assert_eq!(rownet::quant::multiply_by_quantized_multiplier(1000, 1 << 30, -2), 125);
/// ```
#[inline(always)]
pub const fn multiply_by_quantized_multiplier(x: i32, multiplier: i32, shift: i8) -> i32 {
    let (left, right) = if shift > 0 { (shift as u32, 0) } else { (0, -(shift as i32) as u32) };
    rounding_divide_by_pot(doubling_high_mul(x.wrapping_shl(left), multiplier), right)
}

/// Clamps to int8 limits `[least, greatest]`.
#[inline(always)]
pub const fn clamp(q: i32, limits: [i8; 2]) -> i8 {
    let q = if q < limits[0] as i32 { limits[0] as i32 } else { q };
    (if q > limits[1] as i32 { limits[1] as i32 } else { q }) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As gemmlowp writes it.
    fn gemmlowp_mul(a: i32, b: i32) -> i32 {
        let ab = i64::from(a) * i64::from(b);
        let nudge = if ab >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        ((ab + nudge) / (1 << 31)) as i32
    }

    fn gemmlowp_divide(x: i32, exponent: u32) -> i32 {
        let mask = ((1i64 << exponent) - 1) as i32;
        let remainder = x & mask;
        let mut threshold = mask >> 1;
        if x < 0 {
            threshold += 1;
        }
        (x >> exponent) + i32::from(remainder > threshold)
    }

    proptest::proptest! {
        #[test]
        fn multiplication_is_gemmlowps(a: i32, b in 0i32.., fewer in 0u32..31) {
            let a = a >> fewer;
            proptest::prop_assert_eq!(doubling_high_mul(a, b), gemmlowp_mul(a, b));
        }

        #[test]
        fn multiplication_is_gemmlowps_at_halves(a in -4096i32..4096) {
            proptest::prop_assert_eq!(doubling_high_mul(a, 1 << 30), gemmlowp_mul(a, 1 << 30));
        }

        #[test]
        fn division_is_gemmlowps(x: i32, exponent in 0u32..32, fewer in 0u32..31) {
            let x = x >> fewer;
            proptest::prop_assert_eq!(rounding_divide_by_pot(x, exponent), gemmlowp_divide(x, exponent));
        }

        #[test]
        fn rounding_is_half_to_even(x in -4_194_304f32..4_194_304.0) {
            proptest::prop_assert_eq!(round_ties_even(x), x.round_ties_even() as i32);
            let half = (x / 64.0).floor() + 0.5;
            proptest::prop_assert_eq!(round_ties_even(half), half.round_ties_even() as i32);
        }
    }
}
