//! Other sources: folders with `index.csv` and `images/`.

use super::fold::People;
use super::readings::Notes;
use super::table::{self, Row, Table};
use super::{Dataset, NO_CLASS, OTHER_FINDING, OTHER_FINDING_LABEL, Sample, Split, split};
use anyhow::{Context, Result, bail};
use cxr_app::classes::{self, CLASSES};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Index file in the folder.
pub const INDEX: &str = "index.csv";
/// Key in [`Dataset::unused`] of training rows whose patient is tested on.
pub const WITHHELD: &str = "withheld from training: patient is in a test split";
/// Key in [`Dataset::unused`] of rows that a folder's withdrawn.csv names.
pub const WITHDRAWN: &str = "withdrawn: neither trained nor tested on";

/// Source of images of one person's lungs in another's body.
pub const GRAFTS: &str = "grafts";
/// Key in [`Dataset::unused`] of such images of people who are not trained on.
const UNUSED_GRAFTS: &str = "grafts: host or donor is not trained on";

/// One person under two names, found by `host data check` or by eye: the sources number their images, not their people.
const SAME_PATIENTS: &str = include_str!("../../shipped/same_patients.csv");
const HELP: &str = "--external takes folders with index.csv and images/ (data/README.md)";

/// Appends the samples of `folders`, which may speak of each other's images, to `dataset`, which holds CoronaHack already.
///
/// # Errors
/// See [`super::read`].
pub(super) fn read(folders: &[PathBuf], people: &People, dataset: &mut Dataset) -> Result<()> {
    let aliases = Table::parse(PathBuf::from("data/same_patients.csv"), SAME_PATIENTS.as_bytes(), &["patient", "same_as"], HELP)?;
    let same: HashMap<&str, &str> = aliases.rows().map(|row| (row.get("patient"), row.get("same_as"))).collect();
    let person = |row: Row<'_>| {
        let patient = row.get("patient");
        people.person(same.get(patient).copied().unwrap_or(patient).to_owned())
    };
    let mut notes = Notes::default();
    let tables = folders.iter().map(|folder| open(folder, &mut notes)).collect::<Result<Vec<(&Path, Table)>>>()?;
    check_apart(&tables)?;
    let (grafts, tables): (Vec<_>, Vec<_>) = tables.into_iter().partition(|(_, table)| table.has("donor"));
    let rows = || tables.iter().flat_map(|(folder, table)| table.rows().map(move |row| (*folder, row)));
    // The same person under two sources: the side that is measured on keeps the person, in whichever folder.
    let mut bound: HashMap<String, Split> = dataset.samples.iter().map(|sample| (sample.patient.clone(), sample.split)).collect();
    for (_, row) in rows().filter(|(_, row)| row.get("role") == "external_test") {
        bound.insert(person(row), Split::ExternalTest);
    }
    for (folder, row) in rows() {
        let (patient, name) = (person(row), row.get("image"));
        if patient.is_empty() {
            bail!("{}: no patient, so no split is safe: fill in column `patient`", row.place());
        }
        if notes.is_withdrawn(name, &patient) {
            *dataset.unused.entry(WITHDRAWN.to_owned()).or_default() += 1;
            continue;
        }
        let mut withheld = false;
        let split = match row.get("role") {
            "external_test" => Split::ExternalTest,
            "out_of_distribution" => Split::OutOfDistribution,
            "train" => match bound.get(&patient) {
                Some(Split::Test | Split::ExternalTest) => {
                    withheld = true;
                    Split::Train
                }
                Some(other) => *other,
                None => split::external(&patient),
            },
            other => bail!(
                "{}: role `{other}` is none of train, external_test, out_of_distribution: correct column `role`",
                row.place()
            ),
        };
        let class = class(split, row)?;
        let set = match class {
            _ if withheld => &mut dataset.withheld,
            OTHER_FINDING => &mut dataset.partial,
            _ => &mut dataset.samples,
        };
        set.push(Sample {
            path: folder.join("images").join(name),
            name: name.to_owned(),
            source: row.get("source").to_owned(),
            patient,
            class,
            split,
            held_out: split == Split::ExternalTest,
            age: table::age(row.get("age")),
            sex: table::sex(row.get("sex")),
            view: row.get("view").to_owned(),
            finding: row.get("finding").to_owned(),
            reading: notes.reading(name),
        });
    }
    for (folder, table) in grafts {
        add_grafts(folder, &table, dataset)?;
    }
    Ok(())
}

/// Lungs of a donor in the body of a host, made by a computer: material for training where host and donor are, never measured on.
/// Patient is the host.
fn add_grafts(folder: &Path, table: &Table, dataset: &mut Dataset) -> Result<()> {
    let known: HashMap<&str, &Sample> = dataset.samples.iter().map(|sample| (sample.name.as_str(), sample)).collect();
    let trained = |name: &str| known.get(name).filter(|sample| sample.split == Split::Train);
    let (mut made, mut unused) = (vec![], 0);
    for row in table.rows() {
        let donor = row.get("donor_same_as");
        let Some(host) = trained(row.get("host")).filter(|_| donor.is_empty() || trained(donor).is_some()) else {
            unused += 1;
            continue;
        };
        made.push(Sample {
            path: folder.join("images").join(row.get("image")),
            name: row.get("image").to_owned(),
            source: GRAFTS.to_owned(),
            patient: host.patient.clone(),
            class: class(Split::Train, row)?,
            split: Split::Train,
            held_out: false,
            age: None,
            sex: String::new(),
            view: row.get("host_view").to_owned(),
            finding: String::new(),
            reading: None,
        });
    }
    if unused > 0 {
        dataset.unused.insert(UNUSED_GRAFTS.to_owned(), unused);
    }
    dataset.samples.extend(made);
    Ok(())
}

fn open<'a>(folder: &'a Path, notes: &mut Notes) -> Result<(&'a Path, Table)> {
    let mut table = Table::open(folder, INDEX, &["image", "label"], HELP)?;
    if !table.has("donor") {
        table = Table::open(folder, INDEX, &["image", "source", "label", "role", "patient"], HELP)?;
    }
    table.check_file_names("image")?;
    let images = folder.join("images");
    if !images.is_dir() {
        bail!("{}: no such folder: {HELP}", images.display());
    }
    notes.add(folder)?;
    Ok((folder, table))
}

/// Names in two folders would make readings and withdrawals ambiguous; a folder given twice would count twice.
fn check_apart(tables: &[(&Path, Table)]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (_, table) in tables {
        if let Some(row) = table.rows().find(|row| seen.contains(row.get("image"))) {
            bail!(
                "{}: `{}` is in another --external folder as well: rename one, or give each folder once",
                row.place(),
                row.get("image")
            );
        }
        seen.extend(table.rows().map(|row| row.get("image")));
    }
    Ok(())
}

/// Class of a row of that split.
fn class(split: Split, row: Row<'_>) -> Result<usize> {
    let label = row.get("label");
    match split {
        Split::OutOfDistribution => Ok(NO_CLASS),
        _ if label == OTHER_FINDING_LABEL => Ok(OTHER_FINDING),
        _ => classes::index(label).with_context(|| {
            format!(
                "{}: label `{label}` is none of {}, {OTHER_FINDING_LABEL}: correct column `label`",
                row.place(),
                CLASSES.join(", ")
            )
        }),
    }
}
