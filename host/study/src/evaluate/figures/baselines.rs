//! What classifiers reach that do not look at the lungs: fitted on the training images, measured on the tests.

use crate::dataset::{Sample, Split};
use crate::evaluate::figure::{Auc, Balanced, Block, Computed, Evidence, Figure, Measurements, Page, Rate, Section, Traits};
use crate::evaluate::linear::{Linear, argmax};
use crate::evaluate::people;
use crate::evaluate::render::text::{auc, balanced, bounded_percent, rate};
use anyhow::Result;
use cxr_app::classes::{CLASSES, COVID};
use serde::Serialize;
use std::collections::BTreeMap;

/// The splits that it stands beside.
const TESTS: [&str; 2] = ["test", "external_test"];

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
fn baselines(samples: &[Sample], measured: &Measurements) -> BTreeMap<&'static str, Baseline> {
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

/// Every baseline, and this model beside them.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Baselines {
    found: BTreeMap<&'static str, Baseline>,
    /// Cells of this model, by split.
    #[serde(skip)]
    this_model: Vec<Vec<String>>,
}

impl Figure for Baselines {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        let row = |split: &'static str| {
            let model = from.splits.get(split)?;
            let outcomes = &from.outcomes[split];
            Some(vec![
                "this model".to_owned(),
                split.to_owned(),
                bounded_percent(model.accuracy, Some(model.accuracy_interval_95)),
                bounded_percent(model.balanced_accuracy, model.patient_bootstrap_95["balanced_accuracy"]),
                auc(Auc::of(outcomes.iter().map(|o| (o.abnormal(), o.truth != 0))).as_ref()),
                auc(model.classes[CLASSES[COVID]].auc.as_ref()),
            ])
        };
        let this_model = TESTS.into_iter().filter_map(row).collect();
        Ok(Self { found: baselines(from.samples, from.measured), this_model })
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let (mut rows, mut blocks) = (Vec::new(), Vec::new());
        for split in TESTS {
            rows.extend(self.this_model.iter().filter(|row| row[1] == split).cloned());
            for (name, baseline) in &self.found {
                if let Computed::Yes(splits) = baseline
                    && let Some(found) = splits.get(split)
                {
                    rows.push(baseline_row(name, split, found));
                }
            }
        }
        let head = [
            "classifier",
            "split",
            "accuracy",
            "balanced accuracy",
            "AUC, Normal against the rest",
            "AUC, COVID-19 against the rest",
        ];
        blocks.push(Block::table("This model beside classifiers that do not look at the lungs", head, rows));
        for (name, baseline) in &self.found {
            if let Computed::No { not_computed } = baseline {
                blocks.push(Block::Missing(format!("{name}: {not_computed}")));
            }
        }
        let note = "Each is a balanced logistic regression fitted on the training images and measured once. Where one comes near \
            the model, the data give \
                    the answer away without a lung. Where all images have one size, \
                    as in copies scaled to 224x224, image size says nothing; in the original files it and the JPEG quality give \
                    the class away.";
        Ok(vec![Section { id: "baselines", title: "Trivial baselines", note: note.to_owned(), blocks }])
    }
}

fn baseline_row(name: &str, split: &str, f: &Figures) -> Vec<String> {
    vec![
        name.to_owned(),
        split.to_owned(),
        rate(&f.accuracy),
        balanced(&f.balanced_accuracy),
        auc(f.normal_vs_abnormal.as_ref()),
        auc(f.covid.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::people::tests::sample;

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
        let found = baselines(&samples, &Measurements { traits, ..Measurements::default() });
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
}
