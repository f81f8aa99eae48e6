//! The Kaggle "CoronaHack Chest X-Ray Dataset", as it unpacks: metadata, folders and file names.

use super::fold::{Fold, People};
use super::table::{self, Table};
use super::{Dataset, Sample, split};
use anyhow::{Context, Result, bail};
use cxr_app::classes;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Name of the source in [`Sample::source`].
pub const SOURCE: &str = "coronahack";

/// Metadata file in the dataset folder.
pub const METADATA: &str = "Chest_xray_Corona_Metadata.csv";
/// Folder of the `train` and `test` folders; the name is doubled in the download.
pub const IMAGES: &str = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset";

const HELP: &str = "--coronahack takes the folder into which the Kaggle download was unpacked (data/README.md)";
const IEEE8023: &str = include_str!("../../shipped/ieee8023_patients.csv");

/// Appends the samples of `folder` to `dataset`.
///
/// # Errors
/// See [`super::read`].
pub(super) fn read(folder: &Path, fold: Option<Fold>, people: &People, dataset: &mut Dataset) -> Result<()> {
    let required = ["X_ray_image_name", "Label", "Dataset_type", "Label_2_Virus_category", "Label_1_Virus_category"];
    let table = Table::open(folder, METADATA, &required, HELP)?;
    table.check_file_names("X_ray_image_name")?;
    let images = folder.join(IMAGES);
    if !images.is_dir() {
        bail!("{}: no such folder: {HELP}", images.display());
    }
    let known = Ieee8023::embedded()?;
    for row in table.rows() {
        let name = row.get("X_ray_image_name");
        let (subfolder, kaggle_test) = match row.get("Dataset_type") {
            "TRAIN" => ("train", false),
            "TEST" => ("test", true),
            other => bail!("{}: Dataset_type `{other}` is neither TRAIN nor TEST: {HELP}", row.place()),
        };
        let class_name = class_name(row.get("Label"), row.get("Label_2_Virus_category"));
        let Some(class) = classes::index(&class_name) else {
            *dataset.unused.entry(class_name).or_default() += 1;
            continue;
        };
        let person = known.0.get(name);
        let patient = person.map(|person| person.patient.clone()).or_else(|| patient(name)).with_context(|| {
            format!("{}: the patient of `{name}` cannot be told from its name, so no split is safe: {HELP}", row.place())
        })?;
        let patient = people.person(patient);
        dataset.samples.push(Sample {
            path: images.join(subfolder).join(name),
            name: name.to_owned(),
            source: SOURCE.to_owned(),
            class,
            split: split::coronahack(class, kaggle_test, &patient, fold),
            held_out: false,
            patient,
            age: person.and_then(|person| person.age),
            sex: person.map(|person| person.sex.clone()).unwrap_or_default(),
            view: person.map(|person| person.view.clone()).unwrap_or_default(),
            finding: row.get("Label_1_Virus_category").to_owned(),
            reading: None,
        });
    }
    Ok(())
}

/// `Label/Label_2_Virus_category`, with Kaggle's `Pnemonia` spelled out and `NA` for the empty cell.
fn class_name(label: &str, virus: &str) -> String {
    let label = if label == "Pnemonia" { "Pneumonia" } else { label };
    format!("{label}/{}", if virus.is_empty() { "NA" } else { virus })
}

/// Patient of an image named by Kaggle's rules: `person<N>_<virus|bacteria>_<k>.jpeg` is `<cause>_person<N>`,
/// `[NORMAL2-]IM-<N>-<k>.jpeg` is `normal_[NORMAL2-]IM-<N>`.
pub fn patient(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".jpeg")?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = stem.strip_prefix("person") {
        let mut parts = rest.splitn(3, '_');
        let (person, cause, image) = (parts.next()?, parts.next()?, parts.next()?);
        let named = number(person) && matches!(cause, "virus" | "bacteria") && image.split('_').all(number);
        return named.then(|| format!("{cause}_person{person}"));
    }
    let (prefix, rest) = match stem.strip_prefix("NORMAL2-") {
        Some(rest) => ("NORMAL2-", rest),
        None => ("", stem),
    };
    let (person, images) = rest.strip_prefix("IM-")?.split_once('-')?;
    let named = number(person) && images.split('-').all(number);
    named.then(|| format!("normal_{prefix}IM-{person}"))
}

/// The images that CoronaHack took from ieee8023/covid-chestxray-dataset: their names tell no patient.
struct Ieee8023(HashMap<String, Person>);

struct Person {
    patient: String,
    view: String,
    age: Option<f32>,
    sex: String,
}

impl Ieee8023 {
    fn embedded() -> Result<Self> {
        let columns = ["image", "patient", "view", "age", "sex"];
        let path = PathBuf::from("data/ieee8023_patients.csv");
        let table = Table::parse(path, IEEE8023.as_bytes(), &columns, "rebuild from a clean checkout")?;
        let person = |row: table::Row<'_>| Person {
            patient: row.get("patient").to_owned(),
            view: row.get("view").to_owned(),
            age: table::age(row.get("age")),
            sex: table::sex(row.get("sex")),
        };
        Ok(Ieee8023(table.rows().map(|row| (row.get("image").to_owned(), person(row))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_by_name() {
        let told = |name: &str| patient(name);
        assert_eq!(told("person1_virus_6.jpeg").as_deref(), Some("virus_person1"));
        assert_eq!(told("person1000_bacteria_2931.jpeg").as_deref(), Some("bacteria_person1000"));
        assert_eq!(told("person441_virus_917_1.jpeg").as_deref(), Some("virus_person441"));
        assert_eq!(told("IM-0128-0001.jpeg").as_deref(), Some("normal_IM-0128"));
        assert_eq!(told("IM-0543-0001-0002.jpeg").as_deref(), Some("normal_IM-0543"));
        assert_eq!(told("NORMAL2-IM-1427-0001.jpeg").as_deref(), Some("normal_NORMAL2-IM-1427"));
        for name in ["person_virus_6.jpeg", "person1_fungus_6.jpeg", "IM-0128.jpeg", "scan.png", "", "personé_virus_1.jpeg"] {
            assert_eq!(told(name), None, "{name}");
        }
    }

    #[test]
    fn classes_by_label() {
        assert_eq!(class_name("Normal", ""), "Normal/NA");
        assert_eq!(class_name("Pnemonia", ""), "Pneumonia/NA");
        assert_eq!(class_name("Pnemonia", "COVID-19"), "Pneumonia/COVID-19");
    }

    #[test]
    fn seventy_images_of_ieee8023() {
        let known = Ieee8023::embedded().unwrap().0;
        assert_eq!(known.len(), 70);
        assert!(known.values().all(|person| person.patient.starts_with("ieee_")));
        assert_eq!(known["1-s2.0-S0140673620303706-fx1_lrg.jpg"].age, Some(56.0));
    }
}
