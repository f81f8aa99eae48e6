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

/// An accumulator (bias included) to int8. `scale` is `f32(f32(sx * sw) / sy)`; ReLU is the clamp at
/// -128 where `zero_point` is -128.
///
/// ```
/// use rownet::quant::requantize;
/// assert_eq!(requantize(1000, 0.05, -128), -78);
/// assert_eq!(requantize(-1000, 0.05, -128), -128);
/// ```
#[inline(always)]
pub const fn requantize(accumulator: i32, scale: f32, zero_point: i8) -> i8 {
    #[cfg(soft_float)]
    if let Some(q) = Fixed::new(zero_point, multiplier(scale)).round(accumulator, multiplier(scale)) {
        return q;
    }
    requantize_in_floats(accumulator, scale, zero_point)
}

/// [`requantize`] as it is defined.
#[cfg_attr(soft_float, inline(never))]
#[cfg_attr(not(soft_float), inline(always))]
pub(crate) const fn requantize_in_floats(accumulator: i32, scale: f32, zero_point: i8) -> i8 {
    saturate(round_ties_even(accumulator as f32 * scale).wrapping_add(zero_point as i32))
}

#[inline(always)]
const fn saturate(q: i32) -> i8 {
    let q = if q < -128 { -128 } else { q };
    (if q > 127 { 127 } else { q }) as i8
}

/// A scale from 2^-21 to 2^-2 as a multiple of 2^-32, to the nearest; 0 beyond.
#[cfg(any(soft_float, test))]
#[inline(always)]
pub(crate) const fn multiplier(scale: f32) -> u32 {
    let (mantissa, exponent) = ((scale.to_bits() & 0x7F_FFFF) | 0x80_0000, scale.to_bits() >> 23);
    match exponent {
        118..=124 => mantissa << (exponent - 118),
        106..118 => (mantissa + (1 << (117 - exponent))) >> (118 - exponent),
        _ => 0,
    }
}

/// [`requantize`] by a multiplication of integers, for cores that emulate floating point in over a hundred instructions: the
/// product with a [`multiplier`] has its point at bit 32, and with a half and the zero point added its upper word is the answer.
///
/// How far that can be from the definition's product, where that is below 2^9 and int8 not yet at its limit: the multiplier was
/// rounded by 2^-33, which an accumulator of at most 2^9 / scale makes 2^-24 / scale; the definition rounds accumulator and
/// product to 24 bits, 2^-15 each. Where a half is nearer than both, the definition must be asked: once in 1600
/// or less for scales from 2^-12 on.
#[cfg(any(soft_float, test))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    /// Zero point, a half and half of `near`, in units of 2^-32.
    offset: i64,
    /// The width around a half, in units of 2^-32; all of them where a multiplier is 0.
    near: u32,
}

#[cfg(any(soft_float, test))]
impl Fixed {
    /// For channels with a multiplier of `least` or more.
    #[inline(always)]
    pub const fn new(zero_point: i8, least: u32) -> Self {
        if least == 0 {
            return Self { offset: 0, near: u32::MAX };
        }
        // 2^-24 / scale = 2^8 / (least * 2^-32) units, and a little for what is cut off.
        let distance = (1u64 << (41 - least.ilog2())) / 2 + (1 << 18) + 2;
        let near = distance * 2;
        Self {
            offset: ((zero_point as i64) << 32) + (1 << 31) + distance as i64,
            near: if near > u32::MAX as u64 { u32::MAX } else { near as u32 },
        }
    }

