//! Hospitals never seen: no image of theirs was trained on, validated on or chosen by.
//!
//! A model's own unseen hospitals are those of the images that its training had none of. Of the others, networks tell that were
//! trained in the same way without one (`host train --leave-out`), by their reports.

use super::auc::Auc;
use super::intervals::Rate;
use super::measure::{Case, Measurements};
use super::metrics::Outcome;
use super::report::Recipe;
use super::{Computed, runs};
use crate::classes::{CLASSES, COVID};
use crate::dataset::hospital::{self, LeaveOut};
use crate::dataset::{Dataset, OTHER_FINDING, Reading, Sample, Split};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a training has not seen of the images: all hospitals but those that the json beside the model, or else its `metadata`, names.
/// Nothing is known of a model that names none.
pub(super) fn left_out(about: &Value, metadata: &str) -> LeaveOut {
    let mut seen = hospital::seen_by(&about["training"]);
    if seen.is_empty() {
        let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
        let left_out = Vec::<String>::deserialize(&metadata["leave_out"]).unwrap_or_default();
        let sources = metadata["training_data"].as_object().into_iter().flatten().map(|(source, _)| source.as_str());
        seen = hospital::seen(sources, &left_out);
    }
    if seen.is_empty() { LeaveOut::Nothing } else { LeaveOut::AllBut(seen) }
}

/// By name of the hospital.
pub type Unseen = Computed<BTreeMap<String, Entry>>;

/// Figures of one hospital, and the network that had not seen it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// All its images.
    #[serde(flatten)]
    pub all: Figures,
    /// Those alone that were kept for tests before the hospital was left out; absent where that is none or all of them. Recipes are
    /// chosen on the rest.
    pub external_test: Option<Figures>,
    /// The network.
    pub network: Network,
}

/// A network that has not seen a hospital.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The report's own model; otherwise one trained without the hospital.
    pub is_this_model: bool,
    /// What it was trained by.
    pub recipe: Option<Recipe>,
    /// Hospitals that its training left out.
    pub left_out: Vec<String>,
    /// SHA-256 of the .cxr file.
    pub model_sha256: String,
}

/// Figures of a hospital's images. "Called" and "found" are verdicts that are given, of all images: one that is withheld is neither.
/// In `likeliest`, `accuracy` and `confusion` it counts with its likeliest class, as in the report's other sections. Intervals are
/// Wilson's, or by resampling patients where that is wider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Images.
    pub n: usize,
    /// People, as far as the source tells them apart.
    pub patients: usize,
    /// Images of healthy people called COVID-19.
    pub healthy_called_covid: Rate,
    /// Images of healthy people called ill.
    pub healthy_called_ill: Rate,
    /// Images of COVID-19 found.
    pub covid_found: Rate,
    /// Images of other pneumonia called so.
    pub pneumonia_found: Rate,
    /// Images of other pneumonia called COVID-19.
    pub pneumonia_called_covid: Rate,
    /// Images with a partial label, which are not COVID-19, called so.
    pub other_finding_called_covid: Rate,
    /// The first, the fourth and the seventh with withheld verdicts by their likeliest class.
    pub likeliest: Likeliest,
    /// Verdicts withheld.
    pub abstained: Rate,
    /// Right where a verdict was given, of images of a class.
    pub answered: Rate,
    /// Right, of images of a class.
    pub accuracy: Rate,
    /// COVID-19 by its probability against the other images of a class, where the hospital has both.
    pub auc: Computed<Auc>,
    /// Rows are the truth, columns the likeliest class, in class order.
    pub confusion: [[usize; CLASSES.len()]; CLASSES.len()],
}

/// COVID-19 as the likeliest class, whether or not the verdict is withheld.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Likeliest {
    /// Of images of healthy people.
    pub healthy_called_covid: Rate,
    /// Of images of COVID-19.
    pub covid_found: Rate,
    /// Of images with a partial label.
    pub other_finding_called_covid: Rate,
}

/// An image of a hospital never seen, or of a person with a partial label.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The image.
    pub sample: &'a Sample,
    /// The verdict; its truth is [`OTHER_FINDING`] for a partial label.
    pub outcome: &'a Outcome,
}

