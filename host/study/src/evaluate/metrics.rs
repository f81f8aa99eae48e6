//! Figures of a set of verdicts with their uncertainty.

use super::auc::{Auc, Sorted};
use super::calibration_error::error;
use super::intervals::{Rate, bootstrap, clusters};
use super::outcome::Outcome;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

const N: usize = CLASSES.len();

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
    /// Share of this class whose verdict is given and is this class: `sensitivity` without what is withheld.
    pub named: Rate,
    /// Share of the verdicts of this class that are given and right.
    pub named_right: Rate,
    /// Harmonic mean of PPV and sensitivity; absent where the class is neither present nor predicted.
    pub f1: Option<f64>,
    /// Area under the ROC curve of this class's probability against the other classes.
    pub auc: Option<Auc>,
}

/// Figures of a set of images. Intervals of shares are Wilson's, or by resampling patients where that is wider. Abstentions count with their likeliest class; `answered` leaves them out.
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
    /// Patients.
    pub patients: usize,
    /// Percentile 95 % intervals of 2,000 resamples of whole patients.
    pub patient_bootstrap_95: BTreeMap<String, Option<[f64; 2]>>,
}

impl Figures {
    /// Figures of `outcomes`.
    pub fn new(outcomes: &[&Outcome]) -> Self {
        let mut confusion = [[0; N]; N];
        for outcome in outcomes {
            confusion[outcome.truth][outcome.predicted] += 1;
        }
        let n = outcomes.len();
        let of_truth = |k: usize| -> usize { confusion[k].iter().sum() };
        let of_answer = |k: usize| -> usize { confusion.iter().map(|row| row[k]).sum() };
        let f1 = |k: usize| {
            let both = of_truth(k) + of_answer(k);
            (both > 0).then(|| 2.0 * confusion[k][k] as f64 / both as f64)
        };
        let classes = CLASSES.iter().enumerate().map(|(k, &name)| {
            let share = |of: &dyn Fn(&Outcome) -> bool, hit: &dyn Fn(&Outcome) -> bool| {
                Rate::by_patient(outcomes.iter().filter(|o| of(o)).map(|o| (hit(o), o.patient.as_str())))
            };
            let figures = ClassFigures {
                n: of_truth(k),
                sensitivity: share(&|o| o.truth == k, &|o| o.predicted == k),
                specificity: share(&|o| o.truth != k, &|o| o.predicted != k),
                ppv: share(&|o| o.predicted == k, &|o| o.truth == k),
                named: share(&|o| o.truth == k, &|o| o.predicted == k && !o.abstained),
                named_right: share(&|o| o.predicted == k && !o.abstained, &|o| o.truth == k),
                f1: f1(k),
                auc: Auc::of(outcomes.iter().map(|o| (o.probabilities[k], o.truth == k))),
            };
            (name, figures)
        });
        let scores: Vec<f64> = (0..N).filter_map(f1).collect();
        let answered: Vec<&&Outcome> = outcomes.iter().filter(|o| !o.abstained).collect();
        let accuracy = Rate::by_patient(outcomes.iter().map(|o| (o.right(), o.patient.as_str())));
        Self {
            n,
            accuracy: accuracy.value.unwrap_or(0.0),
            accuracy_interval_95: accuracy.interval_95,
            balanced_accuracy: summary(&confusion.map(|row| row.map(|count| count as f64)))[1],
            macro_f1: mean(&scores),
            classes: classes.collect(),
            confusion,
            ece: error(outcomes.iter().map(|o| (o.top(), o.right()))),
            abstained: n - answered.len(),
            answered: Rate::by_patient(answered.iter().map(|o| (o.right(), o.patient.as_str()))),
            patients: clusters(outcomes.iter().map(|o| &o.patient)).1,
            patient_bootstrap_95: by_patient(outcomes),
        }
    }
}

