//! TFLite's int8 softmax: gemmlowp's fixed-point exponential and reciprocal.

use crate::quant::{clamp, doubling_high_mul, rounding_divide_by_pot};

/// Most channels: the sum of as many exponentials keeps the last shift below 32.
pub const MAX_CHANNELS: usize = 511;

/// Gemmlowp's 1 in a format without integer bits.
const ONE: i32 = i32::MAX;

/// `x * 2^exponent`, saturating.
const fn saturating_shl(x: i32, exponent: u32) -> i32 {
    let limit = (1i32 << (31 - exponent)) - 1;
    if x > limit {
        i32::MAX
    } else if x < -limit {
        i32::MIN
    } else {
        x << exponent
    }
}

/// `exp(a)` for `a` in [-1/4, 0), both without integer bits: a Taylor series around -1/8.
const fn exp_on_quarter(a: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a.wrapping_add(1 << 28);
    let x2 = doubling_high_mul(x, x);
    let x3 = doubling_high_mul(x2, x);
    let x4 = doubling_high_mul(x2, x2);
    let sum = doubling_high_mul(rounding_divide_by_pot(x4, 2).wrapping_add(x3), THIRD).wrapping_add(x2);
    let product = doubling_high_mul(EXP_OF_MINUS_EIGHTH, x.wrapping_add(rounding_divide_by_pot(sum, 1)));
    EXP_OF_MINUS_EIGHTH.wrapping_add(product)
}

/// `exp(a)` for `a <= 0` with 5 integer bits; the result has none.
const fn exp_on_negative(a: i32) -> i32 {
    const QUARTER: i32 = 1 << 24;
    /// exp(-2^i), from i = -2 on.
    const FACTORS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a == 0 {
        return ONE;
    }
    let within = (a & (QUARTER - 1)) - QUARTER;
    let mut result = exp_on_quarter(saturating_shl(within, 5));
    let remainder = within.wrapping_sub(a);
    let mut i = 0;
    while i < FACTORS.len() {
        if remainder & (1 << (24 + i)) != 0 {
            result = doubling_high_mul(result, FACTORS[i]);
        }
        i += 1;
    }
    result
}

/// `1 / (1 + a)` for `a` in [0, 1), by Newton's method from a linear estimate.
const fn reciprocal(a: i32) -> i32 {
    const C48_OVER_17: i32 = 1_515_870_810;
    const C32_OVER_17: i32 = 1_010_580_540;
    const ONE_OF_2: i32 = 1 << 29;
    let sum = a as i64 + ONE as i64;
    let half = ((sum + if sum >= 0 { 1 } else { -1 }) / 2) as i32;
    let mut x = C48_OVER_17.wrapping_add(doubling_high_mul(half, -C32_OVER_17));
    let mut i = 0;
    while i < 3 {
        let rest = ONE_OF_2.wrapping_sub(doubling_high_mul(half, x));
        x = x.wrapping_add(saturating_shl(doubling_high_mul(x, rest), 2));
        i += 1;
    }
    saturating_shl(x, 1)
}

/// Softmax of one pixel.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// Multiplier of differences to the greatest.
    pub multiplier: i32,
    /// Its left shift.
    pub shift: u32,
    /// Differences below count as nothing.
    pub diff_min: i32,
    /// Limits of the output.
    pub clamp: [i8; 2],
}

impl Softmax {
    /// The exponential of a difference; `None` below `diff_min`.
    #[inline(always)]
    fn exp(&self, diff: i32) -> Option<i32> {
        (diff >= self.diff_min).then(|| exp_on_negative(doubling_high_mul(diff.wrapping_shl(self.shift), self.multiplier)))
    }

    /// Writes the probabilities of a pixel of at most [`MAX_CHANNELS`].
    pub fn pixel(&self, input: &[i8], out: &mut [i8]) {
        let greatest = i32::from(input.iter().copied().max().unwrap_or(0));
        let mut sum = 0i32;
        for q in input {
            if let Some(exp) = self.exp(i32::from(*q) - greatest) {
                sum = sum.wrapping_add(rounding_divide_by_pot(exp, 12));
            }
        }
        let headroom = sum.leading_zeros();
        let scale = reciprocal((sum as u32).unbounded_shl(headroom).wrapping_sub(1 << 31) as i32);
        let exponent = (12 + 31 - 8u32).saturating_sub(headroom);
        for (q, to) in input.iter().zip(out) {
            let p = match self.exp(i32::from(*q) - greatest) {
                Some(exp) => rounding_divide_by_pot(doubling_high_mul(scale, exp), exponent).wrapping_add(-128),
                None => -128,
            };
            *to = clamp(p, self.clamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_near_the_exact_ones() {
        // A scale of 1/16: the multiplier of beta * scale * 2^26 = 2^22.
        let softmax = Softmax { multiplier: 1 << 30, shift: 23, diff_min: -248, clamp: [-128, 127] };
        let input = [0i8, 16, 32, -16, 40];
        let mut out = [0; 5];
        softmax.pixel(&input, &mut out);
        let exps = input.map(|q| libm_exp(f64::from(q) / 16.0));
        let sum: f64 = exps.iter().sum();
        for (p, exp) in out.iter().zip(exps) {
            assert!((f64::from(*p) + 128.0 - exp / sum * 256.0).abs() < 0.51, "{p} {}", exp / sum * 256.0);
        }
    }

    /// A Taylor series, as core has no `exp`.
    fn libm_exp(x: f64) -> f64 {
        let (mut term, mut sum) = (1.0, 1.0);
        for i in 1..60 {
            term *= x / f64::from(i);
            sum += term;
        }
        sum
    }
}
