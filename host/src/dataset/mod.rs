//! Datasets: which image belongs to which class, patient and split.
//!
//! [`load`] is what training, export and evaluation use. [`read`] does the same without looking at
//! the images, for [`check`], which reports every fault at once.

pub mod check;
pub mod coronahack;
mod duplicates;
pub mod external;
pub mod fold;
mod report;
pub mod split;
mod table;

#[cfg(test)]
pub(crate) mod fixture;

use crate::classes::CLASSES;
use anyhow::{Result, bail};
use fold::{Fold, People};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Training.
    Train,
    /// Model selection, calibration, thresholds.
    Val,
    /// The quoted test split of CoronaHack.
    Test,
    /// Other sources, never trained or tuned on.
    ExternalTest,
    /// Pictures that must be refused.
    OutOfDistribution,
}

impl Split {
    /// All splits, in the order of tables and reports.
    pub const ALL: [Split; 5] = [Split::Train, Split::Val, Split::Test, Split::ExternalTest, Split::OutOfDistribution];

    /// Name in tables, reports and files.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
            Split::ExternalTest => "external_test",
            Split::OutOfDistribution => "out_of_distribution",
        }
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// File.
    pub path: PathBuf,
    /// File name as in the metadata.
    pub name: String,
    /// `coronahack`, `nih`, `rsna`, ...
    pub source: String,
    /// Patient identifier, unique across sources.
    pub patient: String,
    /// Index into [`crate::classes::CLASSES`]; `usize::MAX` for out-of-distribution images.
    pub class: usize,
    /// Split.
    pub split: Split,
    /// Age in years, where known; `67+` reads as 67.
    pub age: Option<f32>,
    /// `M`, `F` or empty.
    pub sex: String,
    /// View as given (`PA`, `AP`, `AP Supine`, `L`, ...), or empty.
    pub view: String,
    /// Finding as given, or empty.
    pub finding: String,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Samples of the three classes, plus out-of-distribution images.
    pub samples: Vec<Sample>,
    /// Class name, or reason -> rows left out.
    pub unused: BTreeMap<String, usize>,
}

impl Dataset {
    /// Samples of one split, in file order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.split == split)
    }

    /// Class and split of each empty cell among train, val and test.
    pub fn empty_classes(&self) -> Vec<(&'static str, Split)> {
        let mut empty = Vec::new();
        for split in [Split::Train, Split::Val, Split::Test] {
            for (class, name) in CLASSES.iter().enumerate() {
                if !self.of(split).any(|sample| sample.class == class) {
                    empty.push((*name, split));
                }
            }
        }
        empty
    }
}

/// Reads the metadata and proves that every image is there and that every class is in train, val and test, which are the
/// published splits or those of `fold`.
///
/// # Errors
/// What [`read`] refuses; missing images (how many, the first, where to look); a class without images.
pub fn load(coronahack: &Path, external: Option<&Path>, fold: Option<Fold>) -> Result<Dataset> {
    let dataset = read(coronahack, external, fold)?;
    let mut missing = dataset.samples.iter().filter(|sample| !sample.path.is_file());
    if let Some(first) = missing.next() {
        bail!(
            "{}: image listed in the metadata but missing, with {} others: unpack the download again, or run `host data check` for the list",
            first.path.display(),
            missing.count()
        );
    }
    if let Some((class, split)) = dataset.empty_classes().first() {
        bail!(
            "{}: class {class} has no image in the {} split{}: use the metadata as Kaggle ships it{}",
            coronahack.join(coronahack::METADATA).display(),
            split.name(),
            fold.map_or(String::new(), |fold| format!(" of fold {fold}")),
            if fold.is_some() { ", or another number of folds" } else { "" }
        );
    }
    Ok(dataset)
}

/// Reads the metadata of CoronaHack and, if given, of the other sources; opens no image.
///
/// # Errors
/// A missing folder or metadata file, a missing column, a value that is none of the known ones.
pub fn read(coronahack: &Path, external: Option<&Path>, fold: Option<Fold>) -> Result<Dataset> {
    let mut dataset = Dataset::default();
    let people = People::of(fold)?;
    coronahack::read(coronahack, fold, &people, &mut dataset)?;
    if let Some(folder) = external {
        external::read(folder, &people, &mut dataset)?;
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests;
