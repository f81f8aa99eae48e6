//! What classifiers reach that do not look at the lungs: fitted on the training images, measured on the tests.

use super::Computed;
use super::auc::Auc;
use super::intervals::{Balanced, Rate};
use super::linear::{Linear, argmax};
use super::measure::{Measurements, Traits};
use super::people;
use crate::classes::{CLASSES, COVID};
use crate::dataset::{Sample, Split};
use serde::Serialize;
use std::collections::BTreeMap;

/// A simple classifier on a split.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Share right.
    pub accuracy: Rate,
    /// Mean sensitivity over the classes present.
    pub balanced_accuracy: Balanced,
    /// Normal against abnormal.
    pub normal_vs_abnormal: Option<Auc>,
    /// COVID-19 against the rest.
    pub covid: Option<Auc>,
}

/// An image's class, scores by class, and patient.
type Case<'a> = (usize, Vec<f64>, &'a str);

impl Figures {
    fn new(cases: &[Case<'_>]) -> Self {
        let right = |truth: usize, scores: &[f64]| argmax(scores) == truth;
        let hits: Vec<(usize, bool, &str)> =
            cases.iter().map(|(truth, scores, patient)| (*truth, right(*truth, scores), *patient)).collect();
        Self {
            accuracy: Rate::of(hits.iter().map(|(_, hit, _)| *hit)),
            balanced_accuracy: Balanced::new(&hits, CLASSES.len()),
            normal_vs_abnormal: Auc::of(cases.iter().map(|(truth, scores, _)| (1.0 - scores[0], *truth != 0))),
            covid: Auc::of(cases.iter().map(|(truth, scores, _)| (scores[COVID], *truth == COVID))),
        }
    }
}

/// A classifier's figures by split.
pub type Baseline = Computed<BTreeMap<&'static str, Figures>>;

/// Features that need no network.
type Features = fn(&Sample, &Traits) -> Vec<f64>;

const FEATURES: [(&str, Features); 5] = [
    ("file size", |_, traits| with_squares(&[traits.trivial[0].max(1.0).ln()])),
    ("image size", |_, traits| {
        let [_, width, height, _] = traits.trivial;
        with_squares(&[width, height, width / height.max(1.0)])
    }),
    ("mean brightness", |_, traits| with_squares(&[traits.trivial[3]])),
    ("metadata (age, sex, view)", |sample, _| metadata(sample)),
    ("border pixels", |_, traits| traits.border.clone()),
];

fn with_squares(values: &[f64]) -> Vec<f64> {
    values.iter().flat_map(|v| [*v, v * v]).collect()
}

/// Age and whether it is stated, sex and view.
fn metadata(sample: &Sample) -> Vec<f64> {
    let is = |yes: bool| f64::from(u8::from(yes));
    let mut row = vec![sample.age.map_or(0.0, f64::from), is(sample.age.is_some())];
    row.extend(["M", "F"].map(|sex| is(people::sex(sample) == sex)));
    row.extend(["PA", "AP", "AP Supine", "AP erect", "L"].map(|view| is(sample.view == view)));
    row
}

/// Every baseline; the last is the control on the border pixels.
pub fn baselines(samples: &[Sample], measured: &Measurements) -> BTreeMap<&'static str, Baseline> {
    let one = |features: Features| -> Baseline {
        let rows = |split: Split| -> Vec<(&Sample, Vec<f64>)> {
            let of_split = samples.iter().zip(&measured.traits).filter(|(sample, _)| sample.split == split);
            of_split.filter_map(|(sample, traits)| Some((sample, features(sample, traits.as_ref()?)))).collect()
        };
        let train = rows(Split::Train);
        let (labels, views): (Vec<usize>, Vec<&[f64]>) = train.iter().map(|(s, row)| (s.class, row.as_slice())).unzip();
        let linear = match Linear::fit(&views, &labels, CLASSES.len()) {
            Ok(linear) => linear,
            Err(error) => return Computed::no(format!("{error:#}")),
        };
        Computed::Yes(by_split(|split| {
            rows(split).into_iter().map(|(sample, row)| (sample.class, linear.scores(&row), sample.patient.as_str())).collect()
        }))
    };
    let mut found: BTreeMap<&'static str, Baseline> = FEATURES.iter().map(|(name, features)| (*name, one(*features))).collect();
    found.insert("always the commonest training class", Computed::Yes(majority(samples)));
    found
}

