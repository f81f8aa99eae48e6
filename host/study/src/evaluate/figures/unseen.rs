//! Hospitals never seen: no image of theirs was trained on, validated on or chosen by.
//!
//! A model's own unseen hospitals are those of the images that its training had none of. Of the others, networks tell that were
//! trained in the same way without one (`host train --leave-out`), by their reports.

use crate::dataset::hospital::{self, LeaveOut};
use crate::dataset::{OTHER_FINDING, Reading, Sample, Split};
use crate::evaluate::figure::{Auc, Block, Case, Computed, Evidence, Figure, Page, Rate, Section, Seen, Sets, Tile};
use crate::evaluate::hospital::{Entry, Figures, Network};
use crate::evaluate::other_runs::read_one;
use crate::evaluate::render::text::{NONE, auc, rate};
use anyhow::{Context, Result, ensure};
use cxr_app::classes::COVID;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a training has not seen of the images: all hospitals but those that the json beside the model, or else its `metadata`, names.
/// Nothing is known of a model that names none.
pub fn left_out(about: &Value, metadata: &str) -> LeaveOut {
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
type Hospitals = Computed<BTreeMap<String, Entry>>;

/// Hospitals that no training or validation image came from, and what of the others is as far from them.
#[derive(Clone, Debug, Serialize)]
pub struct Unseen {
    /// By hospital.
    pub unseen: Hospitals,
    /// COVID-19 by its probability against healthy people, all of hospitals that this model has not seen.
    pub unseen_together: Computed<Auc>,
    /// Adults labelled Pneumonia/NA whose opacity radiologists confirmed, by split.
    pub confirmed_opacities: BTreeMap<&'static str, Confirmed>,
    /// Validation's images with a partial label, which are not COVID-19, called so.
    pub other_finding_called_covid: Rate,
}

impl Figure for Unseen {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        let subject = from.subject;
        let network = Network {
            is_this_model: true,
            recipe: subject.recipe.clone(),
            left_out: subject.leave_out.clone(),
            model_sha256: subject.model_sha256.clone(),
        };
        let (unseen, unseen_together) = own(&from.seen, &network);
        let partial = from.seen.iter().filter(|case| case.sample.class == OTHER_FINDING && case.sample.split == Split::Val);
        Ok(Self {
            unseen,
            unseen_together,
            confirmed_opacities: confirmed_opacities(&from.all),
            other_finding_called_covid: Rate::by_patient(
                partial.map(|case| (case.outcome.predicted == COVID, case.outcome.patient.as_str())),
            ),
        })
    }

    fn sections(&self, page: &Page<'_>) -> Result<Vec<Section>> {
        let mut blocks = match &self.unseen {
            Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
            Computed::Yes(found) => {
                let row = |name: String, f: &Figures| {
                    vec![
                        name,
                        format!("{} ({} people)", f.n, f.patients),
                        rate(&f.healthy_called_covid),
                        rate(&f.likeliest.healthy_called_covid),
                        rate(&f.healthy_called_ill),
                        rate(&f.other_finding_called_covid),
                        rate(&f.covid_found),
                        rate(&f.pneumonia_found),
                        rate(&f.abstained),
                        f.verdict_given.as_ref().map_or(NONE.to_owned(), |given| rate(&given.healthy)),
                        f.verdict_given.as_ref().map_or(NONE.to_owned(), |given| rate(&given.covid)),
                        rate(&f.answered),
                        match &f.auc {
                            Computed::Yes(found) => auc(Some(found)),
                            Computed::No { .. } => NONE.to_owned(),
                        },
                    ]
                };
                let rows = found.iter().flat_map(|(name, entry)| {
                    let held_out = entry.external_test.as_ref().map(|f| row(format!("{name}, external_test alone"), f));
                    std::iter::once(row(name.clone(), &entry.all)).chain(held_out)
                });
                let head = [
                    "hospital",
                    "images",
                    "healthy called COVID-19",
                    "healthy, COVID-19 likeliest",
                    "healthy called ill",
                    "another finding called COVID-19",
                    "COVID-19 found",
                    "pneumonia found",
                    "withheld",
                    "healthy given a verdict",
                    "COVID-19 given a verdict",
                    "right where a verdict is given",
                    "AUC, COVID-19 against the rest",
                ];
                let mut blocks = vec![Block::table("", head, rows.collect())];
                blocks.extend(found.iter().map(|(name, entry)| Block::Text(whose(name, entry, page))));
                blocks
            }
        };
        blocks.push(match &self.unseen_together {
            Computed::Yes(found) => Block::Text(format!(
                "COVID-19 against healthy people, all of hospitals that this model has not seen: AUC {}.",
                auc(Some(found))
            )),
            Computed::No { not_computed } => {
                Block::Missing(format!("COVID-19 against healthy people, both unseen: {not_computed}"))
            }
        });
        if !self.confirmed_opacities.is_empty() {
            let rows = self
                .confirmed_opacities
                .iter()
                .map(|(split, found)| vec![(*split).to_owned(), rate(&found.called_pneumonia), rate(&found.called_covid)]);
            let caption = "Adults labelled Pneumonia/NA whose opacity radiologists confirmed: sources that it was trained on, people it has not seen";
            blocks.push(Block::table(caption, ["split", "called Pneumonia/NA", "called COVID-19"], rows.collect()));
        }
        let note = "What a new X-ray meets: no image of these hospitals was trained on, validated on or used for any threshold, \
            but for the share of COVID-19 verdicts to withhold (data.covid_doubted), which recipes choose on hospitals left out. Called and found \
            are verdicts that are given, of all images: one that is withheld is neither. Another finding: certainly not COVID-19, nothing more is known. \
            Intervals are Wilson's, or by resampling people where that is wider.";
        Ok(vec![Section { id: "unseen", title: "Hospitals never seen", note: note.to_owned(), blocks }])
    }

    fn tiles(&self) -> Vec<Tile> {
        let Computed::Yes(found) = &self.unseen else {
            let what = "on hospitals never seen".to_owned();
            return vec![["not measured".to_owned(), what, "see the section".to_owned()]];
        };
        found.iter().flat_map(|(name, entry)| entry.tiles(name)).collect()
    }
}

