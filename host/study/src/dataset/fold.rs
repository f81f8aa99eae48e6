//! Folds by patient: one share of CoronaHack's people, from Kaggle's two folders together, as the test split.

use super::residue::residue;
use super::table::Table;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// People under two ids within what is one split without folds: a fold may part them.
const FOLD_PATIENTS: &str = include_str!("../../shipped/fold_patients.csv");
/// Chosen by the counts alone, before any training: every fifth has 10 to 14 of the 58 COVID-19 images.
const SALT: &str = "g";
/// More folds leave some without COVID-19.
const MOST: u32 = 20;

/// Which of how many folds is tested on, written `2/5`.
///
/// ```
/// use cxr_study::dataset::fold::Fold;
/// let fold: Fold = "2/5".parse()?;
/// let folds = Fold::all(5)?;
/// // Every patient is in one of them.
/// assert_eq!(folds.iter().filter(|fold| fold.tests("ieee_70")).count(), 1);
/// assert_eq!(folds[1], fold);
/// assert!("6/5".parse::<Fold>().is_err());
/// # anyhow::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fold {
    number: u32,
    of: u32,
}

impl Fold {
    /// All folds of `of`.
    ///
    /// # Errors
    /// Fewer than 2 or more than 20.
    pub fn all(of: u32) -> Result<Vec<Self>> {
        (1..=of.max(1)).map(|number| Self::new(number, of)).collect()
    }

    fn new(number: u32, of: u32) -> Result<Self> {
        ensure!(
            (2..=MOST).contains(&of) && (1..=of).contains(&number),
            "{number}/{of}: give a fold as 1/5 to 5/5, of 2 to {MOST}"
        );
        Ok(Self { number, of })
    }

    /// Which fold, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Of how many.
    pub fn of(self) -> u32 {
        self.of
    }

    /// The fold has this patient in its test split; a function of the id alone.
    pub fn tests(self, patient: &str) -> bool {
        residue(&format!("{patient}{SALT}"), self.of) + 1 == self.number
    }
}

/// A fold, or what there is without one, in words.
pub fn named(fold: Option<Fold>) -> String {
    fold.map_or("the published splits".to_owned(), |fold| format!("fold {fold}"))
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Fold {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let Some((number, of)) = numbers else { bail!("`{text}` is no fold: give one as 2/5") };
        Self::new(number, of)
    }
}

impl TryFrom<String> for Fold {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Fold> for String {
    fn from(fold: Fold) -> Self {
        fold.to_string()
    }
}

/// The one id of people with several, in a fold.
pub(super) struct People(HashMap<String, String>);

impl People {
    /// Nobody is joined without a fold: the published splits stand.
    pub(super) fn of(fold: Option<Fold>) -> Result<Self> {
        let mut same = HashMap::new();
        if fold.is_some() {
            let path = PathBuf::from("data/fold_patients.csv");
            let table = Table::parse(path, FOLD_PATIENTS.as_bytes(), &["patient", "same_as"], "rebuild from a clean checkout")?;
            same.extend(table.rows().map(|row| (row.get("patient").to_owned(), row.get("same_as").to_owned())));
        }
        Ok(Self(same))
    }