impl<'a> Seen<'a> {
    /// All images with a verdict, those with a partial label last.
    pub fn all(data: &'a Dataset, measured: &'a Measurements, partial: &'a [Outcome]) -> Vec<Self> {
        let whole = data.samples.iter().zip(&measured.measured);
        let whole = whole.filter_map(|(sample, measured)| Some(Self { sample, outcome: &measured.as_ref()?.outcome }));
        whole.chain(data.partial.iter().zip(partial).map(|(sample, outcome)| Self { sample, outcome })).collect()
    }
}

impl Figures {
    fn new(cases: &[Seen<'_>]) -> Self {
        let rate = |of: &dyn Fn(&Outcome) -> bool, hit: &dyn Fn(&Outcome) -> bool| {
            Rate::by_patient(cases.iter().filter(|c| of(c.outcome)).map(|c| (hit(c.outcome), c.outcome.patient.as_str())))
        };
        let truth = |class: usize| move |o: &Outcome| o.truth == class;
        let likeliest = |o: &Outcome| o.predicted == COVID;
        let covid = |o: &Outcome| likeliest(o) && !o.abstained;
        let labelled = |o: &Outcome| o.truth != OTHER_FINDING;
        let mut confusion = [[0; CLASSES.len()]; CLASSES.len()];
        cases.iter().filter(|c| labelled(c.outcome)).for_each(|c| confusion[c.outcome.truth][c.outcome.predicted] += 1);
        let positives = cases.iter().filter(|c| c.outcome.truth == COVID).count();
        let scores =
            cases.iter().filter(|c| labelled(c.outcome)).map(|c| (c.outcome.probabilities[COVID], c.outcome.truth == COVID));
        let no_auc = || {
            format!(
                "{positives} images of COVID-19 of {} of a class: both sides are needed",
                confusion.iter().flatten().sum::<usize>()
            )
        };
        Self {
            n: cases.len(),
            patients: cases.iter().map(|c| c.outcome.patient.as_str()).collect::<BTreeSet<_>>().len(),
            healthy_called_covid: rate(&truth(0), &covid),
            healthy_called_ill: rate(&truth(0), &|o| o.predicted != 0 && !o.abstained),
            covid_found: rate(&truth(COVID), &covid),
            pneumonia_found: rate(&truth(1), &|o| o.right() && !o.abstained),
            pneumonia_called_covid: rate(&truth(1), &covid),
            other_finding_called_covid: rate(&truth(OTHER_FINDING), &covid),
            likeliest: Likeliest {
                healthy_called_covid: rate(&truth(0), &likeliest),
                covid_found: rate(&truth(COVID), &likeliest),
                other_finding_called_covid: rate(&truth(OTHER_FINDING), &likeliest),
            },
            abstained: rate(&|_| true, &|o| o.abstained),
            answered: rate(&|o| labelled(o) && !o.abstained, &Outcome::right),
            accuracy: rate(&labelled, &Outcome::right),
            auc: Auc::of(scores).map_or_else(|| Computed::no(no_auc()), Computed::Yes),
            confusion,
        }
    }
}

/// What a report says of hospitals never seen.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// By hospital.
    pub unseen: Unseen,
    /// COVID-19 against healthy people, over all hospitals that this model has not seen.
    pub together: Computed<Auc>,
}

/// The model's own unseen hospitals, by its verdicts on their images.
pub(super) fn own(cases: &[Seen<'_>], network: &Network) -> Found {
    let unseen: Vec<Seen<'_>> = cases.iter().filter(|case| case.sample.split == Split::Unseen).copied().collect();
    let mut hospitals: BTreeMap<&str, Vec<Seen<'_>>> = BTreeMap::new();
    for case in &unseen {
        hospitals.entry(case.sample.hospital()).or_default().push(*case);
    }
    let entry = |of: &Vec<Seen<'_>>| {
        let held_out: Vec<Seen<'_>> = of.iter().filter(|case| case.sample.held_out).copied().collect();
        let apart = !held_out.is_empty() && held_out.len() < of.len();
        Entry { all: Figures::new(of), external_test: apart.then(|| Figures::new(&held_out)), network: network.clone() }
    };
    let found: BTreeMap<String, Entry> = hospitals.iter().map(|(name, of)| ((*name).to_owned(), entry(of))).collect();
    let healthy_or_covid = unseen.iter().filter(|case| matches!(case.outcome.truth, 0 | COVID));
    let together = Auc::of(healthy_or_covid.map(|case| (case.outcome.probabilities[COVID], case.outcome.truth == COVID)));
    Found {
        unseen: if found.is_empty() {
            Computed::no(
                "every hospital here is one that the model was trained on: train networks without one (host train --leave-out SOURCE) \
                 and give their reports with --leave-out-report, or give images of another hospital with --external",
            )
        } else {
            Computed::Yes(found)
        },
        together: together.map_or_else(
            || {
                Computed::no(
                    "the model has seen all hospitals here, or those that it has not seen lack healthy people or COVID-19",
                )
            },
            Computed::Yes,
        ),
    }
}

