//! Other sources: a folder with `index.csv` and `images/`.

use super::fold::People;
use super::table::{self, Row, Table};
use super::{Dataset, Sample, Split, split};
use crate::classes::{self, CLASSES};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Index file in the folder.
pub const INDEX: &str = "index.csv";
/// Key in [`Dataset::unused`] of training rows whose patient is tested on.
pub const WITHHELD: &str = "withheld from training: patient is in a test split";

/// One person under two names, found by `host data check` or by eye: the sources number their images, not their people.
const SAME_PATIENTS: &str = include_str!("../../../data/same_patients.csv");
const HELP: &str = "--external takes a folder with index.csv and images/ (data/README.md)";

/// Appends the samples of `folder` to `dataset`, which holds CoronaHack already.
///
/// # Errors
/// See [`super::read`].
pub(super) fn read(folder: &Path, people: &People, dataset: &mut Dataset) -> Result<()> {
    let required = ["image", "source", "label", "role", "patient"];
    let table = Table::open(folder, INDEX, &required, HELP)?;
    table.check_file_names("image")?;
    let images = folder.join("images");
    if !images.is_dir() {
        bail!("{}: no such folder: {HELP}", images.display());
    }
    let aliases = Table::parse(PathBuf::from("data/same_patients.csv"), SAME_PATIENTS.as_bytes(), &["patient", "same_as"], HELP)?;
    let same: HashMap<&str, &str> = aliases.rows().map(|row| (row.get("patient"), row.get("same_as"))).collect();
    let person = |row: Row<'_>| {
        let patient = row.get("patient");
        people.person(same.get(patient).copied().unwrap_or(patient).to_owned())
    };
    let mut bound: HashMap<String, Split> = dataset.samples.iter().map(|sample| (sample.patient.clone(), sample.split)).collect();
    for row in table.rows().filter(|row| row.get("role") == "external_test") {
        bound.insert(person(row), Split::ExternalTest);
    }
    for row in table.rows() {
        let patient = person(row);
        if patient.is_empty() {
            bail!("{}: no patient, so no split is safe: fill in column `patient`", row.place());
        }
        let split = match row.get("role") {
            "external_test" => Split::ExternalTest,
            "out_of_distribution" => Split::OutOfDistribution,
            "train" => match bound.get(&patient) {
                // The same person under two sources: the side that is measured on keeps the person.
                Some(Split::Test | Split::ExternalTest) => {
                    *dataset.unused.entry(WITHHELD.to_owned()).or_default() += 1;
                    continue;
                }
                Some(other) => *other,
                None => split::external(&patient),
            },
            other => bail!(
                "{}: role `{other}` is none of train, external_test, out_of_distribution: correct column `role`",
                row.place()
            ),
        };
        let label = row.get("label");
        let class = if split == Split::OutOfDistribution {
            usize::MAX
        } else {
            classes::index(label).with_context(|| {
                format!("{}: label `{label}` is none of {}: correct column `label`", row.place(), CLASSES.join(", "))
            })?
        };
        let name = row.get("image");
        dataset.samples.push(Sample {
            path: images.join(name),
            name: name.to_owned(),
            source: row.get("source").to_owned(),
            patient,
            class,
            split,
            age: table::age(row.get("age")),
            sex: table::sex(row.get("sex")),
            view: row.get("view").to_owned(),
            finding: row.get("finding").to_owned(),
        });
    }
    Ok(())
}
