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
    let q = round_ties_even(accumulator as f32 * scale) + zero_point as i32;
    if q < -128 {
        -128
    } else if q > 127 {
        127
    } else {
        q as i8
    }
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

    proptest::proptest! {
        #[test]
        fn requantize_is_the_onnx_formula(acc in -1_000_000i32..1_000_000, scale in 1e-6f32..4.0, zp: i8) {
            let exact = (acc as f32 * scale).round_ties_even() as i64 + i64::from(zp);
            proptest::prop_assert_eq!(i64::from(requantize(acc, scale, zp)), exact.clamp(-128, 127));
        }
    }
}
