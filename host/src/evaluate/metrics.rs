//! Figures of a classifier with their uncertainty.

use crate::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

const N: usize = CLASSES.len();

/// One classified image.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// True class.
    pub truth: usize,
    /// Class with the largest probability.
    pub predicted: usize,
    /// Calibrated probabilities.
    pub probabilities: [f64; N],
    /// The verdict was withheld.
    pub abstained: bool,
}

/// A share with its Wilson 95 % interval; `value` is `None` where nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Hits.
    pub hits: usize,
    /// Cases.
    pub n: usize,
    /// Share, 0..1.
    pub value: Option<f64>,
    /// Lower and upper bound.
    pub interval_95: [f64; 2],
}

impl Rate {
    /// `hits` of `n`; the interval of E. B. Wilson (1927) for z = 1.96.
    pub fn new(hits: usize, n: usize) -> Self {
        if n == 0 {
            return Self { hits, n, value: None, interval_95: [0.0, 1.0] };
        }
        const Z: f64 = 1.959_963_984_540_054;
        let (count, p) = (n as f64, hits as f64 / n as f64);
        let center = p + Z * Z / (2.0 * count);
        let half = Z * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
        let scale = 1.0 + Z * Z / count;
        Self { hits, n, value: Some(p), interval_95: [((center - half) / scale).max(0.0), ((center + half) / scale).min(1.0)] }
    }
}

/// Figures of one class against the others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClassFigures {
    /// Images of this class.
    pub n: usize,
    /// Share of this class found.
    pub sensitivity: Rate,
    /// Share of the others not called this class.
    pub specificity: Rate,
    /// Share of those called this class that are.
    pub ppv: Rate,
}

/// Figures of a set of images. Abstentions count with their likeliest class; `answered` leaves them out.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Images.
    pub n: usize,
    /// Share right.
    pub accuracy: f64,
    /// Its uncertainty.
    pub accuracy_interval_95: [f64; 2],
    /// Mean sensitivity over the classes present.
    pub balanced_accuracy: f64,
    /// Mean F1 over the classes present or predicted.
    pub macro_f1: f64,
    /// Rows are the truth, columns the prediction, in class order.
    pub confusion: [[usize; N]; N],
    /// By class name.
    pub classes: BTreeMap<&'static str, ClassFigures>,
    /// Expected calibration error: 15 bins of the top probability, weighted by their counts.
    pub ece: f64,
    /// Verdicts withheld.
    pub abstained: usize,
    /// Share right among verdicts not withheld.
    pub answered: Rate,
}

/// Bins of the calibration error.
const BINS: usize = 15;

impl Figures {
    /// Figures of `outcomes`.
    pub fn new(outcomes: &[&Outcome]) -> Self {
        let mut confusion = [[0; N]; N];
        for outcome in outcomes {
            confusion[outcome.truth][outcome.predicted] += 1;
        }
        let n = outcomes.len();
        let correct: usize = (0..N).map(|k| confusion[k][k]).sum();
        let of_truth = |k: usize| -> usize { confusion[k].iter().sum() };
        let of_answer = |k: usize| -> usize { confusion.iter().map(|row| row[k]).sum() };
        let classes = CLASSES.iter().enumerate().map(|(k, &name)| {
            let (hits, truth, answers) = (confusion[k][k], of_truth(k), of_answer(k));
            let figures = ClassFigures {
                n: truth,
                sensitivity: Rate::new(hits, truth),
                specificity: Rate::new(n - truth - (answers - hits), n - truth),
                ppv: Rate::new(hits, answers),
            };
            (name, figures)
        });
        let recalls: Vec<f64> =
            (0..N).filter(|&k| of_truth(k) > 0).map(|k| confusion[k][k] as f64 / of_truth(k) as f64).collect();
        let f1: Vec<f64> = (0..N)
            .filter(|&k| of_truth(k) + of_answer(k) > 0)
            .map(|k| 2.0 * confusion[k][k] as f64 / (of_truth(k) + of_answer(k)) as f64)
            .collect();
        let answered: Vec<&&Outcome> = outcomes.iter().filter(|o| !o.abstained).collect();
        let accuracy = Rate::new(correct, n);
        Self {
            n,
            accuracy: accuracy.value.unwrap_or(0.0),
            accuracy_interval_95: accuracy.interval_95,
            balanced_accuracy: mean(&recalls),
            macro_f1: mean(&f1),
            confusion,
            classes: classes.collect(),
            ece: calibration_error(outcomes),
            abstained: n - answered.len(),
            answered: Rate::new(answered.iter().filter(|o| o.truth == o.predicted).count(), answered.len()),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn calibration_error(outcomes: &[&Outcome]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for outcome in outcomes {
        let top = outcome.probabilities[outcome.predicted];
        let bin = &mut bins[((top * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += top;
        bin.1 += f64::from(u8::from(outcome.truth == outcome.predicted));
    }
    // |mean confidence - accuracy| * count / n = |sum of confidences - hits| / n
    bins.iter().map(|(confidence, hits)| (confidence - hits).abs()).sum::<f64>() / outcomes.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(truth: usize, predicted: usize, top: f64) -> Outcome {
        let mut probabilities = [(1.0 - top) / 2.0; N];
        probabilities[predicted] = top;
        Outcome { truth, predicted, probabilities, abstained: false }
    }

    #[test]
    fn wilson_intervals_match_published_values() {
        // 13 of 13: lower bound 77.2 %; 0 of 10: upper bound 27.8 %.
        assert!((Rate::new(13, 13).interval_95[0] - 0.7719).abs() < 1e-3);
        assert!((Rate::new(0, 10).interval_95[1] - 0.2775).abs() < 1e-3);
        assert_eq!(Rate::new(0, 0).value, None);
    }

    #[test]
    fn figures_of_a_small_set() {
        let outcomes = [outcome(0, 0, 0.9), outcome(0, 1, 0.6), outcome(1, 1, 0.8), outcome(1, 1, 0.8), outcome(2, 0, 0.5)];
        let figures = Figures::new(&outcomes.iter().collect::<Vec<_>>());
        assert_eq!(figures.confusion, [[1, 1, 0], [0, 2, 0], [1, 0, 0]]);
        assert!((figures.accuracy - 0.6).abs() < 1e-12);
        assert!((figures.balanced_accuracy - 0.5).abs() < 1e-12);
        assert!((figures.macro_f1 - (0.5 + 0.8) / 3.0).abs() < 1e-12);
        let pneumonia = figures.classes["Pneumonia/NA"];
        assert_eq!((pneumonia.specificity.hits, pneumonia.specificity.n), (2, 3));
        assert_eq!((pneumonia.ppv.hits, pneumonia.ppv.n), (2, 3));
        assert!((figures.ece - (0.1 + 0.6 + 0.4 + 0.5) / 5.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_set_has_no_figures_and_does_not_panic() {
        let figures = Figures::new(&[]);
        assert_eq!((figures.n, figures.accuracy, figures.ece), (0, 0.0, 0.0));
    }
}
