//! How often pictures are refused: X-rays that should not be, and what is none.

use super::auc::{Auc, curve};
use super::intervals::Rate;
use super::measure::Measurements;
use crate::dataset::{Sample, Split};
use crate::decode;
use crate::model_file::Engine;
use crate::refusal::negatives::{KINDS, SIDE, generate};
use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Generated pictures of each kind; their seeds are not those of the fit.
const GENERATED: usize = 50;
const FIRST_SEED: u64 = 1 << 32;

/// The refusal section of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Refusals {
    /// Score above which `core` refuses.
    pub refuse_above: f32,
    /// Frontal chest X-rays refused, by split and by split/source: few are best.
    pub in_distribution: BTreeMap<String, Rate>,
    /// Other pictures refused: out_of_distribution images by view, changed test X-rays by change, generated ones by kind;
    /// `all` of them, and `out_of_distribution`, `changed`, `generated` each in all. Many are best.
    pub others: BTreeMap<String, Rate>,
    /// The score as a test for other pictures against the test split's X-rays, by kind of other picture.
    pub roc: BTreeMap<&'static str, Roc>,
}

/// A ROC curve of the refusal score.
#[derive(Clone, Debug, Serialize)]
pub struct Roc {
    /// Area under it.
    pub auc: Auc,
    /// Share of X-rays refused and of other pictures refused at the model's threshold.
    pub operating_point: [f64; 2],
    /// Points (X-rays refused, others refused).
    pub curve: Vec<[f64; 2]>,
}

/// A picture: whether it is a frontal X-ray, where it is counted, its score and whether it is refused.
struct Seen {
    frontal: bool,
    names: Vec<String>,
    score: f32,
    refused: bool,
}

/// Measures on the samples of the splits; `None` where the model has no refusal head.
pub(super) fn measure(engine: Engine<'_>, samples: &[Sample], measured: &Measurements) -> Result<Option<Refusals>> {
    let Some(head) = engine.model.refusal() else { return Ok(None) };
    let [height, width, _] = engine.input();
    let other = |gray: &[u8], names: Vec<String>| -> Result<Option<Seen>> {
        let answer = engine.classify(gray)?;
        let refused = answer.reason.as_deref() == Some("out_of_distribution");
        Ok(answer.refusal_score.map(|score| Seen { frontal: false, names, score, refused }))
    };
    let must_refuse: Vec<&Sample> = samples.iter().filter(|s| s.split == Split::OutOfDistribution).collect();
    let real = must_refuse.par_iter().map(|sample| {
        let gray = decode::gray(&decode::read(&sample.path)?, &sample.path.display().to_string(), width, height)?;
        other(&gray, names("out_of_distribution", &sample.view))
    });
    let pictures = if [width, height] == [SIDE; 2] { KINDS.len() * GENERATED } else { 0 };
    let generated = (0..pictures).into_par_iter().map(|i| {
        let kind = i % KINDS.len();
        other(&generate(kind, FIRST_SEED + i as u64), names("generated", KINDS[kind]))
    });
    let mut seen: Vec<Seen> = real.chain(generated).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    for (sample, measured) in samples.iter().zip(&measured.measured) {
        let Some(measured) = measured else { continue };
        let split = sample.split.name();
        if let Some((score, refused)) = measured.refusal {
            let frontal = sample.view != "L";
            let names = match frontal {
                true => vec![split.to_owned(), format!("{split}/{}", sample.source)],
                false => vec!["lateral views among the splits".to_owned()],
            };
            seen.push(Seen { frontal, names, score, refused });
        }
        if let Some((change, score, refused)) = measured.core.as_ref().and_then(|core| core.spoilt) {
            seen.push(Seen { frontal: false, names: names("changed", change), score, refused });
        }
    }
    let side = |frontal: bool| {
        let mut rates: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for seen in seen.iter().filter(|seen| seen.frontal == frontal) {
            seen.names.iter().for_each(|name| rates.entry(name.clone()).or_default().push(seen.refused));
        }
        rates.into_iter().map(|(name, hits)| (name, Rate::of(hits))).collect()
    };
    let kinds = ["out_of_distribution", "generated", "changed", "all"];
    let roc = kinds.into_iter().filter_map(|kind| Some((kind, roc(&seen, kind)?))).collect();
    Ok(Some(Refusals { refuse_above: head.refuse_above(), in_distribution: side(true), others: side(false), roc }))
}

fn names(kind: &str, which: &str) -> Vec<String> {
    vec![format!("{kind}/{which}"), kind.to_owned(), "all".to_owned()]
}

fn roc(seen: &[Seen], kind: &str) -> Option<Roc> {
    let of = |frontal: bool, name: &str| -> (Vec<f64>, Rate) {
        let chosen = || seen.iter().filter(|s| s.frontal == frontal && s.names.iter().any(|n| n == name));
        (chosen().map(|s| f64::from(s.score)).collect(), Rate::of(chosen().map(|s| s.refused)))
    };
    let ((others, caught), (frontal, lost)) = (of(false, kind), of(true, "test"));
    let auc = Auc::new(&others, &frontal)?;
    Some(Roc { auc, operating_point: [lost.value?, caught.value?], curve: curve(&others, &frontal, 60) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_point_lies_on_the_curve() {
        let one = |frontal, name: &str, score| Seen { frontal, names: vec![name.to_owned()], score, refused: score > 2.5 };
        let mut seen: Vec<Seen> = (0..4u8).map(|i| one(true, "test", f32::from(i))).collect();
        seen.extend((2..6u8).map(|i| one(false, "generated", f32::from(i))));
        let found = roc(&seen, "generated").unwrap();
        assert_eq!(found.operating_point, [0.25, 0.75]);
        assert!(found.curve.contains(&[0.25, 0.75]));
        assert!((found.auc.value - 14.0 / 16.0).abs() < 1e-12);
        assert!(roc(&seen, "changed").is_none());
    }
}
