//! Chooses the calibration on validation images, and fits what the model file says about its probabilities.

use super::cxr;
use crate::agreement::{FloatComparison, float_comparison};
use crate::dataset::coronahack;
use crate::float_model::FloatModel;
use crate::model_file::{Engine, ModelFile};
use crate::quantize::calibrate::{Range, Statistics, observe};
use crate::quantize::covariance::covariances;
use crate::quantize::equalize::equalize;
use crate::quantize::{Options, QuantizedModel, WeightScale, quantize};
use anyhow::Result;
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
pub const DEFAULT: Options = Options {
    equalization: 0.0,
    range: Range::Percentile(0.9999),
    weights: WeightScale::LeastSquares,
    compensated: false,
    bias_correction: true,
};

/// What a search chose.
pub struct Chosen {
    /// The float network, its channels equalised: the same function.
    pub float: FloatModel,
    /// Its int8 network.
    pub quantized: QuantizedModel,
    /// How.
    pub options: Options,
    /// All that was tried.
    pub trials: Vec<Trial>,
}

/// Strengths of equalisation that are tried.
const STRENGTHS: [f32; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Tries the ranges, then rounding weights together after strengths of equalisation, then the weight scales, then leaving out the bias
/// correction; keeps what has the smallest mean logit error. `calibration` are interleaved training images, `images` interleaved or
/// gray, `float_logits` what the float network says about them.
pub fn search(
    model: &FloatModel,
    calibration: &[Vec<u8>],
    images: &[&[u8]],
    float_logits: &[&[f32]],
    progress: &(dyn Fn() + Sync),
) -> Result<Chosen> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut attempt = |(model, statistics): &(FloatModel, Statistics), options: Options| -> Result<(QuantizedModel, Trial)> {
        let quantized = quantize(model, statistics, options)?;
        let file = ModelFile::new(cxr::write(&quantized, &cxr::Header::default())?, "quantised network")?;
        let logits = logits(file.engine()?, images, progress)?;
        let result = float_comparison(logits.iter().map(Vec::as_slice).zip(float_logits.iter().copied()));
        let trial = Trial { options, result };
        trials.push(trial);
        Ok((quantized, trial))
    };
    let better = |new: &(QuantizedModel, Trial), best: &(QuantizedModel, Trial)| {
        new.1.result.mean_abs_error < best.1.result.mean_abs_error
    };
    let plain = (model.clone(), observe(model, calibration, progress)?);
    let mut best = attempt(&plain, DEFAULT)?;
    for range in [Range::Max, Range::Percentile(0.99999), Range::LeastSquares] {
        let new = attempt(&plain, Options { range, ..DEFAULT })?;
        best = if better(&new, &best) { new } else { best };
    }
    let mut network = plain.clone();
    for equalization in STRENGTHS {
        let float = equalize(model, &plain.1, equalization);
        let mut statistics = observe(&float, calibration, progress)?;
        statistics.covariances = covariances(&float, calibration, progress)?;
        let equal = (float, statistics);
        let new = attempt(&equal, Options { equalization, compensated: true, ..best.1.options })?;
        if better(&new, &best) {
            (best, network) = (new, equal);
        }
    }
    for change in [|o| Options { weights: WeightScale::AbsMax, ..o }, |o| Options { bias_correction: false, ..o }] {
        let new = attempt(&network, change(best.1.options))?;
        best = if better(&new, &best) { new } else { best };
    }
    Ok(Chosen { float: network.0, quantized: best.0, options: best.1.options, trials })
}

/// Ticks of [`search`].
pub const fn steps(calibration: usize, images: usize) -> usize {
    (1 + 2 * STRENGTHS.len()) * calibration + (6 + STRENGTHS.len()) * images
}

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

/// What a source counts at most, in images.
pub const CAP: f64 = 50.0;

/// Weights of images, by their sources: CoronaHack weighs as much as all other sources together, as in default.toml's draws, and the
/// others alike, as far as they have [`CAP`] images. A user's pictures come from none of them, so that the largest must not outvote.
pub fn source_weights(sources: &[String]) -> Vec<f64> {
    let count = |source: &String| sources.iter().filter(|s| *s == source).count() as f64;
    let mut weights: Vec<f64> = sources.iter().map(|source| (CAP / count(source)).min(1.0)).collect();
    let home = |source: &String| source == coronahack::SOURCE;
    let sum = |of: bool| weights.iter().zip(sources).filter(|(_, s)| home(s) == of).map(|(w, _)| w).sum::<f64>();
    let (children, others) = (sum(true), sum(false));
    if children > 0.0 && others > 0.0 {
        weights.iter_mut().zip(sources).filter(|(_, s)| home(s)).for_each(|(w, _)| *w *= others / children);
    }
    weights
}

/// Weighted mean negative log-likelihood of the true classes.
pub fn log_loss(logits: &[Vec<f32>], classes: &[usize], weights: &[f64], temperature: f64) -> f64 {
    let losses =
        logits.iter().zip(classes).zip(weights).map(|((l, &class), w)| -softmax(l, temperature)[class].max(1e-12).ln() * w);
    losses.sum::<f64>() / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}

/// The temperature in 0.05..=20 with the least log-loss (Guo et al., 2017), by golden-section search.
pub fn fit_temperature(logits: &[Vec<f32>], classes: &[usize], weights: &[f64]) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let loss = |log_temperature: f64| log_loss(logits, classes, weights, log_temperature.exp());
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
        let alike = vec![1.0; logits.len()];
        let temperature = fit_temperature(&logits, &classes, &alike);
        assert!((5.0 / temperature - 3f64.ln()).abs() < 0.01, "{temperature}");
        assert!(log_loss(&logits, &classes, &alike, temperature) < log_loss(&logits, &classes, &alike, 1.0));
    }

    #[test]
    fn a_large_source_does_not_outvote_another() {
        // Right at home whatever the gap, 75 % right elsewhere.
        let fitted = |home: usize, away: usize| {
            let logits = vec![vec![5.0, 0.0, -50.0]; home + away];
            let classes: Vec<usize> = (0..home + away).map(|i| usize::from(i >= home && i % 4 == 0)).collect();
            let sources: Vec<String> = (0..home + away).map(|i| if i < home { "home" } else { "away" }.to_owned()).collect();
            fit_temperature(&logits, &classes, &source_weights(&sources))
        };
        assert!((fitted(400, 60) - fitted(60, 400)).abs() < 1e-3);
        assert_eq!(source_weights(&["a".to_owned(), "b".to_owned()]), [1.0, 1.0]);
        let mixed = ["coronahack", "a", "a", "b"].map(str::to_owned);
        assert_eq!(source_weights(&mixed), [3.0, 1.0, 1.0, 1.0]);
        assert_eq!(source_weights(&mixed[..1]), [1.0]);
    }

    #[test]
    fn the_threshold_withholds_the_stated_share() {
        let logits: Vec<Vec<f32>> = (0..1000).map(|i| vec![i as f32 / 200.0, 0.0, 0.0]).collect();
        let threshold = abstain_threshold(&logits, 1.0);
        let withheld = logits.iter().filter(|l| softmax(l, 1.0).into_iter().fold(0.0, f64::max) < threshold).count();
        assert_eq!(withheld, 20);
    }
}
