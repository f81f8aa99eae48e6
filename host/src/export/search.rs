//! Chooses the calibration on validation images, and fits what the model file says about its probabilities.

use super::cxr;
use crate::agreement::{FloatComparison, float_comparison};
use crate::float_model::FloatModel;
use crate::model_file::{Engine, ModelFile};
use crate::quantize::calibrate::{Range, Statistics};
use crate::quantize::{Options, QuantizedModel, WeightScale, quantize};
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;

/// One calibration that was tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// How.
    pub options: Options,
    /// Against the float network, on validation images.
    pub result: FloatComparison,
}

/// Without validation images: clip the rarest activations, round weights for least error.
pub const DEFAULT: Options =
    Options { range: Range::Percentile(0.9999), weights: WeightScale::LeastSquares, bias_correction: true };

/// Tries the ranges, then the weight scales, then leaving out the bias correction; keeps what has the smallest mean
/// logit error. `images` are interleaved or gray, `float_logits` what the float network says about them.
pub fn search(
    model: &FloatModel,
    statistics: &Statistics,
    images: &[&[u8]],
    float_logits: &[&[f32]],
    progress: &(dyn Fn() + Sync),
) -> Result<(QuantizedModel, Options, Vec<Trial>)> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut best: Option<(QuantizedModel, Trial)> = None;
    let mut attempt = |options: Options, best: &mut Option<(QuantizedModel, Trial)>| -> Result<()> {
        let quantized = quantize(model, statistics, options)?;
        let file = ModelFile::new(cxr::write(&quantized, &cxr::Header::default())?, "quantised network")?;
        let logits = logits(file.engine()?, images, progress)?;
        let result = float_comparison(logits.iter().map(Vec::as_slice).zip(float_logits.iter().copied()));
        let trial = Trial { options, result };
        trials.push(trial);
        if best.as_ref().is_none_or(|(_, b)| result.mean_abs_error < b.result.mean_abs_error) {
            *best = Some((quantized, trial));
        }
        Ok(())
    };
    for range in [DEFAULT.range, Range::Max, Range::Percentile(0.99999), Range::LeastSquares] {
        attempt(Options { range, ..DEFAULT }, &mut best)?;
    }
    let chosen = |best: &Option<(QuantizedModel, Trial)>| best.as_ref().map_or(DEFAULT, |(_, trial)| trial.options);
    attempt(Options { weights: WeightScale::AbsMax, ..chosen(&best) }, &mut best)?;
    attempt(Options { bias_correction: false, ..chosen(&best) }, &mut best)?;
    let (quantized, trial) = best.context("no calibration was tried")?;
    Ok((quantized, trial.options, trials))
}

/// Number of calibrations that [`search`] tries.
pub const TRIALS: usize = 6;

/// Logits of `core` for each image.
pub fn logits(engine: Engine<'_>, images: &[&[u8]], progress: &(dyn Fn() + Sync)) -> Result<Vec<Vec<f32>>> {
    images
        .par_iter()
        .map(|image| {
            let answer = engine.classify(image)?;
            progress();
            Ok(answer.logits)
        })
        .collect()
}

/// Softmax of `logits / temperature`, in f64.
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&l| (f64::from(l - max) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// Mean negative log-likelihood of the true classes.
pub fn log_loss(logits: &[Vec<f32>], classes: &[usize], temperature: f64) -> f64 {
    let losses = logits.iter().zip(classes).map(|(l, &class)| -softmax(l, temperature)[class].max(1e-12).ln());
    losses.sum::<f64>() / logits.len().max(1) as f64
}

/// The temperature in 0.05..=20 with the least log-loss (Guo et al., 2017), by golden-section search.
pub fn fit_temperature(logits: &[Vec<f32>], classes: &[usize]) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let loss = |log_temperature: f64| log_loss(logits, classes, log_temperature.exp());
    let (mut low, mut high) = (0.05f64.ln(), 20f64.ln());
    while high - low > 1e-4 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) <= loss(b) { high = b } else { low = a }
    }
    ((low + high) / 2.0).exp()
}

/// Share of validation images on which the verdict is withheld.
pub const ABSTAIN_SHARE: f64 = 0.02;

/// The top probability below which [`ABSTAIN_SHARE`] of the images lie.
pub fn abstain_threshold(logits: &[Vec<f32>], temperature: f64) -> f64 {
    let mut tops: Vec<f64> = logits.iter().map(|l| softmax(l, temperature).into_iter().fold(0.0, f64::max)).collect();
    tops.sort_by(f64::total_cmp);
    tops.get((tops.len() as f64 * ABSTAIN_SHARE) as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_undoes_a_known_overconfidence() {
        // Two classes in fact, 75 % right at every logit gap: the best gap is ln 3.
        let logits: Vec<Vec<f32>> = (0..400).map(|_| vec![5.0, 0.0, -50.0]).collect();
        let classes: Vec<usize> = (0..400).map(|i| usize::from(i % 4 == 0)).collect();
        let temperature = fit_temperature(&logits, &classes);
        assert!((5.0 / temperature - 3f64.ln()).abs() < 0.01, "{temperature}");
        assert!(log_loss(&logits, &classes, temperature) < log_loss(&logits, &classes, 1.0));
    }

    #[test]
    fn the_threshold_withholds_the_stated_share() {
        let logits: Vec<Vec<f32>> = (0..1000).map(|i| vec![i as f32 / 200.0, 0.0, 0.0]).collect();
        let threshold = abstain_threshold(&logits, 1.0);
        let withheld = logits.iter().filter(|l| softmax(l, 1.0).into_iter().fold(0.0, f64::max) < threshold).count();
        assert_eq!(withheld, 20);
    }
}
