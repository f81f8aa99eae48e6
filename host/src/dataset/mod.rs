//! Datasets: which image belongs to which class, patient and split.
//!
//! [`load`] is what training, export and evaluation use. [`read`] does the same without looking at
//! the images, for [`check`], which reports every fault at once.

pub mod check;
pub mod coronahack;
mod duplicates;
pub mod external;
pub mod fold;
pub mod hospital;
mod readings;
mod report;
pub mod split;
mod table;

#[cfg(test)]
pub(crate) mod fixture;

use crate::classes::CLASSES;
use anyhow::{Result, bail};
use fold::{Fold, People};
pub use hospital::LeaveOut;
pub use readings::Reading;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Class of an image with a partial label, `other-finding`: certainly not COVID-19, nothing more is known.
pub const OTHER_FINDING: usize = CLASSES.len();
/// How the index of a folder names it.
pub const OTHER_FINDING_LABEL: &str = "other-finding";
/// Class of a picture that must be refused.
pub const NO_CLASS: usize = usize::MAX;

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
    /// Hospitals that no training or validation image comes from.
    Unseen,
    /// Pictures that must be refused.
    OutOfDistribution,
}

impl Split {
    /// All splits, in the order of tables and reports.
    pub const ALL: [Split; 6] =
        [Split::Train, Split::Val, Split::Test, Split::ExternalTest, Split::Unseen, Split::OutOfDistribution];

    /// Name in tables, reports and files.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
            Split::ExternalTest => "external_test",
            Split::Unseen => "unseen",
            Split::OutOfDistribution => "out_of_distribution",
        }
    }

    /// True of splits that weights, thresholds or the choice of an epoch are made with.
    pub const fn learns(self) -> bool {
        matches!(self, Split::Train | Split::Val)
    }

    /// True of splits that figures are quoted on.
    pub const fn is_quoted(self) -> bool {
        matches!(self, Split::Test | Split::ExternalTest | Split::Unseen)
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
    /// Index into [`crate::classes::CLASSES`]; [`OTHER_FINDING`] for a partial label, [`NO_CLASS`] for out-of-distribution images.
    pub class: usize,
    /// Split.
    pub split: Split,
    /// Was kept from training and choosing before its hospital was left out: an `external_test` row.
    pub held_out: bool,
    /// Age in years, where known; `67+` reads as 67.
    pub age: Option<f32>,
    /// `M`, `F` or empty.
    pub sex: String,
    /// View as given (`PA`, `AP`, `AP Supine`, `L`, ...), or empty.
    pub view: String,
    /// Finding as given, or empty.
    pub finding: String,
    /// What radiologists say of it, where they looked.
    pub reading: Option<Reading>,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Samples of the three classes, plus out-of-distribution images.
    pub samples: Vec<Sample>,
    /// Samples with a partial label, of class [`OTHER_FINDING`]: apart, since nothing that counts classes may meet them.
    pub partial: Vec<Sample>,
    /// Rows withheld from training since their person is tested on, as `unused` counts them; where their hospital is left out they are
    /// measured on instead.
    withheld: Vec<Sample>,
    /// Class name, or reason -> rows left out.
    pub unused: BTreeMap<String, usize>,
}

impl Dataset {
    /// Samples of one split, in file order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.split == split)
    }

    /// All samples, those with a partial label last.
    pub fn all(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().chain(&self.partial)
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

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// CoronaHack's folder.
    pub coronahack: &'a Path,
    /// Folders of other sources.
    pub external: &'a [PathBuf],
    /// Fold by patient in place of the published splits.
    pub fold: Option<Fold>,
    /// Hospitals to leave out.
    pub leave_out: &'a LeaveOut,
}

impl<'a> Query<'a> {
    /// The published splits with nothing left out.
    pub fn new(coronahack: &'a Path, external: &'a [PathBuf]) -> Self {
        Self { coronahack, external, fold: None, leave_out: &LeaveOut::Nothing }
    }
}

/// Reads the metadata and proves that every image is there, that every class is in train, val and test, which are the
/// published splits or those of a fold, and that nobody is on both sides of a split.
///
/// # Errors
/// What [`read`] refuses; missing images (how many, the first, where to look); a class without images; a patient in two splits.
pub fn load(query: &Query<'_>) -> Result<Dataset> {
    let dataset = read(query)?;
    let missing: Vec<&Sample> = dataset.all().filter(|sample| !sample.path.is_file()).collect();
    if let Some((first, others)) = missing.split_first() {
        bail!(
            "{}: image listed in the metadata but missing, with {} others: unpack the download again, or run `host data check` for the list",
            first.path.display(),
            others.len()
        );
    }
    if let Some((class, split)) = dataset.empty_classes().first() {
        bail!(
            "{}: class {class} has no image in the {} split{}: use the metadata as Kaggle ships it{}{}",
            query.coronahack.join(coronahack::METADATA).display(),
            split.name(),
            query.fold.map_or(String::new(), |fold| format!(" of fold {fold}")),
            if query.fold.is_some() { ", or another number of folds" } else { "" },
            if query.leave_out.is_nothing() { "" } else { ", or leave less out" }
        );
    }
    if let Some((patient, splits)) = splits_of_people(&dataset).into_iter().find(|(_, splits)| on_both_sides(splits)) {
        let of = |split: &Split| dataset.all().find(|s| s.patient == patient && s.split == *split);
        let places: Vec<String> =
            splits.iter().filter_map(|split| Some(format!("{} ({})", split.name(), of(split)?.path.display()))).collect();
        bail!(
            "patient {patient} is in {}: what is learned from a person must not be measured on them; correct the metadata, or leave \
             one side out (`host data check` lists all)",
            places.join(" and in ")
        );
    }
    Ok(dataset)
}

/// True of a patient's splits if one makes a figure of another better than it is: two of them, but for what is measured at a hospital
/// never seen, which may be measured elsewhere as well. Pictures to be refused give no class away.
fn on_both_sides(splits: &BTreeSet<Split>) -> bool {
    let mut own = splits.iter().filter(|split| **split != Split::OutOfDistribution);
    if splits.contains(&Split::Unseen) { own.any(|split| split.learns()) } else { own.count() > 1 }
}

/// The splits of each patient, without pictures to be refused, which give no class away.
fn splits_of_people(dataset: &Dataset) -> BTreeMap<&str, BTreeSet<Split>> {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for sample in dataset.all().filter(|sample| sample.split != Split::OutOfDistribution) {
        splits.entry(&sample.patient).or_default().insert(sample.split);
    }
    splits
}

/// Reads the metadata of CoronaHack and of the other sources; opens no image.
///
/// # Errors
/// A missing folder or metadata file, a missing column, a value that is none of the known ones; a source to leave out of which
/// there is no image.
pub fn read(query: &Query<'_>) -> Result<Dataset> {
    let mut dataset = Dataset::default();
    let people = People::of(query.fold)?;
    coronahack::read(query.coronahack, query.fold, &people, &mut dataset)?;
    external::read(query.external, &people, &mut dataset)?;
    query.leave_out.apply(&mut dataset)?;
    if !dataset.withheld.is_empty() {
        dataset.unused.insert(external::WITHHELD.to_owned(), dataset.withheld.len());
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests;
