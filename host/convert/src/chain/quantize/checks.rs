//! Bounds of the integer arithmetic, over the worst case of a layer's weights.

use anyhow::{Result, ensure};

/// Largest magnitude that the rounding by addition of 1.5 * 2^23 handles.
const ROUNDING_LIMIT: f64 = (1 << 22) as f64;

/// Folds the input zero point into the biases: `bias - zero_point * sum(weight)`, checking that no accumulator of
/// the folded or of the unfolded form can leave i32.
pub(super) fn fold(name: &str, weight: &[i8], bias: &[i32], zero_point: i8) -> Result<Vec<i32>> {
    weight
        .chunks_exact(weight.len() / bias.len())
        .zip(bias)
        .enumerate()
        .map(|(channel, (filter, &b))| {
            let magnitude: i64 = filter.iter().map(|&w| i64::from(w).abs()).sum();
            let folded = i64::from(b) - i64::from(zero_point) * filter.iter().map(|&w| i64::from(w)).sum::<i64>();
            // 255: an input minus its zero point, as ONNX runtimes may accumulate it.
            let worst = (magnitude * 128 + folded.abs()).max(magnitude * 255 + i64::from(b).abs());
            ensure!(
                worst <= i64::from(i32::MAX),
                "{name}: channel {channel} can reach {worst}, beyond 32-bit accumulators; use fewer inputs or smaller weights"
            );
            Ok(folded as i32)
        })
        .collect()
}

/// Checks `|acc * scale| < 2^22` for every input, and that the factors are positive and finite.
pub(super) fn requantization(name: &str, weight: &[i8], folded_bias: &[i32], scale: &[f32]) -> Result<()> {
    let length = weight.len() / folded_bias.len();
    for (channel, ((filter, &b), &s)) in weight.chunks_exact(length).zip(folded_bias).zip(scale).enumerate() {
        ensure!(
            s.is_normal() && s > 0.0,
            "{name}: channel {channel} has the requantisation factor {s}; it must be positive and normal"
        );
        let (low, high) = filter.iter().fold((i64::from(b), i64::from(b)), |(low, high), &w| {
            let (a, z) = (i64::from(w) * -128, i64::from(w) * 127);
            (low + a.min(z), high + a.max(z))
        });
        let worst = low.abs().max(high.abs()) as f64 * f64::from(s);
        ensure!(
            worst < ROUNDING_LIMIT,
            "{name}: channel {channel} can reach {worst:.0} output steps, beyond 2^22 of exact rounding; its calibrated range is too small"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_exact() {
        assert_eq!(fold("t", &[1, 2, -3, 4, 5, 6], &[10, -10], -128).unwrap(), [10, -10 + 128 * 15]);
    }

    #[test]
    fn overflow_is_refused_with_the_layer_named() {
        let error = fold("layer09_dense", &vec![127; 80_000], &[0], -128).unwrap_err().to_string();
        assert!(error.contains("layer09_dense") && error.contains("32-bit"), "{error}");
    }

    #[test]
    fn values_beyond_the_rounding_range_are_refused() {
        requantization("t", &[100; 9], &[0], &[0.01]).unwrap();
        let error = requantization("layer00_conv", &[100; 9], &[0], &[100.0]).unwrap_err().to_string();
        assert!(error.contains("layer00_conv") && error.contains("2^22"), "{error}");
        assert!(requantization("t", &[100; 9], &[0], &[0.0]).is_err());
    }
}
