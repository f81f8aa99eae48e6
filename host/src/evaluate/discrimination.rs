//! What the probabilities separate: thresholds from validation, prevalence, Normal against abnormal.

use super::Computed;
use super::auc::Auc;
use super::intervals::Rate;
use super::measure::Case;
use super::metrics::Outcome;
use super::people::{AgeGroup, age_group};
use crate::classes::{CLASSES, COVID};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Specificity that the thresholds are set for.
const SPECIFICITY: f64 = 0.95;
/// Shares of the ill that predictive values are worked out for.
const PREVALENCES: [f64; 3] = [0.01, 0.05, 0.20];

/// What is told apart from the rest.
const TARGETS: [&str; 4] = [CLASSES[0], CLASSES[1], CLASSES[2], "abnormal (not Normal/NA)"];

fn score(outcome: &Outcome, target: usize) -> (f64, bool) {
    match outcome.probabilities.get(target) {
        Some(probability) => (*probability, outcome.truth == target),
        None => (outcome.abnormal(), outcome.truth != 0),
    }
}

/// Sensitivity at the threshold that 95 % of the validation images without the target stay at or below.
#[derive(Clone, Debug, Serialize)]
pub struct AtSpecificity {
    /// Probability above which the target is called; chosen on validation.
    pub threshold: f64,
    /// Sensitivity and specificity by split, at that threshold.
    pub splits: BTreeMap<&'static str, [Rate; 2]>,
}

/// By target. `sets`: name and outcomes of each split, `val` among them.
pub fn at_specificity(sets: &BTreeMap<&'static str, Vec<&Outcome>>) -> Computed<BTreeMap<&'static str, AtSpecificity>> {
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

/// What a verdict would mean where a share of the people is ill.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Predictive {
    /// Share of the ill.
    pub prevalence: f64,
    /// Share of the positive verdicts that are right.
    pub ppv: f64,
    /// From the lower bounds of sensitivity and specificity to their upper ones.
    pub ppv_interval_95: [f64; 2],
    /// Share of the negative verdicts that are right.
    pub npv: f64,
    /// Likewise.
    pub npv_interval_95: [f64; 2],
}

/// Predictive values of the verdict COVID-19 and of the verdict "abnormal" in `outcomes`, at each prevalence.
pub fn predictive(outcomes: &[&Outcome]) -> BTreeMap<&'static str, Computed<Vec<Predictive>>> {
    let of = |is: fn(usize) -> bool| {
        let sensitivity = Rate::of(outcomes.iter().filter(|o| is(o.truth)).map(|o| is(o.predicted)));
        let specificity = Rate::of(outcomes.iter().filter(|o| !is(o.truth)).map(|o| !is(o.predicted)));
        match (sensitivity.value, specificity.value) {
            (Some(_), Some(_)) => Computed::Yes(PREVALENCES.map(|p| at_prevalence(p, &sensitivity, &specificity)).to_vec()),
            _ => Computed::no("one side has no image here"),
        }
    };
    BTreeMap::from([(TARGETS[2], of(|class| class == COVID)), (TARGETS[3], of(|class| class != 0))])
}

fn at_prevalence(prevalence: f64, sensitivity: &Rate, specificity: &Rate) -> Predictive {
    let values = |se: f64, sp: f64| {
        let share = |hits: f64, errors: f64| if hits + errors > 0.0 { hits / (hits + errors) } else { 0.0 };
        let (ill, well) = (prevalence, 1.0 - prevalence);
        [share(se * ill, (1.0 - sp) * well), share(sp * well, (1.0 - se) * ill)]
    };
    let bound = |side: usize| values(sensitivity.interval_95[side], specificity.interval_95[side]);
    let [ppv, npv] = values(sensitivity.value.unwrap_or(0.0), specificity.value.unwrap_or(0.0));
    let (low, high) = (bound(0), bound(1));
    Predictive { prevalence, ppv, ppv_interval_95: [low[0], high[0]], npv, npv_interval_95: [low[1], high[1]] }
}

/// Normal against abnormal by split, by source, and for children and adults apart.
pub fn normal_vs_abnormal(sets: &[(&'static str, Vec<Case<'_>>)]) -> BTreeMap<String, Computed<Auc>> {
    let mut found = BTreeMap::new();
    for (split, cases) in sets {
        found.insert((*split).to_owned(), separation(cases.iter()));
        let sources: BTreeSet<&str> = cases.iter().map(|case| case.sample.source.as_str()).collect();
        for source in sources {
            let of_source = cases.iter().filter(|case| case.sample.source == source);
            found.insert(format!("{split}/{source}"), separation(of_source));
        }
        for (name, group) in [("children", AgeGroup::Child), ("adults", AgeGroup::Adult)] {
            let of_group = cases.iter().filter(|case| age_group(case.sample).is_some_and(|(found, _)| found == group));
            found.insert(format!("{split}, {name}"), separation(of_group));
        }
    }
    found
}

fn separation<'a>(cases: impl Iterator<Item = &'a Case<'a>>) -> Computed<Auc> {
    let scores: Vec<(f64, bool)> = cases.map(|case| score(&case.measured.outcome, CLASSES.len())).collect();
    let abnormal = scores.iter().filter(|(_, is)| *is).count();
    let counts = format!("{} Normal, {abnormal} abnormal images: both are needed", scores.len() - abnormal);
    Auc::of(scores).map_or_else(|| Computed::no(counts), Computed::Yes)
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

    #[test]
    fn predictive_values_by_bayes() {
        // 80 of 100 ill found, 90 of 100 well passed, 5 % ill: 0.04 / (0.04 + 0.095), 0.855 / (0.855 + 0.01).
        let found = at_prevalence(0.05, &Rate::new(80, 100), &Rate::new(90, 100));
        assert!((found.ppv - 0.04 / 0.135).abs() < 1e-12 && (found.npv - 0.855 / 0.865).abs() < 1e-12);
        assert!(found.ppv_interval_95[0] < found.ppv && found.ppv < found.ppv_interval_95[1]);
        assert!(matches!(predictive(&[])["Pneumonia/COVID-19"], Computed::No { .. }));
    }
}
