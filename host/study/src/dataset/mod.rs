//! Datasets: which image belongs to which class, patient and split.
//!
//! [`load`] is what training, export and evaluation use. [`read`] does the same without looking at
//! the images, for [`check`], which reports every fault at once.

mod args;
pub mod check;
pub mod coronahack;
mod duplicates;
pub mod external;
pub mod fold;
pub mod hospital;
mod readings;
mod report;
mod residue;
mod sample;
pub mod split;
mod table;

#[cfg(test)]
pub(crate) mod fixture;

use anyhow::{Result, bail};
pub use args::DataArgs;
use fold::{Fold, People};
pub use hospital::LeaveOut;
pub use readings::Reading;
pub use sample::{Dataset, NO_CLASS, OTHER_FINDING, OTHER_FINDING_LABEL, Sample, Split};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
    if let [first, others @ ..] = missing.as_slice() {
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
    // Made by a computer: nothing is measured on them.
    dataset.samples.retain(|sample| sample.split != Split::Unseen || sample.source != external::GRAFTS);
    if !dataset.withheld.is_empty() {
        dataset.unused.insert(external::WITHHELD.to_owned(), dataset.withheld.len());
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests;
