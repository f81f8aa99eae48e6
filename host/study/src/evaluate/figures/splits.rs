//! Accuracy, confusion and classes of each split.

use crate::evaluate::figure::{Block, Evidence, Figure, Page, Section};
use crate::evaluate::metrics::Figures;
use crate::evaluate::render::text::{NONE, auc, bounded, bounded_percent, interval, percent, rate};
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

/// Figures by split; `val/SOURCE` and `external_test/SOURCE` by source.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Splits(pub BTreeMap<String, Figures>);

impl Figure for Splits {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(from.splits.clone()))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        Ok(vec![accuracy(&self.0), by_class(&self.0)])
    }
}

fn accuracy(all: &BTreeMap<String, Figures>) -> Section {
    let row = |(name, f): (&String, &Figures)| {
        let boot = |key: &str| f.patient_bootstrap_95.get(key).copied().flatten();
        vec![
            name.clone(),
            format!("{} ({} patients)", f.n, f.patients),
            format!("{} ({})", percent(f.accuracy), interval(f.accuracy_interval_95)),
            boot("accuracy").map_or(NONE.to_owned(), interval),
            bounded_percent(f.balanced_accuracy, boot("balanced_accuracy")),
            bounded(f.macro_f1, boot("macro_f1")),
            rate(&f.answered),
        ]
    };
    let head = [
        "split",
        "images",
        "accuracy",
        "accuracy, by patient",
        "balanced accuracy",
        "macro-F1",
        "right where a verdict is given",
    ];
    let mut blocks = vec![Block::table("All splits, and sources within them", head, all.iter().map(row).collect())];
    for (name, f) in main(all) {
        blocks.push(Block::Confusion(format!("{name}: truth by verdict, images"), f.confusion));
    }
    let note = "Verdicts that are withheld count with their likeliest class, but for the last column. Intervals of balanced \
        accuracy, macro-F1 and \
                the column by patient come from 2,000 bootstrap resamples of whole patients. The validation split chose \
                thresholds, \
                temperature and epoch: its figures are no test.";
    Section { id: "splits", title: "Accuracy and confusion matrices", note: note.to_owned(), blocks }
}

/// The tests, without their sources.
fn main(all: &BTreeMap<String, Figures>) -> impl Iterator<Item = (&String, &Figures)> {
    all.iter().filter(|(name, _)| !name.contains('/') && *name != "val")
}

fn by_class(all: &BTreeMap<String, Figures>) -> Section {
    let head = [
        "class",
        "sensitivity",
        "sensitivity, by patient",
        "specificity",
        "PPV",
        "F1",
        "AUC, one against the rest",
        "AUC, by patient",
    ];
    let table = |(name, f): (&String, &Figures)| {
        let row = |class: &&'static str| {
            let (c, boot) =
                (&f.classes[class], |key: &str| f.patient_bootstrap_95.get(&format!("{key} {class}")).copied().flatten());
            let both = |[low, high]: [f64; 2]| format!("{low:.3} to {high:.3}");
            vec![
                (*class).to_owned(),
                rate(&c.sensitivity),
                boot("sensitivity").map_or(NONE.to_owned(), interval),
                rate(&c.specificity),
                rate(&c.ppv),
                c.f1.map_or(NONE.to_owned(), |f1| format!("{f1:.3}")),
                auc(c.auc.as_ref()),
                boot("auc").map_or(NONE.to_owned(), both),
            ]
        };
        Block::table(name.clone(), head, CLASSES.iter().map(row).collect())
    };
    let note = "AUC intervals are DeLong's; those by patient are bootstrapped. PPV is that of the split's own mixture, which \
        no clinic has: see predictive values.";
    Section { id: "classes", title: "By class", note: note.to_owned(), blocks: main(all).map(table).collect() }
}