fn whose(name: &str, entry: &Entry, page: &Page<'_>) -> String {
    let of = &entry.network;
    if of.is_this_model {
        return format!("{name}: this model's verdicts; it was trained on no image of it.");
    }
    let recipe = of.recipe.as_ref().map_or("an unknown recipe".to_owned(), ToString::to_string);
    let same = if of.recipe == page.subject.recipe { "as this model was" } else { "not as this model was" };
    format!("{name}: verdicts of a network trained without {} by {recipe}, {same}.", of.left_out.join(", "))
}

/// The model's own unseen hospitals, by its verdicts on their images.
fn own(cases: &[Seen<'_>], network: &Network) -> (Hospitals, Computed<Auc>) {
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
    let hospitals = if found.is_empty() {
        Computed::no(
            "every hospital here is one that the model was trained on: train networks without one (host train --leave-out SOURCE) \
                 and give their reports with --leave-out-report, or give images of another hospital with --external",
        )
    } else {
        Computed::Yes(found)
    };
    let together = together.map_or_else(
        || Computed::no("the model has seen all hospitals here, or those that it has not seen lack healthy people or COVID-19"),
        Computed::Yes,
    );
    (hospitals, together)
}

/// report.json of a folder, or the file itself.
fn report_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("report.json") } else { path.to_owned() }
}

/// What a report says of a hospital that its network's training left out.
pub struct LeftOut {
    path: PathBuf,
    hospital: String,
    entry: Entry,
}

