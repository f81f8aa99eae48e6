//! TFLite's fixed-point arithmetic, as gemmlowp and TFLite Micro define it: 31-bit multipliers, rounding twice, and the
//! functions that are built on them. Sums wrap, as they do there in practice.

/// `x * 2^31 = multiplier * 2^(31 - shift)`, rounded: multiplier 0, or 2^30 to 2^31 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// Fraction, with 31 bits.
    pub multiplier: i32,
    /// Left if above 0, else right; at least -31.
    pub shift: i32,
}

/// Mantissa in 0.5 to 1 and exponent of a number above 0 that is not subnormal.
fn frexp(x: f64) -> (f64, i32) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    (f64::from_bits(bits & !(0x7ff << 52) | (1022 << 52)), exponent)
}

impl Multiplier {
    /// `QuantizeMultiplier`: the nearest multiplier of a number of 0 or more.
    pub fn new(real: f64) -> Self {
        if real < f64::MIN_POSITIVE {
            return Self { multiplier: 0, shift: 0 };
        }
        let (fraction, mut shift) = frexp(real);
        let mut q = (fraction * f64::from(1u32 << 31)).round() as i64;
        if q == 1 << 31 {
            q /= 2;
            shift += 1;
        }
        if shift < -31 {
            return Self { multiplier: 0, shift: 0 };
        }
        Self { multiplier: q as i32, shift }
    }

    /// `MultiplyByQuantizedMultiplier`.
    pub fn apply(self, x: i32) -> i32 {
        let left = x.wrapping_shl(self.shift.max(0).cast_unsigned());
        divide_by_pot(high_mul(left, self.multiplier), (-self.shift).max(0))
    }
}

/// `SaturatingRoundingDoublingHighMul`: the upper half of twice the product, to nearest.
pub fn high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// `RoundingDivideByPOT`: by 2^exponent, to nearest, halves away from 0; exponents 0 to 31.
pub fn divide_by_pot(x: i32, exponent: i32) -> i32 {
    let mask = ((1i64 << exponent) - 1) as i32;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from(x & mask > threshold)
}

/// Times 2^exponent, saturating; exponents above 0.
fn multiply_by_pot(x: i32, exponent: u32) -> i32 {
    let threshold = (1 << (31 - exponent)) - 1;
    match x {
        x if x > threshold => i32::MAX,
        x if x < -threshold => i32::MIN,
        x => x << exponent,
    }
}

/// exp of a Q5.26 or Q4.27 number below 0, in Q0.31; `fraction` is 26 or 27.
pub fn exp_on_negative_values(a: i32, fraction: u32) -> i32 {
    let quarter = 1 << (fraction - 2);
    let rest = (a & (quarter - 1)) - quarter;
    let mut result = exp_below_a_quarter(multiply_by_pot(rest, 31 - fraction));
    let remainder = rest.wrapping_sub(a);
    // exp(-2^k), k from -2.
    let factors = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    let integers = 31 - fraction as i32;
    for (factor, k) in factors.into_iter().zip(-2..) {
        if integers > k && remainder & (1 << (fraction as i32 + k)) != 0 {
            result = high_mul(result, factor);
        }
    }
    if a == 0 { i32::MAX } else { result }
}

/// exp on -1/4 to 0, Q0.31: Taylor's series around -1/8.
fn exp_below_a_quarter(a: i32) -> i32 {
    let (constant, third) = (1_895_147_668i32, 715_827_883i32);
    let x = a.wrapping_add(1 << 28);
    let x2 = high_mul(x, x);
    let x3 = high_mul(x2, x);
    let x4 = high_mul(x2, x2);
    let x4_over_4 = divide_by_pot(x4, 2);
    let tail = divide_by_pot(high_mul(x4_over_4.wrapping_add(x3), third).wrapping_add(x2), 1);
    constant.wrapping_add(high_mul(constant, x.wrapping_add(tail)))
}

/// Newton and Raphson's 2 / (1 + a) in Q2.29, for a in 0 to 1, Q0.31.
fn reciprocal(a: i32) -> i32 {
    let half_denominator = ((i64::from(a) + i64::from(i32::MAX) + 1) / 2) as i32;
    let mut x = 1_515_870_810i32.wrapping_add(high_mul(half_denominator, -1_010_580_540));
    for _ in 0..3 {
        let error = (1i32 << 29).wrapping_sub(high_mul(half_denominator, x));
        x = x.wrapping_add(multiply_by_pot(high_mul(x, error), 2));
    }
    x
}

/// 1 / (1 + a) for a in 0 to 1, all in Q0.31.
pub fn one_over_one_plus(a: i32) -> i32 {
    multiply_by_pot(reciprocal(a), 1)
}

/// (1 - a) / (1 + a) for a in 0 to 1, all in Q0.31.
fn one_minus_over_one_plus(a: i32) -> i32 {
    multiply_by_pot(reciprocal(a).wrapping_sub(1 << 29), 2)
}

/// 1 / (1 + exp(-x)) of a Q4.27 number, in Q0.31.
pub fn logistic(x: i32) -> i32 {
    let positive = one_over_one_plus(exp_on_negative_values(if x > 0 { -x } else { x }, 27));
    match x {
        0 => 1 << 30,
        1.. => positive,
        _ => i32::MAX - positive,
    }
}

/// The hyperbolic tangent of a Q4.27 number, in Q0.31.
pub fn tanh(x: i32) -> i32 {
    let negative = if x < 0 { x } else { x.wrapping_neg() };
    // Twice the value by one integer bit more.
    let t = one_minus_over_one_plus(exp_on_negative_values(negative, 26));
    match x {
        0 => 0,
        1.. => t,
        _ => -t,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_round_trip() {
        assert_eq!(Multiplier::new(0.5), Multiplier { multiplier: 1 << 30, shift: 0 });
        assert_eq!(Multiplier::new(1.0), Multiplier { multiplier: 1 << 30, shift: 1 });
        assert_eq!(Multiplier::new(0.0), Multiplier { multiplier: 0, shift: 0 });
        assert_eq!(Multiplier::new(0.999_999_999_9), Multiplier { multiplier: 1 << 30, shift: 1 });
        for (real, x) in [(0.003, 10_000), (0.7, -999), (3.0, 41), (1e-5, 12_345_678)] {
            assert_eq!(Multiplier::new(real).apply(x), (real * f64::from(x)).round() as i32);
        }
    }

    #[test]
    fn functions_are_close_to_real_ones() {
        let q27 = |x: f64| (x * f64::from(1 << 27)) as i32;
        let real = |x: i32| f64::from(x) / 2f64.powi(31);
        for i in -150..=150 {
            let x = f64::from(i) / 10.0;
            assert!((real(logistic(q27(x))) - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6, "{x}");
            assert!((real(tanh(q27(x))) - x.tanh()).abs() < 1e-6, "{x}");
        }
        for i in 0..320 {
            let x = -f64::from(i) / 10.0;
            assert!((real(exp_on_negative_values((x * f64::from(1 << 26)) as i32, 26)) - x.exp()).abs() < 1e-6, "{x}");
        }
    }
}