/// Accuracy, balanced accuracy and macro-F1 of a confusion matrix; 0 where nothing was counted.
fn summary(confusion: &[[f64; N]; N]) -> [f64; 3] {
    let (mut right, mut all, mut recalls, mut f1) = (0.0, 0.0, vec![], vec![]);
    for k in 0..N {
        let (truth, answers) = (confusion[k].iter().sum::<f64>(), confusion.iter().map(|row| row[k]).sum::<f64>());
        (right, all) = (right + confusion[k][k], all + truth);
        if truth > 0.0 {
            recalls.push(confusion[k][k] / truth);
        }
        if truth + answers > 0.0 {
            f1.push(2.0 * confusion[k][k] / (truth + answers));
        }
    }
    [right / f64::max(all, 1.0), mean(&recalls), mean(&f1)]
}

fn by_patient(outcomes: &[&Outcome]) -> BTreeMap<String, Option<[f64; 2]>> {
    let mut names = ["accuracy", "balanced_accuracy", "macro_f1"].map(str::to_owned).to_vec();
    names.extend(CLASSES.map(|class| format!("sensitivity {class}")));
    names.extend(CLASSES.map(|class| format!("auc {class}")));
    if outcomes.is_empty() {
        return names.into_iter().map(|name| (name, None)).collect();
    }
    let (of_item, patients) = clusters(outcomes.iter().map(|o| &o.patient));
    let sorted: [Sorted; N] = std::array::from_fn(|k| {
        let scores: Vec<f64> = outcomes.iter().map(|o| o.probabilities[k]).collect();
        Sorted::new(&scores, &outcomes.iter().map(|o| o.truth == k).collect::<Vec<_>>())
    });
    let intervals = bootstrap(&of_item, patients, |weights| {
        let mut confusion = [[0.0; N]; N];
        for (outcome, weight) in outcomes.iter().zip(weights) {
            confusion[outcome.truth][outcome.predicted] += f64::from(*weight);
        }
        let mut values = summary(&confusion).to_vec();
        values.extend((0..N).map(|k| confusion[k][k] / confusion[k].iter().sum::<f64>()));
        values.extend(sorted.iter().map(|sorted| sorted.area(weights)));
        values
    });
    names.into_iter().zip(intervals).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outcome of a patient of its own.
    fn outcome(truth: usize, predicted: usize, top: f64) -> Outcome {
        let mut probabilities = [(1.0 - top) / 2.0; N];
        probabilities[predicted] = top;
        Outcome { truth, predicted, probabilities, abstained: false, patient: format!("{truth} {predicted} {top}") }
    }

    #[test]
    fn figures_of_a_small_set() {
        let mut outcomes = [outcome(0, 0, 0.9), outcome(0, 1, 0.6), outcome(1, 1, 0.8), outcome(1, 1, 0.8), outcome(2, 0, 0.5)];
        outcomes[2].abstained = true;
        let figures = Figures::new(&outcomes.iter().collect::<Vec<_>>());
        assert_eq!(figures.confusion, [[1, 1, 0], [0, 2, 0], [1, 0, 0]]);
        assert!((figures.accuracy - 0.6).abs() < 1e-12);
        assert!((figures.balanced_accuracy - 0.5).abs() < 1e-12);
        assert!((figures.macro_f1 - (0.5 + 0.8) / 3.0).abs() < 1e-12);
        let pneumonia = figures.classes["Pneumonia/NA"];
        assert_eq!((pneumonia.specificity.hits, pneumonia.specificity.n), (2, 3));
        assert_eq!((pneumonia.ppv.hits, pneumonia.ppv.n), (2, 3));
        assert_eq!((pneumonia.named.hits, pneumonia.named.n), (1, 2));
        assert_eq!((pneumonia.named_right.hits, pneumonia.named_right.n), (1, 2));
        assert!((pneumonia.f1.unwrap() - 0.8).abs() < 1e-12);
        // P(normal): 0.9 and 0.2 of the normal ones, 0.1, 0.1, 0.5 of the others: 5 of 6 pairs are in order.
        assert!((figures.classes["Normal/NA"].auc.unwrap().value - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(figures.patients, 4);
        let [low, high] = figures.patient_bootstrap_95["accuracy"].unwrap();
        assert!(low < 0.6 && high > 0.6);
        assert!((figures.ece - (0.1 + 0.6 + 0.4 + 0.5) / 5.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_set_has_no_figures_and_does_not_panic() {
        let figures = Figures::new(&[]);
        assert_eq!((figures.n, figures.accuracy, figures.ece), (0, 0.0, 0.0));
    }
}