impl LeftOut {
    /// Reads reports, or their folders.
    ///
    /// # Errors
    /// A report of a network that left nothing out, or without images of what it left out.
    pub fn read(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for path in paths {
            let path = report_of(path);
            let place = path.display();
            let report = read_one(&path)?;
            let left_out = Vec::<String>::deserialize(&report["leave_out"])
                .with_context(|| format!("{place}: of before there were hospitals to leave out; evaluate that network again"))?;
            ensure!(!left_out.is_empty(), "{place}: its network left no hospital out; give reports of `host train --leave-out`");
            for hospital in left_out {
                let mut entry = Entry::deserialize(&report["unseen"][&hospital]).with_context(|| {
                    format!("{place}: has no images of {hospital}; evaluate it with the same --external folders")
                })?;
                entry.network.is_this_model = false;
                all.push(Self { path: path.clone(), hospital, entry });
            }
        }
        Ok(all)
    }
}

impl Unseen {
    /// Adds the hospitals that other networks left out.
    ///
    /// # Errors
    /// A hospital twice, or one that this model has not seen anyway.
    pub fn add(&mut self, left_out: Vec<LeftOut>) -> Result<()> {
        for LeftOut { path, hospital, entry } in left_out {
            if let Computed::No { .. } = self.unseen {
                self.unseen = Computed::Yes(BTreeMap::new());
            }
            let Computed::Yes(entries) = &mut self.unseen else { unreachable!("just made") };
            if let Some(other) = entries.get(&hospital) {
                let whose =
                    if other.network.is_this_model { "this model has not seen it" } else { "another report leaves it out" };
                anyhow::bail!("{}: leaves out {hospital}, but {whose} as well; give each hospital once", path.display());
            }
            entries.insert(hospital, entry);
        }
        Ok(())
    }
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
fn confirmed_opacities(cases: &Sets<'_>) -> BTreeMap<&'static str, Confirmed> {
    let adult = |sample: &Sample| sample.age.is_some_and(|age| age >= 18.0);
    let is_one = |sample: &Sample| sample.class == 1 && sample.reading == Some(Reading::Opacity) && adult(sample);
    let of = |set: &[Case<'_>]| {
        let outcomes = || set.iter().filter(|case| is_one(case.sample)).map(|case| &case.measured.outcome);
        let rate = |class: usize| Rate::by_patient(outcomes().map(|o| (o.predicted == class, o.patient.as_str())));
        (outcomes().count() > 0).then(|| Confirmed { called_pneumonia: rate(1), called_covid: rate(COVID) })
    };
    cases.iter().filter_map(|(name, set)| Some((*name, of(set)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::figure::Outcome;
    use crate::evaluate::people::tests::sample;
    use serde_json::json;

    fn network() -> Network {
        Network { is_this_model: true, recipe: None, left_out: vec!["pk".to_owned()], model_sha256: "abc".to_owned() }
    }

    fn outcome(truth: usize, covid: f64, abstained: bool, patient: &str) -> Outcome {
        let probabilities = [1.0 - covid, 0.0, covid];
        Outcome { truth, predicted: if covid > 0.5 { COVID } else { 0 }, probabilities, abstained, patient: patient.to_owned() }
    }

    /// pk: healthy and another finding; far: healthy and COVID-19; nih is seen.
    fn found() -> Unseen {
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
        let (unseen, unseen_together) = own(&cases, &network());
        let other_finding_called_covid = Rate::of([]);
        Unseen { unseen, unseen_together, confirmed_opacities: BTreeMap::new(), other_finding_called_covid }
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
        assert!(matches!(&found.unseen_together, Computed::Yes(auc) if (auc.value - 0.75).abs() < 1e-12));
    }

    #[test]
    fn reports_of_networks_that_left_hospitals_out_are_added_once() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |hospital: &str| {
            let Computed::Yes(entries) = found().unseen else { panic!() };
            json!({ "splits": {}, "leave_out": [hospital], "unseen": { hospital: serde_json::to_value(&entries["pk"]).unwrap() } })
        };
        let write = |report: Value| std::fs::write(folder.path().join("report.json"), report.to_string()).unwrap();
        let told = |found: &mut Unseen| {
            LeftOut::read(&[folder.path().to_owned()]).and_then(|read| found.add(read)).err().map(|error| format!("{error:#}"))
        };
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
