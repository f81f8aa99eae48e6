//! Logits: probabilities, the likeliest class, and how close two networks' are.

use serde::Serialize;

/// Float against int8 logits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FloatComparison {
    /// Mean absolute logit error.
    pub mean_abs_error: f64,
    /// Largest absolute logit error.
    pub max_abs_error: f64,
    /// Share of images with the same top class, 0..1.
    pub argmax_agreement: f64,
}

/// Logit errors over (int8, float) pairs.
pub fn float_comparison<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> FloatComparison {
    let (mut sum, mut count, mut max, mut agree, mut images) = (0.0, 0usize, 0f64, 0usize, 0usize);
    for (int8, float) in pairs {
        for (a, b) in int8.iter().zip(float) {
            let error = f64::from((a - b).abs());
            (sum, count, max) = (sum + error, count + 1, max.max(error));
        }
        agree += usize::from(argmax(int8) == argmax(float));
        images += 1;
    }
    FloatComparison {
        mean_abs_error: sum / count.max(1) as f64,
        max_abs_error: max,
        argmax_agreement: agree as f64 / images.max(1) as f64,
    }
}

/// Index of the largest value, the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, v)| if *v > values[best] { i } else { best })
}

/// Softmax of `logits / temperature`, in f64.
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&l| (f64::from(l - max) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_agreement() {
        let int8: [&[f32]; 2] = [&[1.0, 2.0], &[0.5, 0.0]];
        let float: [&[f32]; 2] = [&[1.0, 1.5], &[0.0, 0.5]];
        let result = float_comparison(int8.into_iter().zip(float));
        assert_eq!((result.mean_abs_error, result.max_abs_error, result.argmax_agreement), (0.375, 0.5, 0.5));
    }
}