fn majority(samples: &[Sample]) -> BTreeMap<&'static str, Figures> {
    let count = |k: usize| samples.iter().filter(|s| s.split == Split::Train && s.class == k).count();
    let commonest = (0..CLASSES.len()).max_by_key(|&k| count(k)).unwrap_or(0);
    let scores: Vec<f64> = (0..CLASSES.len()).map(|k| f64::from(u8::from(k == commonest))).collect();
    by_split(|split| {
        let of_split = samples.iter().filter(|s| s.split == split);
        of_split.map(|s| (s.class, scores.clone(), s.patient.as_str())).collect()
    })
}

/// Figures of both tests, where they have images.
fn by_split<'a>(cases: impl Fn(Split) -> Vec<Case<'a>>) -> BTreeMap<&'static str, Figures> {
    let splits = [Split::Test, Split::ExternalTest].map(|split| (split.name(), cases(split)));
    splits.into_iter().filter(|(_, cases)| !cases.is_empty()).map(|(name, cases)| (name, Figures::new(&cases))).collect()
}

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
pub fn source_prediction(samples: &[Sample], measured: &Measurements) -> BTreeMap<&'static str, Computed<SourcePrediction>> {
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

#[cfg(test)]
mod tests {
    use super::super::people::tests::sample;
    use super::*;

    fn traits(level: f64) -> Option<Traits> {
        Some(Traits {
            trivial: [1000.0 * (1.0 + level), 10.0, 10.0, level],
            border: vec![level],
            features: Some(vec![level, 1.0]),
        })
    }

    #[test]
    fn a_class_that_its_brightness_gives_away_is_found() {
        let of = |split, i: usize| sample("nih", &format!("{split:?}{i}"), split, i % 3, None);
        let samples: Vec<Sample> = (0..60).map(|i| of(Split::Train, i)).chain((0..30).map(|i| of(Split::Test, i))).collect();
        let level = |i: usize| (i % 3) as f64 + (i % 7) as f64 / 20.0;
        let traits = (0..60).chain(0..30).map(|i| traits(level(i))).collect();
        let found = baselines(&samples, &Measurements { traits, measured: vec![] });
        let of = |name: &str| match &found[name] {
            Computed::Yes(splits) => splits["test"].clone(),
            Computed::No { not_computed } => panic!("{not_computed}"),
        };
        assert_eq!(of("mean brightness").accuracy.hits, 30);
        assert_eq!(of("mean brightness").covid.unwrap().value, 1.0);
        // Neither says anything: one class for all.
        assert_eq!(of("image size").accuracy.hits, 10);
        assert_eq!(of("always the commonest training class").accuracy.hits, 10);
    }

    #[test]
    fn sources_are_told_apart_within_a_class() {
        let sources = ["nih", "rsna"];
        let of = |split, i: usize| sample(sources[i % 2], &format!("{split:?}{i}"), split, 0, None);
        let samples: Vec<Sample> = (0..60).map(|i| of(Split::Train, i)).chain((0..20).map(|i| of(Split::Val, i))).collect();
        let traits = (0..80).map(|i| traits((i % 2) as f64)).collect();
        let found = source_prediction(&samples, &Measurements { traits, measured: vec![] });
        let Computed::Yes(normal) = &found["Normal/NA"] else { panic!() };
        assert_eq!((normal.accuracy.hits, normal.accuracy.n, normal.trained_on, normal.chance), (20, 20, 60, 0.5));
        assert!(matches!(found["Pneumonia/NA"], Computed::No { .. }));
    }
}
