//! What `host data check` found, as JSON and as tables.

use super::fold::Fold;
use super::{OTHER_FINDING_LABEL, Split};
use comfy_table::{CellAlignment, Table, presets};
use cxr_app::classes::{CLASSES, DISCLAIMER};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

/// The report; `passed` decides the exit code.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub(crate) disclaimer: &'static str,
    pub(crate) coronahack: String,
    pub(crate) external: Vec<String>,
    /// The fold whose splits these are; absent for the published ones.
    pub(crate) fold: Option<Fold>,
    /// Rows of the three classes and out-of-distribution rows.
    pub(crate) listed: usize,
    pub(crate) found: usize,
    pub(crate) missing: Vec<String>,
    pub(crate) undecodable: Vec<Undecodable>,
    /// Class or reason -> rows not used.
    pub(crate) left_out: BTreeMap<String, usize>,
    pub(crate) empty_classes: Vec<String>,
    pub(crate) splits: Vec<SourceSplit>,
    /// Hospitals that train or val has images of.
    pub(crate) hospitals_seen: BTreeSet<String>,
    /// Hospitals of test images alone: what is measured there holds for hospitals never seen.
    pub(crate) hospitals_unseen: BTreeSet<String>,
    pub(crate) sizes: Sizes,
    pub(crate) patients_across_splits: Vec<Patient>,
    pub(crate) duplicates: Duplicates,
    /// Why the check failed; empty if it passed.
    pub(crate) failures: Vec<String>,
    pub(crate) passed: bool,
    pub(crate) seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Undecodable {
    pub(crate) file: String,
    pub(crate) error: String,
}

/// Images of one source in one split.
#[derive(Clone, Debug, Serialize)]
pub struct SourceSplit {
    /// Source.
    pub source: String,
    /// Split.
    pub split: &'static str,
    /// Images in class order.
    pub classes: [usize; 3],
    /// Images with a partial label: not COVID-19, nothing more.
    pub other_finding: usize,
    /// Images that must be refused.
    pub out_of_distribution: usize,
    /// Patients.
    pub patients: usize,
}

/// Sizes of the image files, in pixels.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Sizes {
    pub(crate) smallest: [u32; 2],
    pub(crate) largest: [u32; 2],
    pub(crate) distinct: usize,
    /// Longer side -> images.
    pub(crate) histogram: Vec<(String, usize)>,
}

/// A patient in more than one split.
#[derive(Debug, Serialize)]
pub(crate) struct Patient {
    pub(crate) patient: String,
    pub(crate) splits: Vec<&'static str>,
    /// False where the other split is out_of_distribution: those images are never classified.
    pub(crate) leak: bool,
}

/// Pairs of images that show the same picture.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Duplicates {
    pub(crate) thumbnail_threshold_across: f32,
    pub(crate) thumbnail_threshold_within: f32,
    pub(crate) detail_threshold: f32,
    pub(crate) exact_within: BTreeMap<String, usize>,
    pub(crate) near_within: BTreeMap<String, usize>,
    pub(crate) label_conflicts: usize,
    /// Between splits, exact and near.
    pub(crate) across: Vec<Across>,
}

/// A pair of different splits.
#[derive(Debug, Serialize)]
pub(crate) struct Across {
    pub(crate) exact: bool,
    pub(crate) thumbnail: f32,
    pub(crate) detail: f32,
    pub(crate) images: [String; 2],
    pub(crate) patients: [String; 2],
    pub(crate) splits: [&'static str; 2],
    pub(crate) labels: [String; 2],
    pub(crate) leak: bool,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{DISCLAIMER}\n")?;
        if let Some(fold) = self.fold {
            writeln!(f, "splits of fold {fold} by patient\n")?;
        }
        let mut files = table(["files", "images"]);
        files.add_row(["listed".to_owned(), self.listed.to_string()]);
        files.add_row(["found".to_owned(), self.found.to_string()]);
        files.add_row(["missing".to_owned(), self.missing.len().to_string()]);
        files.add_row(["undecodable".to_owned(), self.undecodable.len().to_string()]);
        for (reason, count) in &self.left_out {
            files.add_row([format!("left out: {reason}"), count.to_string()]);
        }
        writeln!(f, "{files}\n")?;
        writeln!(f, "{}\n", self.split_table())?;
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        writeln!(f, "sources trained on, whose test images are of people not seen: {}", names(&self.hospitals_seen))?;
        let none = "none; see --leave-out of host train".to_owned();
        let unseen = if self.hospitals_unseen.is_empty() { none } else { names(&self.hospitals_unseen) };
        writeln!(f, "hospitals never seen: {unseen}\n")?;
        let mut sizes = table(["longer side, pixels", "images"]);
        for (bin, count) in &self.sizes.histogram {
            sizes.add_row([bin.clone(), count.to_string()]);
        }
        writeln!(f, "{sizes}")?;
        let Sizes { smallest: [w, h], largest: [wide, high], distinct, .. } = &self.sizes;
        writeln!(f, "{distinct} sizes, {w} x {h} to {wide} x {high}\n")?;
        writeln!(f, "{}\n", self.duplicate_table())?;
        self.list(f)?;
        writeln!(f, "{:.1} s", self.seconds)
    }
}

