//! How often pictures are refused: X-rays that should not be, and what is none.

use crate::dataset::Sample;
use crate::evaluate::auc::curve;
use crate::evaluate::figure::{Auc, Block, EngineName, Evidence, Figure, Measurements, Page, Rate, Section};
use crate::evaluate::measure;
use crate::evaluate::render::plots::{self, Axes, Line};
use crate::evaluate::render::text::{auc, percent, rate};
use crate::refusal::negatives::{KINDS, SIDE, generate};
use anyhow::Result;
use cxr_app::model_file::Engine;
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
fn refusals(engine: Engine<'_>, samples: &[Sample], measured: &Measurements) -> Result<Option<Refusals>> {
    let Some(head) = engine.model.refusal() else { return Ok(None) };
    let [height, width, _] = engine.input();
    let made = |gray: &[u8], names: Vec<String>| -> Result<Option<Seen>> {
        let refused = measure::refused(&engine.classify(gray)?);
        Ok(refused.map(|(score, refused)| Seen { frontal: false, names, score, refused }))
    };
    let to_be_refused = samples.iter().zip(&measured.refused);
    let real = to_be_refused.filter_map(|(sample, refused)| {
        let (score, refused) = (*refused)?;
        Some(Seen { frontal: false, names: names("out_of_distribution", &sample.view), score, refused })
    });
    let pictures = if [width, height] == [SIDE; 2] { KINDS.len() * GENERATED } else { 0 };
    let generated = (0..pictures).into_par_iter().map(|i| {
        let kind = i % KINDS.len();
        made(&generate(kind, FIRST_SEED + i as u64), names("generated", KINDS[kind]))
    });
    let generated: Vec<Option<Seen>> = generated.collect::<Result<_>>()?;
    let mut seen: Vec<Seen> = real.chain(generated.into_iter().flatten()).collect();
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

/// Absent with an engine other than core, or a model without a refusal head.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Refusal(pub Option<Refusals>);

impl Figure for Refusal {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(match from.subject.engine {
            EngineName::Core => refusals(from.networks.engine, from.samples, from.measured)?,
            EngineName::Tract => None,
        }))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let note = "A score on a feature map refuses what does not look like a frontal chest X-ray; its threshold was set \
            on validation. \
                    out_of_distribution images are real CT slices and lateral views that it was not fitted to; the generated \
                    kinds it was fitted to, with other seeds.";
        let section = |blocks| Section { id: "refusal", title: "Refusal", note: note.to_owned(), blocks };
        let Some(found) = &self.0 else {
            return Ok(vec![section(vec![Block::Missing(
                "the model has no refusal head, or another engine than core was evaluated (--engine core)".to_owned(),
            )])]);
        };
        let mut blocks = vec![Block::Text(format!("Refused above a score of {:.3}.", found.refuse_above))];
        if found.roc.is_empty() {
            blocks.push(Block::Missing("a ROC curve: there is no other picture (give --external), or no test image".to_owned()));
        } else {
            let rows = found.roc.iter().map(|(name, roc)| {
                vec![(*name).to_owned(), auc(Some(&roc.auc)), percent(roc.operating_point[0]), percent(roc.operating_point[1])]
            });
            let head = ["other pictures", "AUC of the score", "test X-rays refused", "others refused"];
            blocks.push(Block::table(
                "The score against the test split's X-rays; the last columns are the operating point",
                head,
                rows.collect(),
            ));
            let caption = "Share of other pictures refused by share of test X-rays refused; the dots are the operating point.";
            blocks.push(Block::Plot(caption.to_owned(), curves(&found.roc)?));
        }
        for (head, rates) in [("frontal chest X-rays", &found.in_distribution), ("other pictures", &found.others)] {
            let rows = rates.iter().map(|(name, found)| vec![name.clone(), rate(found)]).collect();
            blocks.push(Block::table("", [head, "refused"], rows));
        }
        Ok(vec![section(blocks)])
    }
}

/// ROC curves of the refusal score with their operating points.
fn curves(curves: &BTreeMap<&'static str, Roc>) -> Result<String> {
    let line = |(name, roc): (&&'static str, &Roc)| Line {
        name,
        points: roc.curve.iter().map(|[x, y]| (*x, *y)).collect(),
        marked: false,
    };
    let dots: Vec<(f64, f64)> = curves.values().map(|roc| (roc.operating_point[0], roc.operating_point[1])).collect();
    let axes = Axes { x: ("test X-rays refused", 0.0, 1.0), y: ("other pictures refused", 0.0, 1.0), diagonal: true };
    plots::draw(&axes, &curves.iter().map(line).collect::<Vec<_>>(), &dots)
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
