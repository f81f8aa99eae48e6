//! Whether the network's last features hold where an image is from.

use crate::dataset::{Sample, Split};
use crate::evaluate::figure::{Balanced, Block, Computed, Evidence, Figure, Measurements, Page, Rate, Section};
use crate::evaluate::linear::{Linear, argmax};
use crate::evaluate::render::text::{balanced, percent, rate};
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

/// How well a simple classifier on the network's last features tells which source an image of one class is from.
#[derive(Clone, Debug, Serialize)]
pub struct SourcePrediction {
    /// Sources told apart; those with enough training images.
    pub sources: Vec<String>,
    /// Training images.
    pub trained_on: usize,
    /// Share right among images that were not trained on (val, test, external_test).
    pub accuracy: Rate,
    /// Mean share right over the sources.
    pub balanced_accuracy: Balanced,
    /// What guessing reaches of that.
    pub chance: f64,
}

/// Training images that a source needs to take part.
const LEAST: usize = 20;

/// By class.
fn source_prediction(samples: &[Sample], measured: &Measurements) -> BTreeMap<&'static str, Computed<SourcePrediction>> {
    CLASSES.iter().enumerate().map(|(class, name)| (*name, of_class(samples, measured, class))).collect()
}

fn of_class(samples: &[Sample], measured: &Measurements, class: usize) -> Computed<SourcePrediction> {
    let features: Vec<(&Sample, &[f64])> = samples
        .iter()
        .zip(&measured.traits)
        .filter(|(sample, _)| sample.class == class)
        .filter_map(|(sample, traits)| Some((sample, traits.as_ref()?.features.as_deref()?)))
        .collect();
    if features.is_empty() {
        return Computed::no("features are read from core: run with --engine core");
    }
    let count = |source: &str, train: bool| {
        features.iter().filter(|(s, _)| s.source == source && (s.split == Split::Train) == train).count()
    };
    let mut sources: Vec<&str> = features.iter().map(|(sample, _)| sample.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    sources.retain(|source| count(source, true) >= LEAST && count(source, false) > 0);
    if sources.len() < 2 {
        return Computed::no(format!(
            "{} source has {LEAST} training images and images that were not trained on; two are needed",
            sources.len()
        ));
    }
    let label = |sample: &Sample| sources.iter().position(|source| *source == sample.source);
    let side = |train: bool| features.iter().filter(move |(sample, _)| (sample.split == Split::Train) == train);
    let (labels, rows): (Vec<usize>, Vec<&[f64]>) = side(true).filter_map(|(s, row)| Some((label(s)?, *row))).unzip();
    let linear = match Linear::fit(&rows, &labels, sources.len()) {
        Ok(linear) => linear,
        Err(error) => return Computed::no(format!("{error:#}")),
    };
    let told = |(sample, row): &(&'_ Sample, &[f64])| {
        label(sample).map(|truth| (truth, argmax(&linear.scores(row)) == truth, sample.patient.clone()))
    };
    let told: Vec<(usize, bool, String)> = side(false).filter_map(told).collect();
    let hits: Vec<(usize, bool, &str)> = told.iter().map(|(truth, hit, patient)| (*truth, *hit, patient.as_str())).collect();
    Computed::Yes(SourcePrediction {
        accuracy: Rate::of(hits.iter().map(|(_, hit, _)| *hit)),
        balanced_accuracy: Balanced::new(&hits, sources.len()),
        chance: 1.0 / sources.len() as f64,
        trained_on: labels.len(),
        sources: sources.into_iter().map(str::to_owned).collect(),
    })
}

/// By class.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ByClass(BTreeMap<&'static str, Computed<SourcePrediction>>);

impl Figure for ByClass {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(source_prediction(from.samples, from.measured)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let (mut rows, mut blocks) = (Vec::new(), Vec::new());
        for (class, found) in &self.0 {
            match found {
                Computed::No { not_computed } => blocks.push(Block::Missing(format!("{class}: {not_computed}"))),
                Computed::Yes(found) => rows.push(vec![
                    (*class).to_owned(),
                    found.sources.join(", "),
                    found.trained_on.to_string(),
                    rate(&found.accuracy),
                    balanced(&found.balanced_accuracy),
                    percent(found.chance),
                ]),
            }
        }
        let head = ["class", "sources", "trained on", "accuracy", "balanced accuracy", "chance"];
        blocks.insert(0, Block::table("The source of an image of one class, told from the last feature map", head, rows));
        let note = "A logistic regression on the channel sums of the last feature map, trained on training images, measured on \
            images that were not trained on. \
                    Far above chance, the network's features hold the origin of an image beside its disease; that it is there \
                    does not prove that verdicts use it.";
        Ok(vec![Section { id: "sources", title: "Source prediction", note: note.to_owned(), blocks }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::measure::Traits;
    use crate::evaluate::people::tests::sample;

    fn traits(level: f64) -> Option<Traits> {
        Some(Traits {
            trivial: [1000.0 * (1.0 + level), 10.0, 10.0, level],
            border: vec![level],
            features: Some(vec![level, 1.0]),
        })
    }

    #[test]
    fn sources_are_told_apart_within_a_class() {
        let sources = ["nih", "rsna"];
        let of = |split, i: usize| sample(sources[i % 2], &format!("{split:?}{i}"), split, 0, None);
        let samples: Vec<Sample> = (0..60).map(|i| of(Split::Train, i)).chain((0..20).map(|i| of(Split::Val, i))).collect();
        let traits = (0..80).map(|i| traits((i % 2) as f64)).collect();
        let found = source_prediction(&samples, &Measurements { traits, ..Measurements::default() });
        let Computed::Yes(normal) = &found["Normal/NA"] else { panic!() };
        assert_eq!((normal.accuracy.hits, normal.accuracy.n, normal.trained_on, normal.chance), (20, 20, 60, 0.5));
        assert!(matches!(found["Pneumonia/NA"], Computed::No { .. }));
    }
}