/// report.json of a folder, or the file itself.
fn report_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("report.json") } else { path.to_owned() }
}

/// Adds what reports of networks say of the hospitals that their training left out.
///
/// # Errors
/// A report of a network that left nothing out; a hospital twice, or one that this model has not seen anyway.
pub(super) fn add_left_out(found: &mut Found, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let path = &report_of(path);
        let place = path.display();
        let report = runs::read_one(path)?;
        let left_out = Vec::<String>::deserialize(&report["leave_out"])
            .with_context(|| format!("{place}: of before there were hospitals to leave out; evaluate that network again"))?;
        ensure!(!left_out.is_empty(), "{place}: its network left no hospital out; give reports of `host train --leave-out`");
        for hospital in left_out {
            let mut entry = Entry::deserialize(&report["unseen"][&hospital])
                .with_context(|| format!("{place}: has no images of {hospital}; evaluate it with the same --external folders"))?;
            entry.network.is_this_model = false;
            let entries = match &mut found.unseen {
                Computed::Yes(entries) => entries,
                none => {
                    *none = Computed::Yes(BTreeMap::new());
                    let Computed::Yes(entries) = none else { unreachable!("just made") };
                    entries
                }
            };
            if let Some(other) = entries.get(&hospital) {
                let whose =
                    if other.network.is_this_model { "this model has not seen it" } else { "another report leaves it out" };
                anyhow::bail!("{place}: leaves out {hospital}, but {whose} as well; give each hospital once");
            }
            entries.insert(hospital, entry);
        }
    }
    Ok(())
}

/// Adults whose opacity radiologists confirmed, labelled Pneumonia/NA.
#[derive(Clone, Debug, Serialize)]
pub struct Confirmed {
    /// Called Pneumonia/NA.
    pub called_pneumonia: Rate,
    /// Called COVID-19.
    pub called_covid: Rate,
}

