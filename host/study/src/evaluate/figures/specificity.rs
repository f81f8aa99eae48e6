//! Sensitivity where specificity is 95 % on validation.

use crate::evaluate::figure::{Block, Computed, Evidence, Figure, Outcome, Page, Rate, Section};
use crate::evaluate::render::text::rate;
use crate::evaluate::targets::{TARGETS, score};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// Specificity that the thresholds are set for.
const SPECIFICITY: f64 = 0.95;

/// Sensitivity at the threshold that 95 % of the validation images without the target stay at or below.
#[derive(Clone, Debug, Serialize)]
pub struct AtSpecificity {
    /// Probability above which the target is called; chosen on validation.
    pub threshold: f64,
    /// Sensitivity and specificity by split, at that threshold.
    pub splits: BTreeMap<&'static str, [Rate; 2]>,
}

/// By target. `sets`: name and outcomes of each split, `val` among them.
fn at_specificity(sets: &BTreeMap<&'static str, Vec<&Outcome>>) -> Computed<BTreeMap<&'static str, AtSpecificity>> {
    let Some(validation) = sets.get("val") else {
        return Computed::no("there is no validation image to choose the threshold on");
    };
    let one = |target: usize| {
        let mut negatives: Vec<f64> =
            validation.iter().map(|o| score(o, target)).filter(|(_, is)| !is).map(|(score, _)| score).collect();
        negatives.sort_by(f64::total_cmp);
        let kept = (SPECIFICITY * negatives.len() as f64).ceil() as usize;
        let threshold = negatives.get(kept.saturating_sub(1)).copied().unwrap_or(1.0);
        let rates = |set: &Vec<&Outcome>| {
            let scores = || set.iter().map(|o| score(o, target));
            let sensitivity = Rate::of(scores().filter(|(_, is)| *is).map(|(score, _)| score > threshold));
            [sensitivity, Rate::of(scores().filter(|(_, is)| !is).map(|(score, _)| score <= threshold))]
        };
        AtSpecificity { threshold, splits: sets.iter().map(|(name, set)| (*name, rates(set))).collect() }
    };
    Computed::Yes(TARGETS.iter().enumerate().map(|(k, name)| (*name, one(k))).collect())
}

/// By target.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ByTarget(Computed<BTreeMap<&'static str, AtSpecificity>>);

impl Figure for ByTarget {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(at_specificity(&from.outcomes)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let blocks = match &self.0 {
            Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
            Computed::Yes(targets) => {
                let rows = targets.iter().flat_map(|(target, at)| {
                    at.splits.iter().map(move |(split, [sensitivity, specificity])| {
                        vec![
                            (*target).to_owned(),
                            (*split).to_owned(),
                            format!("{:.3}", at.threshold),
                            rate(sensitivity),
                            rate(specificity),
                        ]
                    })
                });
                let head = ["target", "split", "threshold", "sensitivity", "specificity reached"];
                vec![Block::table(
                    "Thresholds that 95 % of the validation images without the target stay under",
                    head,
                    rows.collect(),
                )]
            }
        };
        let note = "The threshold is chosen on validation and applied as it is: where the specificity reached is not 95 %, \
            probabilities do not carry over to those people.";
        Ok(vec![Section { id: "specificity", title: "Sensitivity at 95 % specificity", note: note.to_owned(), blocks }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(truth: usize, covid: f64) -> Outcome {
        let probabilities = [1.0 - covid, 0.0, covid];
        Outcome { truth, predicted: if covid > 0.5 { 2 } else { 0 }, probabilities, abstained: false, patient: String::new() }
    }

    #[test]
    fn thresholds_come_from_validation() {
        let validation: Vec<Outcome> = (0..100).map(|i| outcome(0, f64::from(i) / 200.0)).collect();
        let test: Vec<Outcome> = [(2, 0.47), (2, 0.48), (0, 0.1), (0, 0.9)].map(|(truth, p)| outcome(truth, p)).to_vec();
        let sets = BTreeMap::from([("val", validation.iter().collect()), ("test", test.iter().collect::<Vec<_>>())]);
        let Computed::Yes(found) = at_specificity(&sets) else { panic!() };
        let covid = &found["Pneumonia/COVID-19"];
        assert_eq!(covid.threshold, 0.47);
        assert_eq!(covid.splits["val"][1].value, Some(0.95));
        assert_eq!((covid.splits["test"][0].hits, covid.splits["test"][1].hits), (1, 1));
        assert!(matches!(at_specificity(&BTreeMap::new()), Computed::No { .. }));
    }
}
