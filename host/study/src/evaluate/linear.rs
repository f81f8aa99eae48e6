//! A simple classifier for controls: one balanced logistic regression a class on standardised features.

use crate::refusal::discriminant;
use anyhow::{Result, ensure};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

/// A fitted classifier.
pub struct Linear {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// Weights and intercept by class.
    classes: Vec<(DVector<f64>, f64)>,
}

impl Linear {
    /// Fits to `rows` of equal length and their classes, each class against the others, both sides weighing the same.
    ///
    /// # Errors
    /// A class without rows, or features that are not finite.
    pub fn fit(rows: &[&[f64]], labels: &[usize], classes: usize) -> Result<Self> {
        ensure!((0..classes).all(|k| labels.contains(&k)), "a class has no training image");
        let (count, width) = (rows.len() as f64, rows[0].len());
        let mean: Vec<f64> = (0..width).map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / count).collect();
        let deviation = |c: usize| (rows.iter().map(|row| (row[c] - mean[c]).powi(2)).sum::<f64>() / count).sqrt();
        let scale: Vec<f64> = (0..width).map(deviation).map(|s| if s > 1e-9 { 1.0 / s } else { 0.0 }).collect();
        let side =
            |members: Vec<usize>| DMatrix::from_fn(members.len(), width, |i, c| (rows[members[i]][c] - mean[c]) * scale[c]);
        let of_class = |k: usize| {
            let (own, others): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&i| labels[i] == k);
            discriminant(&side(others), &side(own))
        };
        let fitted = (0..classes).into_par_iter().map(of_class).collect::<Result<_>>()?;
        Ok(Self { mean, scale, classes: fitted })
    }

    /// Scores by class, each a probability against the others, made to sum to 1.
    pub fn scores(&self, row: &[f64]) -> Vec<f64> {
        let z: Vec<f64> = row.iter().zip(&self.mean).zip(&self.scale).map(|((v, m), s)| (v - m) * s).collect();
        let score = |(weights, offset): &(DVector<f64>, f64)| {
            let sum = weights.iter().zip(&z).map(|(w, z)| w * z).sum::<f64>() + offset;
            1.0 / (1.0 + (-sum).exp())
        };
        let scores: Vec<f64> = self.classes.iter().map(score).collect();
        let sum = scores.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        scores.into_iter().map(|score| score / sum).collect()
    }
}

/// Index of the largest score, the first of equals.
pub fn argmax(scores: &[f64]) -> usize {
    scores.iter().enumerate().fold(0, |best, (k, score)| if *score > scores[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separable_classes_are_told_apart() {
        let rows: Vec<Vec<f64>> = (0..90)
            .map(|i| vec![f64::from(i % 3) * 5.0 + f64::from(i % 7) / 7.0, (f64::from(i % 3) - 1.0).powi(2), 4.0])
            .collect();
        let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let views: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let linear = Linear::fit(&views, &labels, 3).unwrap();
        assert!(views.iter().zip(&labels).all(|(row, label)| argmax(&linear.scores(row)) == *label));
        assert!((linear.scores(&rows[0]).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(Linear::fit(&views, &labels, 4).is_err());
    }
}