/// By split, where there are such images.
pub(super) fn confirmed_opacities(cases: &[(&'static str, Vec<Case<'_>>)]) -> BTreeMap<&'static str, Confirmed> {
    let adult = |sample: &Sample| sample.age.is_some_and(|age| age >= 18.0);
    let is_one = |sample: &Sample| sample.class == 1 && sample.reading == Some(Reading::Opacity) && adult(sample);
    let of = |set: &Vec<Case<'_>>| {
        let outcomes = || set.iter().filter(|case| is_one(case.sample)).map(|case| &case.measured.outcome);
        let rate = |class: usize| Rate::by_patient(outcomes().map(|o| (o.predicted == class, o.patient.as_str())));
        (outcomes().count() > 0).then(|| Confirmed { called_pneumonia: rate(1), called_covid: rate(COVID) })
    };
    cases.iter().filter_map(|(name, set)| Some((*name, of(set)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::people::tests::sample;
    use super::*;
    use serde_json::json;

    fn network() -> Network {
        Network { is_this_model: true, recipe: None, left_out: vec!["pk".to_owned()], model_sha256: "abc".to_owned() }
    }

    fn outcome(truth: usize, covid: f64, abstained: bool, patient: &str) -> Outcome {
        let probabilities = [1.0 - covid, 0.0, covid];
        Outcome { truth, predicted: if covid > 0.5 { COVID } else { 0 }, probabilities, abstained, patient: patient.to_owned() }
    }

    /// pk: healthy and another finding; far: healthy and COVID-19; nih is seen.
    fn found() -> Found {
        let rows = [
            ("pk", 0, 0.9, false, true),
            ("pk", 0, 0.8, true, false),
            ("pk", 0, 0.1, false, false),
            ("pk", OTHER_FINDING, 0.7, false, false),
            ("far", COVID, 0.85, false, false),
            ("far", 0, 0.3, false, false),
        ];
        let samples: Vec<Sample> = rows
            .iter()
            .enumerate()
            .map(|(i, (source, class, .., held_out))| Sample {
                held_out: *held_out,
                ..sample(source, &i.to_string(), Split::Unseen, *class, None)
            })
            .collect();
        let seen = sample("nih", "n", Split::Val, 0, None);
        let outcomes: Vec<Outcome> = rows
            .iter()
            .enumerate()
            .map(|(i, (_, truth, p, abstained, _))| outcome(*truth, *p, *abstained, &i.to_string()))
            .collect();
        let own_outcome = outcome(0, 0.9, false, "n");
        let mut cases: Vec<Seen<'_>> = samples.iter().zip(&outcomes).map(|(sample, outcome)| Seen { sample, outcome }).collect();
        cases.push(Seen { sample: &seen, outcome: &own_outcome });
        own(&cases, &network())
    }

    #[test]
    fn hospitals_are_counted_apart() {
        let found = found();
        let Computed::Yes(entries) = &found.unseen else { panic!() };
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["far", "pk"]);
        let pk = &entries["pk"].all;
        let counts = |rate: &Rate| (rate.hits, rate.n);
        assert_eq!((pk.n, pk.patients), (4, 4));
        assert_eq!(counts(&pk.likeliest.healthy_called_covid), (2, 3));
        assert_eq!(counts(&pk.healthy_called_covid), (1, 3));
        assert_eq!(counts(&pk.other_finding_called_covid), (1, 1));
        assert_eq!((counts(&pk.abstained), counts(&pk.answered), counts(&pk.accuracy)), ((1, 4), (1, 2), (1, 3)));
        assert!(matches!(&pk.auc, Computed::No { .. }));
        assert_eq!(counts(&entries["pk"].external_test.as_ref().unwrap().healthy_called_covid), (1, 1));
        assert_eq!(counts(&entries["far"].all.covid_found), (1, 1));
        // One of COVID-19 at 0.85 against healthy 0.9, 0.8, 0.1, 0.3.
        assert!(matches!(&found.together, Computed::Yes(auc) if (auc.value - 0.75).abs() < 1e-12));
    }

    #[test]
    fn reports_of_networks_that_left_hospitals_out_are_added_once() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |hospital: &str| {
            let Computed::Yes(entries) = found().unseen else { panic!() };
            json!({ "splits": {}, "leave_out": [hospital], "unseen": { hospital: serde_json::to_value(&entries["pk"]).unwrap() } })
        };
        let write = |report: Value| std::fs::write(folder.path().join("report.json"), report.to_string()).unwrap();
        let told = |found: &mut Found| add_left_out(found, &[folder.path().to_owned()]).err().map(|error| format!("{error:#}"));
        write(entry("nih+rsna"));
        let mut all = found();
        assert_eq!(told(&mut all), None);
        let Computed::Yes(entries) = &all.unseen else { panic!() };
        assert_eq!(entries.len(), 3);
        assert!(!entries["nih+rsna"].network.is_this_model && entries["pk"].network.is_this_model);
        assert!(told(&mut all).unwrap().contains("another report leaves it out as well"));
        write(entry("pk"));
        assert!(told(&mut found()).unwrap().contains("this model has not seen it as well"));
        write(json!({ "splits": {}, "leave_out": [] }));
        assert!(told(&mut found()).unwrap().contains("left no hospital out"));
        write(json!({ "splits": {} }));
        assert!(told(&mut found()).unwrap().contains("evaluate that network again"));
        write(json!({ "splits": {}, "leave_out": ["x"], "unseen": {} }));
        assert!(told(&mut found()).unwrap().contains("has no images of x"));
    }

    #[test]
    fn what_a_model_has_not_seen() {
        let of = |about: Value, metadata: &str| left_out(&about, metadata);
        let trained = json!({ "training": { "hospitals_seen": ["coronahack", "nih+rsna"] } });
        let set = |names: &[&str]| LeaveOut::AllBut(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of(trained, "{}"), set(&["coronahack", "nih+rsna"]));
        let metadata = r#"{ "training_data": { "coronahack": 3, "nih": 2 }, "leave_out": ["ieee8023+darkcovidnet"] }"#;
        assert_eq!(of(Value::Null, metadata), set(&["coronahack", "nih+rsna"]));
        assert_eq!(of(Value::Null, "no json"), LeaveOut::Nothing);
    }
}