impl Report {
    fn split_table(&self) -> Table {
        let mut header = vec!["split".to_owned(), "source".to_owned()];
        header.extend(CLASSES.map(str::to_owned));
        header.extend([OTHER_FINDING_LABEL, "to be refused", "patients"].map(str::to_owned));
        let mut table = table(header);
        for split in Split::ALL {
            let rows: Vec<&SourceSplit> = self.splits.iter().filter(|row| row.split == split.name()).collect();
            for row in &rows {
                let mut cells = vec![row.split.to_owned(), row.source.clone()];
                cells.extend(
                    row.classes.iter().chain([&row.other_finding, &row.out_of_distribution, &row.patients]).map(usize::to_string),
                );
                table.add_row(cells);
            }
            if rows.len() > 1 {
                let sum = |value: &dyn Fn(&SourceSplit) -> usize| rows.iter().map(|row| value(row)).sum::<usize>();
                let mut cells = vec![split.name().to_owned(), "all".to_owned()];
                cells.extend((0..CLASSES.len()).map(|class| sum(&|row| row.classes[class]).to_string()));
                // People may be in two sources, so their sum would count them twice.
                cells.extend([sum(&|row| row.other_finding), sum(&|row| row.out_of_distribution)].map(|n| n.to_string()));
                cells.push(String::new());
                table.add_row(cells);
            }
        }
        table
    }

    fn duplicate_table(&self) -> Table {
        let d = &self.duplicates;
        let count = |exact| d.across.iter().filter(|pair| pair.exact == exact).count().to_string();
        let mut table = table(["pairs of the same picture", "exact", "near"]);
        for class in CLASSES {
            let of = |map: &BTreeMap<String, usize>| map.get(class).copied().unwrap_or(0).to_string();
            table.add_row([format!("within a split: {class}"), of(&d.exact_within), of(&d.near_within)]);
        }
        table.add_row(["across splits".to_owned(), count(true), count(false)]);
        let leaks = |exact| d.across.iter().filter(|pair| pair.exact == exact && pair.leak).count().to_string();
        table.add_row(["  of these a leak".to_owned(), leaks(true), leaks(false)]);
        table
    }

    fn list(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duplicates.label_conflicts > 0 {
            writeln!(f, "{} pairs carry two different labels", self.duplicates.label_conflicts)?;
        }
        for file in &self.missing {
            writeln!(f, "missing: {file}")?;
        }
        for Undecodable { error, .. } in &self.undecodable {
            writeln!(f, "undecodable: {error}")?;
        }
        for pair in &self.duplicates.across {
            let kind = if pair.exact { "exact duplicate" } else { "near duplicate" };
            let severity = if pair.leak { "LEAK" } else { "note" };
            let [a, b] =
                [0, 1].map(|k| format!("{} ({}, {}, {})", pair.images[k], pair.splits[k], pair.patients[k], pair.labels[k]));
            writeln!(f, "{severity}: {kind}, detail {:.2}, thumbnail {:.3}: {a} = {b}", pair.detail, pair.thumbnail)?;
        }
        let leaked = self.patients_across_splits.iter().filter(|patient| patient.leak);
        for Patient { patient, splits, .. } in leaked.clone() {
            writeln!(f, "LEAK: patient {patient} is in {}", splits.join(" and "))?;
        }
        let harmless = self.patients_across_splits.len() - leaked.count();
        if harmless > 0 {
            writeln!(f, "note: {harmless} patients with out_of_distribution images are also in another split")?;
        }
        Ok(())
    }
}

/// An ASCII table, numbers to the right.
fn table<T: Into<comfy_table::Row>>(header: T) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
