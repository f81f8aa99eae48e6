//! Requantisation: the contract that every kernel and both referees share.
//!
//! `q = clamp(rne(f32(acc + bias) * scale) + zero_point, -128, 127)` (ONNX `QLinearConv`, with `rne`
//! rounding half to even). `docs/quantization.md` derives it.

/// Largest magnitude that [`round_ties_even`] takes.
///
/// ```
/// use cxr_core::quant::{ROUND_LIMIT, round_ties_even};
/// assert_eq!(round_ties_even(-ROUND_LIMIT), -4_194_304);
/// ```
pub const ROUND_LIMIT: f32 = 4_194_304.0;

/// Rounds to the nearest integer, ties to even, for `|x| <= 2^22`.
///
/// Adding 1.5 * 2^23 leaves the integer in the low mantissa bits: an f32 there has a unit step, and the
/// addition itself rounds half to even. No library, no branch, the same bits on every IEEE 754 target.
///
/// ```
/// use cxr_core::quant::round_ties_even;
/// assert_eq!([0.5, 1.5, -0.5, -1.5, 2.4].map(round_ties_even), [0, 2, 0, -2, 2]);
/// ```
#[inline(always)]
pub const fn round_ties_even(x: f32) -> i32 {
    (x + 12_582_912.0).to_bits() as i32 - 0x4B40_0000
}

/// An accumulator (bias included) to int8. `scale` is `f32(f32(sx * sw) / sy)`; ReLU is the clamp at
/// -128 where `zero_point` is -128.
///
/// ```
/// use cxr_core::quant::requantize;
/// assert_eq!(requantize(1000, 0.05, -128), -78);
/// assert_eq!(requantize(-1000, 0.05, -128), -128);
/// ```
#[inline(always)]
pub const fn requantize(accumulator: i32, scale: f32, zero_point: i8) -> i8 {
    #[cfg(soft_float)]
    if let Some(q) = round_in_integers(accumulator, scale) {
        return clamp(q + zero_point as i32);
    }
    requantize_in_floats(accumulator, scale, zero_point)
}

/// [`requantize`] as it is defined.
#[cfg_attr(soft_float, inline(never))]
#[cfg_attr(not(soft_float), inline(always))]
const fn requantize_in_floats(accumulator: i32, scale: f32, zero_point: i8) -> i8 {
    clamp(round_ties_even(accumulator as f32 * scale) + zero_point as i32)
}

#[inline(always)]
const fn clamp(q: i32) -> i8 {
    if q < -128 {
        -128
    } else if q > 127 {
        127
    } else {
        q as i8
    }
}

/// `round_ties_even(accumulator as f32 * scale)` without floating point, which cores without a unit for it emulate in over
/// a hundred instructions; `None` where that is not certain to be the same, about one time in 2000.
///
/// With `accumulator` below 2^24 the product has one rounding, to 24 bits: below 2^9 it moves the product by at most 2^-16.
/// So only a fraction that close to a half (or cut off that close, see `NEAR`) can round the other way, and products
/// from 2^9 on end at the same limit of int8.
#[cfg(any(soft_float, test))]
#[inline(always)]
const fn round_in_integers(accumulator: i32, scale: f32) -> Option<i32> {
    /// 2^-16 of the product's rounding, and 2^-12 of bits cut off, in units of 2^-32.
    const NEAR: u32 = (1 << 16) + (1 << 20);
    let bits = scale.to_bits();
    // Bits of `product` after the binary point: 12 to 31, or scales of 2^-24 up to 2^-4.
    let fraction_bits = 134u32.wrapping_sub(bits >> 23);
    let magnitude = accumulator.unsigned_abs();
    if magnitude >= 1 << 24 || fraction_bits.wrapping_sub(12) > 19 {
        return None;
    }
    let mantissa = (bits << 8) | 0x8000_0000;
    let product = (((magnitude << 8) as u64 * mantissa as u64) >> 32) as u32;
    let fraction = product << (32 - fraction_bits);
    if fraction.wrapping_sub(0x8000_0000 - NEAR) <= 2 * NEAR {
        return None;
    }
    let rounded = ((product >> fraction_bits) + (fraction >> 31)) as i32;
    Some(if accumulator < 0 { -rounded } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_with_the_standard_library() {
        let mut x = -4_194_304.0f32;
        while x <= ROUND_LIMIT {
            assert_eq!(round_ties_even(x), x.round_ties_even() as i32, "{x}");
            x += 1234.0625;
        }
        for half in -2000..2000 {
            let x = half as f32 / 2.0;
            assert_eq!(round_ties_even(x), x.round_ties_even() as i32, "{x}");
        }
    }

    #[test]
    fn integers_round_as_floats_do_near_every_half() {
        let mut certain = 0;
        for scale in [0.062_499_996_f32, 0.05, 0.001_234_5, 0.031_25, 1.0 / 3.0 / 64.0, 6e-5, 6.1e-8, 1.19e-7] {
            for half in -1100..=1100 {
                let middle = (f64::from(half) / 2.0 / f64::from(scale)) as i64;
                for accumulator in middle - 40..=middle + 40 {
                    let Ok(accumulator) = i32::try_from(accumulator) else { continue };
                    let defined = requantize_in_floats(accumulator, scale, 0);
                    if let Some(q) = round_in_integers(accumulator, scale) {
                        certain += 1;
                        assert_eq!(clamp(q), defined, "{accumulator} {scale}");
                    }
                }
            }
        }
        assert!(certain > 1_000_000, "{certain}");
    }

    proptest::proptest! {
        #[test]
        fn integers_round_as_floats_do(acc in -20_000_000i32..20_000_000, bits in 0x3300_0000u32..0x3E00_0000, zp: i8) {
            let scale = f32::from_bits(bits);
            if f64::from(acc).abs() * f64::from(scale) <= f64::from(ROUND_LIMIT)
                && let Some(q) = round_in_integers(acc, scale)
            {
                proptest::prop_assert_eq!(clamp(q + i32::from(zp)), requantize_in_floats(acc, scale, zp));
            }
        }

        #[test]
        fn requantize_is_the_onnx_formula(acc in -1_000_000i32..1_000_000, scale in 1e-6f32..4.0, zp: i8) {
            let exact = (acc as f32 * scale).round_ties_even() as i64 + i64::from(zp);
            proptest::prop_assert_eq!(i64::from(requantize(acc, scale, zp)), exact.clamp(-128, 127));
        }
    }
}