    /// [`requantize`] with the scale of `multiplier`; `None` too near to a half to decide.
    #[inline(always)]
    pub const fn round(self, accumulator: i32, multiplier: u32) -> Option<i8> {
        let sum = accumulator as i64 * multiplier as i32 as i64 + self.offset;
        if sum as u32 <= self.near { None } else { Some(saturate((sum >> 32) as i32)) }
    }
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
#[inline(always)]
pub const fn doubling_high_mul(a: i32, b: i32) -> i32 {
    // Gemmlowp adds 2^30 or 1 - 2^30 and divides towards zero: the same as adding 2^30 and dividing downwards.
    ((a as i64 * b as i64 + (1 << 30)) >> 31) as i32
}

/// Gemmlowp's `RoundingDivideByPOT`: `x / 2^exponent`, a half rounded away from zero; exponents from 0 to 31.
#[inline(always)]
pub const fn rounding_divide_by_pot(x: i32, exponent: u32) -> i32 {
    let mask = (1u32 << (exponent & 31)).wrapping_sub(1) as i32;
    let threshold = (mask >> 1) + (x < 0) as i32;
    (x >> (exponent & 31)) + ((x & mask) > threshold) as i32
}

/// TFLite's `MultiplyByQuantizedMultiplier`: `x * multiplier * 2^(shift - 31)`, rounded twice.
#[inline(always)]
pub const fn multiply_by_quantized_multiplier(x: i32, multiplier: i32, shift: i8) -> i32 {
    let (left, right) = if shift > 0 { (shift as u32, 0) } else { (0, -(shift as i32) as u32) };
    rounding_divide_by_pot(doubling_high_mul(x.wrapping_shl(left), multiplier), right)
}

/// An accumulator (bias included) to int8 in TFLite's arithmetic; `multiplier` is not negative.
///
/// ```
/// assert_eq!(rownet::quant::requantize_fixed(1000, 1 << 30, -2, -128), -3);
/// ```
#[inline(always)]
pub const fn requantize_fixed(accumulator: i32, multiplier: i32, shift: i8, zero_point: i8) -> i8 {
    saturate(multiply_by_quantized_multiplier(accumulator, multiplier, shift).saturating_add(zero_point as i32))
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

    /// True if integers decide, and then they must decide as floats do.
    fn decides(accumulator: i32, scale: f32, zero_point: i8, least: u32) -> bool {
        let multiplier = multiplier(scale);
        let found = Fixed::new(zero_point, multiplier.min(least)).round(accumulator, multiplier);
        if let Some(q) = found {
            assert_eq!(q, requantize_in_floats(accumulator, scale, zero_point), "{accumulator} {scale} {zero_point} {least}");
        }
        found.is_some()
    }

    #[test]
    fn integers_round_as_floats_do_near_every_half() {
        let mut certain = 0;
        for scale in [0.249_999_99_f32, 0.062_499_996, 0.05, 0.001_234_5, 0.031_25, 1.0 / 3.0 / 64.0, 6e-5, 6.1e-7, 4.8e-7, 1e-7]
        {
            for (half, zero_point) in (-1100..=1100).flat_map(|half| [(half, 0), (half, -128), (half, 127)]) {
                let middle = (f64::from(half) / 2.0 / f64::from(scale)) as i64;
                for accumulator in middle - 40..=middle + 40 {
                    let Ok(accumulator) = i32::try_from(accumulator) else { continue };
                    certain += u32::from(decides(accumulator, scale, zero_point, u32::MAX));
                    decides(accumulator, scale, zero_point, 1 << 20);
                }
            }
        }
        assert!(certain > 1_000_000, "{certain}");
    }

    #[test]
    fn integers_decide_nearly_always() {
        let undecided = (-300_000..300_000).filter(|acc| !decides(*acc, 0.000_7, -128, u32::MAX)).count();
        assert!(undecided < 300, "{undecided}");
    }

    #[test]
    fn what_int8_cannot_tell_is_clamped() {
        let limit = 1 << 21;
        let given = [f32::MAX, 4e9, 1e8, 2_097_153.0, 2_097_152.0, 2_097_151.0, 2.5];
        let expected = [limit, limit, limit, limit, limit, limit - 1, 2];
        assert_eq!(given.map(round_clamped), expected);
        assert_eq!(given.map(|x| round_clamped(-x)), expected.map(|x| -x));
    }

    proptest::proptest! {
        #[test]
        fn a_multiplier_is_the_nearest(bits in 0x3500_0000u32..0x3E80_0000) {
            let exact = f64::from(f32::from_bits(bits)) * f64::from(1 << 16).powi(2);
            proptest::prop_assert_eq!(f64::from(multiplier(f32::from_bits(bits))), (exact + 0.5).floor());
        }

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

        #[test]
        fn integers_round_as_floats_do(acc: i32, fewer in 0u32..24, bits in 0x3480_0000u32..0x3F00_0000, zp: i8, least: u32) {
            let (acc, scale) = (acc >> fewer, f32::from_bits(bits));
            if f64::from(acc).abs() * f64::from(scale) <= f64::from(ROUND_LIMIT) {
                decides(acc, scale, zp, least);
                decides(acc, scale, zp, u32::MAX);
            }
        }

        #[test]
        fn requantize_is_the_onnx_formula(acc in -1_000_000i32..1_000_000, scale in 1e-6f32..4.0, zp: i8) {
            let exact = (acc as f32 * scale).round_ties_even() as i64 + i64::from(zp);
            proptest::prop_assert_eq!(i64::from(requantize(acc, scale, zp)), exact.clamp(-128, 127));
        }
    }
}
