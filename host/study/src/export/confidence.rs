//! What the model file says about its probabilities: fitted on validation images.

use super::data::Images;
use cxr_app::classes::COVID;
use crate::dataset::coronahack;
use rownet_convert::chain::stats::{argmax, softmax};
use serde::Serialize;

/// What is fitted.
pub(super) struct Confidence {
    /// Divides the logits before the softmax.
    pub(super) temperature: f64,
    /// Top probability below which the verdict is withheld.
    pub(super) abstain_below: f64,
    /// Probability of COVID-19 below which a verdict of it is withheld, and of how many right ones of validation.
    pub(super) doubt: Option<Doubt>,
    /// Weighted log-loss without the temperature and with it.
    pub(super) log_loss: [f64; 2],
}

impl Confidence {
    /// Fits to the logits of the validation images.
    pub(super) fn fit(logits: &[Vec<f32>], images: &Images, doubted: f64) -> Self {
        let classes: Vec<usize> = images.validation.iter().map(|(_, class)| *class).collect();
        let weights = source_weights(&images.sources);
        let temperature = fit_temperature(logits, &classes, &weights);
        Self {
            temperature,
            abstain_below: abstain_threshold(logits, temperature),
            doubt: doubt(logits, &classes, temperature, doubted),
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

/// What it takes to name COVID-19.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Doubt {
    /// Probability below which the verdict is withheld.
    pub(super) below: f64,
    /// The recipe's share.
    share: f64,
    /// COVID-19 in validation that is likeliest to be so.
    right: usize,
    /// How many of them are withheld.
    withheld: usize,
}

/// The probability of COVID-19 that `share` of the COVID-19 images lie under which the network takes for such; none at a share of 0, or without such images.
fn doubt(logits: &[Vec<f32>], classes: &[usize], temperature: f64, share: f64) -> Option<Doubt> {
    let right = logits.iter().zip(classes).filter(|(l, class)| **class == COVID && argmax(l) == COVID);
    let mut sure: Vec<f64> = right.map(|(l, _)| softmax(l, temperature)[COVID]).collect();
    sure.sort_by(f64::total_cmp);
    let withheld = (share * sure.len() as f64).round() as usize;
    let below = *sure.get(withheld).filter(|_| withheld > 0)?;
    // Half way to the last that is withheld: the least one named must not hang on the last bit of a device's exponential.
    Some(Doubt { below: (below + sure[withheld - 1]) / 2.0, share, right: sure.len(), withheld })
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
    fn the_stated_share_of_what_is_rightly_called_covid_is_doubted() {
        // COVID-19 rightly called so at rising logits; as many healthy people are called so; some COVID-19 is missed.
        let logit = |i: usize| vec![0.0, 0.0, 1.0 + i as f32 / 100.0];
        let logits: Vec<Vec<f32>> = (0..100).chain(0..100).map(logit).chain(vec![vec![1.0, 0.0, 0.0]; 30]).collect();
        let classes: Vec<usize> = [vec![COVID; 100], vec![0; 100], vec![COVID; 30]].concat();
        let found = doubt(&logits, &classes, 1.0, 0.35).unwrap();
        assert_eq!((found.right, found.withheld), (100, 35));
        let of = |i: usize| softmax(&logit(i), 1.0)[COVID];
        assert!(of(34) < found.below && found.below < of(35));
        assert_eq!(doubt(&logits, &classes, 1.0, 0.0), None);
        assert_eq!(doubt(&logits, &vec![0; logits.len()], 1.0, 0.35), None);
    }

    #[test]
    fn the_threshold_withholds_the_stated_share() {
        let logits: Vec<Vec<f32>> = (0..1000).map(|i| vec![i as f32 / 200.0, 0.0, 0.0]).collect();
        let threshold = abstain_threshold(&logits, 1.0);
        let withheld = logits.iter().filter(|l| softmax(l, 1.0).into_iter().fold(0.0, f64::max) < threshold).count();
        assert_eq!(withheld, 20);
    }
}