    /// The one id of `patient`.
    pub(super) fn person(&self, patient: String) -> String {
        self.0.get(&patient).cloned().unwrap_or(patient)
    }
}

/// The fold that run.json or a model's json names under `fold`, if any.
///
/// # Errors
/// An entry that is no fold.
pub fn of_json(value: &serde_json::Value) -> Result<Option<Fold>> {
    match value.get("fold") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(text) => text.as_str().context("`fold` is no text").and_then(str::parse).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixture;
    use crate::dataset::{Dataset, Query, Split};
    use std::collections::{BTreeMap, BTreeSet};

    fn columns(text: &str) -> Vec<(&str, &str)> {
        text.lines().skip(1).filter_map(|line| line.split_once(',')).map(|(a, b)| (a, b.split(',').next().unwrap())).collect()
    }

    #[test]
    fn written_and_read() {
        for fold in Fold::all(5).unwrap() {
            assert_eq!(fold.to_string().parse::<Fold>().unwrap(), fold);
            let json = serde_json::json!({ "fold": fold });
            assert_eq!(json["fold"], fold.to_string());
            assert_eq!(of_json(&json).unwrap(), Some(fold));
        }
        for text in ["", "2", "0/5", "6/5", "1/1", "1/21", "a/b", "-1/5", "2/5/5"] {
            assert!(text.parse::<Fold>().is_err(), "{text}");
        }
        assert_eq!(of_json(&serde_json::json!({ "fold": null })).unwrap(), None);
        assert!(of_json(&serde_json::json!({ "fold": 2 })).is_err());
    }

    #[test]
    fn joined_ids_lead_to_one_person_in_one_step() {
        let rows = columns(FOLD_PATIENTS);
        let joined: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
        assert_eq!(joined.len(), rows.len(), "an id is joined twice");
        assert!(rows.iter().all(|row| !joined.contains(row.1)), "a chain: join both to the last");
        // Those joined for the published splits are looked up first.
        let published = columns(include_str!("../../../../data/same_patients.csv"));
        assert!(rows.iter().all(|row| published.iter().all(|other| other.0 != row.0 && other.0 != row.1)));
    }

    fn read(coronahack: &std::path::Path, external: &[PathBuf], fold: Fold) -> Dataset {
        super::super::read(&Query { fold: Some(fold), ..Query::new(coronahack, external) }).unwrap()
    }

    type Assignment = BTreeMap<String, (String, Split)>;

    fn assignment(dataset: &Dataset) -> Assignment {
        dataset.samples.iter().map(|s| (s.name.clone(), (s.patient.clone(), s.split))).collect()
    }

    /// Splits of rows in the form of [`fixture::ROWS`], without the external sources.
    fn splits(rows: &[String], fold: &str) -> Assignment {
        let metadata = format!("{}{}", fixture::HEADER, rows.concat());
        let folder = fixture::coronahack(&metadata);
        assignment(&read(folder.path(), &[], fold.parse().unwrap()))
    }

    #[test]
    fn folds_cover_all_are_disjoint_keep_people_together_and_do_not_depend_on_order() {
        let mut rows: Vec<String> = (0..60)
            .flat_map(|i| {
                let kind = if i % 3 == 0 { "TEST" } else { "TRAIN" };
                // A patient in both of Kaggle's folders.
                [
                    format!("0,person{i}_virus_1.jpeg,Pnemonia,{kind},,Virus\n"),
                    format!("0,person{i}_virus_2.jpeg,Pnemonia,TRAIN,,Virus\n"),
                    format!("0,IM-{i:04}-0001.jpeg,Normal,{kind},,\n"),
                ]
            })
            .collect();
        rows.push("0,IM-0506-0001.jpeg,Normal,TRAIN,,\n".into());
        rows.push("0,NORMAL2-IM-1094-0001.jpeg,Normal,TRAIN,,\n".into());
        let mut tested: BTreeMap<String, usize> = BTreeMap::new();
        for fold in Fold::all(5).unwrap() {
            let found = splits(&rows, &fold.to_string());
            let mut of_patient: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
            for (name, (patient, split)) in &found {
                *tested.entry(name.clone()).or_default() += usize::from(*split == Split::Test);
                of_patient.entry(patient).or_default().insert(*split);
            }
            assert!(of_patient.values().all(|splits| splits.len() == 1), "{of_patient:?}");
            assert_eq!(found["IM-0506-0001.jpeg"], found["NORMAL2-IM-1094-0001.jpeg"]);
            rows.reverse();
            rows.rotate_left(7);
            assert_eq!(splits(&rows, &fold.to_string()), found);
        }
        assert_eq!(tested.len(), rows.len());
        assert!(tested.values().all(|times| *times == 1));
    }

    #[test]
    fn other_sources_yield_to_the_fold() {
        let folder = fixture::coronahack(&format!("{}{}", fixture::HEADER, fixture::ROWS));
        // covidcxnet_2191 is ieee_63, and ieee_63 is the person of kjr-21-e24-g001-l-a.jpg.
        let covid = "9,kjr-21-e24-g001-l-a.jpg,Pnemonia,TRAIN,COVID-19,Virus\n";
        std::fs::write(
            folder.path().join(super::super::coronahack::METADATA),
            format!("{}{}{covid}", fixture::HEADER, fixture::ROWS),
        )
        .unwrap();
        let other = fixture::external("a.jpg,covid_cxnet,Pneumonia/COVID-19,train,covidcxnet_2191,,,,,x\n");
        for fold in Fold::all(5).unwrap() {
            let found = assignment(&read(folder.path(), &[other.path().to_owned()], fold));
            let own = &found["kjr-21-e24-g001-l-a.jpg"];
            assert_eq!(own.0, "ieee_63");
            if own.1 == Split::Test {
                assert!(!found.contains_key("a.jpg"), "withheld");
            } else {
                assert_eq!(&found["a.jpg"], own);
            }
        }
    }

    #[test]
    fn every_fold_of_the_real_data_has_every_class_and_no_patient_twice() {
        let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !shared.is_dir() {
            println!("skipped: {} is not there", shared.display());
            return;
        }
        let mut tested = 0;
        for fold in Fold::all(5).unwrap() {
            let dataset = read(&shared.join("coronahack"), &[shared.join("external")], fold);
            assert!(dataset.empty_classes().is_empty());
            let mut of_patient = BTreeMap::new();
            for sample in dataset.samples.iter().filter(|sample| sample.split != Split::OutOfDistribution) {
                assert_eq!(*of_patient.entry(&sample.patient).or_insert(sample.split), sample.split, "{}", sample.patient);
            }
            let count = |split, class| dataset.of(split).filter(|s| s.class == class && s.source == "coronahack").count();
            assert!((10..=14).contains(&count(Split::Test, 2)) && count(Split::Val, 2) >= 5);
            assert_eq!(dataset.of(Split::ExternalTest).count(), 771);
            tested += dataset.of(Split::Test).count();
        }
        assert_eq!(tested, 5899);
    }
}
