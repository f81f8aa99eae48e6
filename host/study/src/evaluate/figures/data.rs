//! The images of the splits, and what is shared between them.

use crate::dataset::check::SourceSplit;
use crate::evaluate::figure::{Block, Evidence, Figure, Page, Section};
use anyhow::Result;
use serde::Serialize;

/// The splits and what is shared between them.
#[derive(Clone, Debug, Serialize)]
pub struct DataSummary {
    /// `host data check` passes.
    pub passed: bool,
    /// Patients in two of train, val, test and external_test.
    pub patients_in_two_splits: usize,
    /// Pairs of the same picture across splits that make a figure better than it is.
    pub leaking_pairs: usize,
    /// Pairs of the same picture across splits in all, val's copies of training pictures included.
    pub pairs_across_splits: usize,
    /// Why it fails.
    pub failures: Vec<String>,
    /// Split, source, images by class, images to be refused, patients.
    pub splits: Vec<SourceSplit>,
}

impl Figure for DataSummary {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        let found = from.check;
        Ok(Self {
            passed: found.passed,
            patients_in_two_splits: found.patients_across_splits.iter().filter(|patient| patient.leak).count(),
            leaking_pairs: found.duplicates.across.iter().filter(|pair| pair.leak).count(),
            pairs_across_splits: found.duplicates.across.len(),
            failures: found.failures.clone(),
            splits: found.splits.clone(),
        })
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let d = self;
        let facts = [
            ("patients in two of train, val, test, external_test", d.patients_in_two_splits),
            (
                "pairs of the same picture that leak from train or val to a test split, or are equal byte for byte",
                d.leaking_pairs,
            ),
            ("pairs of the same picture across splits in all (near copies in val included)", d.pairs_across_splits),
        ];
        let rows = facts.map(|(what, count)| vec![what.to_owned(), count.to_string()]).to_vec();
        let counts = d.splits.iter().map(|row| {
            let mut cells = vec![row.split.to_owned(), row.source.clone()];
            cells.extend(
                row.classes.iter().chain([&row.other_finding, &row.out_of_distribution, &row.patients]).map(usize::to_string),
            );
            cells
        });
        let head =
            ["split", "source", "Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19", "other-finding", "to be refused", "patients"];
        let passed = if d.passed {
            "host data check passes.".to_owned()
        } else {
            format!("host data check fails: {}.", d.failures.join("; "))
        };
        let blocks = vec![
            Block::Text(passed),
            Block::table("Shared between splits", ["what", "count"], rows),
            Block::table("Images", head, counts.collect()),
        ];
        let note = "Counted on the images themselves, by the code of host data check. It finds copies that were recompressed, \
            resized or cropped slightly; strong crops escape it.";
        Ok(vec![Section { id: "data", title: "Data: duplicates and patients across splits", note: note.to_owned(), blocks }])
    }
}
