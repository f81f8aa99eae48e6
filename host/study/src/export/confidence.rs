//! What the model file says about its probabilities: fitted on validation images.

use super::data::Images;
use crate::dataset::coronahack;
use rownet_convert::chain::stats::softmax;

/// What is fitted.
pub(super) struct Confidence {
    /// Divides the logits before the softmax.
    pub(super) temperature: f64,
    /// Top probability below which the verdict is withheld.
    pub(super) abstain_below: f64,
    /// Weighted log-loss without the temperature and with it.
    pub(super) log_loss: [f64; 2],
}

impl Confidence {
    /// Fits to the logits of the validation images.
    pub(super) fn fit(logits: &[Vec<f32>], images: &Images) -> Self {
        let classes: Vec<usize> = images.validation.iter().map(|(_, class)| *class).collect();
        let weights = source_weights(&images.sources);
        let temperature = fit_temperature(logits, &classes, &weights);
        Self {
            temperature,
            abstain_below: abstain_threshold(logits, temperature),
            log_loss: [1.0, temperature].map(|temperature| log_loss(logits, &classes, &weights, temperature)),
        }
    }
}

/// What a source counts at most, in images.
pub(super) const CAP: f64 = 50.0;

/// Weights of images, by their sources: CoronaHack weighs as much as all other sources together, as in default.toml's draws, and the
/// others alike, as far as they have [`CAP`] images. A user's pictures come from none of them, so that the largest must not outvote.
fn source_weights(sources: &[String]) -> Vec<f64> {
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
fn log_loss(logits: &[Vec<f32>], classes: &[usize], weights: &[f64], temperature: f64) -> f64 {
    let losses =
        logits.iter().zip(classes).zip(weights).map(|((l, &class), w)| -softmax(l, temperature)[class].max(1e-12).ln() * w);
    losses.sum::<f64>() / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}

/// The temperature in 0.05..=20 with the least log-loss (Guo et al., 2017), by golden-section search.
fn fit_temperature(logits: &[Vec<f32>], classes: &[usize], weights: &[f64]) -> f64 {
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
pub(super) const ABSTAIN_SHARE: f64 = 0.02;

/// The top probability below which [`ABSTAIN_SHARE`] of the images lie.
fn abstain_threshold(logits: &[Vec<f32>], temperature: f64) -> f64 {
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
