//! Predictive values: what a verdict would mean where few people are ill.

use crate::evaluate::figure::{Block, Computed, Evidence, Figure, Outcome, Page, Rate, Section};
use crate::evaluate::render::text::bounded_percent;
use crate::evaluate::targets::TARGETS;
use anyhow::Result;
use cxr_app::classes::COVID;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shares of the ill that predictive values are worked out for.
const PREVALENCES: [f64; 3] = [0.01, 0.05, 0.20];

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
fn predictive(outcomes: &[&Outcome]) -> ByTarget {
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

/// Of a split, by target.
type ByTarget = BTreeMap<&'static str, Computed<Vec<Predictive>>>;

/// By split and target.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct BySplit(BTreeMap<&'static str, ByTarget>);

impl Figure for BySplit {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(from.tests.iter().map(|(name, _)| (*name, predictive(&from.outcomes[name]))).collect()))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let mut blocks = Vec::new();
        for (split, targets) in &self.0 {
            let mut rows = Vec::new();
            for (target, found) in targets {
                match found {
                    Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}, {target}: {not_computed}"))),
                    Computed::Yes(found) => rows.extend(found.iter().map(|p| {
                        vec![
                            (*target).to_owned(),
                            format!("{:.0} %", 100.0 * p.prevalence),
                            bounded_percent(p.ppv, Some(p.ppv_interval_95)),
                            bounded_percent(p.npv, Some(p.npv_interval_95)),
                        ]
                    })),
                }
            }
            let head = ["verdict", "share of the ill", "PPV", "NPV"];
            blocks.push(Block::table(format!("With the sensitivity and specificity of {split}"), head, rows));
        }
        let note = "What a verdict would mean where 1, 5 or 20 % of the people are ill, if sensitivity and specificity stayed the \
            same, which they do not. \
                    Bounds take both at their lower and both at their upper Wilson bound.";
        Ok(vec![Section { id: "predictive", title: "Predictive values", note: note.to_owned(), blocks }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictive_values_by_bayes() {
        // 80 of 100 ill found, 90 of 100 well passed, 5 % ill: 0.04 / (0.04 + 0.095), 0.855 / (0.855 + 0.01).
        let found = at_prevalence(0.05, &Rate::new(80, 100), &Rate::new(90, 100));
        assert!((found.ppv - 0.04 / 0.135).abs() < 1e-12 && (found.npv - 0.855 / 0.865).abs() < 1e-12);
        assert!(found.ppv_interval_95[0] < found.ppv && found.ppv < found.ppv_interval_95[1]);
        assert!(matches!(predictive(&[])["Pneumonia/COVID-19"], Computed::No { .. }));
    }
}
