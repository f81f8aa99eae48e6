//! Folds by patient, from `host train --fold` to their pooled figures.

use cxr_tests::data::{self, Row};
use cxr_tests::host::{Run, read_json, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Image and split of the CoronaHack rows of a report folder's predictions.
fn splits(report: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(report.join("predictions.csv")).expect("predictions.csv");
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    text.lines().skip(1).map(cells).map(|cells| (cells[0].clone(), cells[2].clone())).collect()
}

/// An edited copy of a report.
fn forged(from: &Path, to: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let mut report = read_json(from);
    edit(&mut report);
    fs::write(to, report.to_string()).expect("a temporary file");
}

#[test]
fn folds_are_trained_evaluated_and_pooled() {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path();
    let host = |line: &str| -> Run { run(path, line.split(' ')) };
    let rows = data::generated_rows();
    data::write_coronahack(&path.join("data"), &rows);
    let recipe = cxr_tests::root().join("models/recipes/demo.toml").canonicalize().expect("the demo recipe");
    let train = format!("train --recipe {} --coronahack data", recipe.display());

    let mut tested: BTreeMap<String, usize> = BTreeMap::new();
    for k in 1..=2 {
        let fold = format!("{k}/3");
        host(&format!("{train} --fold {fold} --epochs 2 --out run{k}")).success();
        let record = read_json(&path.join(format!("run{k}/run.json")));
        assert_eq!(record["fold"], fold.as_str());
        host(&format!("export run{k} --out model{k}")).success();
        let card = read_json(&path.join(format!("model{k}.json")));
        assert_eq!(card["fold"], fold.as_str());
        // The file itself knows, without the json beside it.
        fs::copy(path.join(format!("model{k}.cxr")), path.join("alone.cxr")).expect("a copy");
        host(&format!("evaluate alone.cxr --coronahack data --report fold{k}")).success();
        let report = read_json(&path.join(format!("fold{k}/report.json")));
        assert_eq!(report["fold"]["number"], fold.as_str());
        assert_eq!(report["data"]["patients_in_two_splits"], 0);
        // The counts that the training run saw are those of the evaluation.
        let found = splits(&path.join(format!("fold{k}")));
        let count = |split: &str| found.values().filter(|s| *s == split).count() as u64;
        assert_eq!(record["splits"]["val"]["images"], count("Val"));
        assert_eq!(
            record["splits"]["train"]["images"].as_u64().map(|train| train + count("Val") + count("Test")),
            Some(rows.len() as u64)
        );
        found.into_iter().filter(|(_, split)| split == "Test").for_each(|(name, _)| *tested.entry(name).or_default() += 1);
    }
    assert_eq!(tested.values().max(), Some(&1), "an image is tested once");

    let pooled = host(
        "evaluate model1.cxr --coronahack data --report all --fold-report fold1/report.json --fold-report fold2/report.json",
    );
    assert!(pooled.success().stdout.contains("wrote"));
    let folds = &read_json(&path.join("all/report.json"))["folds"];
    let covid = rows.iter().filter(|row: &&Row| row.virus == "COVID-19" && tested.contains_key(&row.name)).count();
    assert_eq!(
        (folds["covid_images"]["n"].as_u64(), folds["accuracy"]["n"].as_u64()),
        (Some(covid as u64), Some(tested.len() as u64))
    );
    assert!(folds["covid_images_patient_bootstrap_95"].is_array());
    assert_eq!(folds["missing"], serde_json::json!(["3/3"]));

    // What does not belong together is refused, and so is a test on training images.
    let other = path.join("other.json");
    let refused =
        |line: &str, part: &str| host(&format!("evaluate model1.cxr --coronahack data --report no {line}")).error(2, &[part]);
    refused("--fold 2/3", "left out fold 1/3");
    refused("--fold-report fold1/report.json --fold-report fold1/report.json", "give each fold once");
    refused("--seed-report fold2/report.json", "--seed-report is of fold 2/3");
    forged(&path.join("fold2/report.json"), &other, |report| report["fold"] = serde_json::Value::Null);
    refused("--fold-report fold1/report.json --fold-report other.json", "is of no fold");
    forged(&path.join("fold2/report.json"), &other, |report| report["fold"]["number"] = "2/4".into());
    refused("--fold-report fold1/report.json --fold-report other.json", "another report of 1/3");

    // A resumed run keeps its fold.
    host(&format!("{train} --fold 2/3 --resume --out run1")).error(2, &["the run is of fold 1/3"]);
    host(&format!("{train} --resume --out run1")).success();
    assert_eq!(read_json(&path.join("run1/run.json"))["fold"], "1/3");
    // Nor does a run begin with weights that have learned from its test split.
    for (own, of) in [("--out run4 --fold 2/3", "this one of fold 2/3"), ("--out run4", "this one of the published splits")] {
        for start in ["run1", "model1.onnx"] {
            host(&format!("{train} --start {start} {own}"))
                .error(2, &[&format!("--start {start}"), "the run is of fold 1/3", of]);
        }
    }
    assert!(!path.join("run4").exists());
    for line in ["train --demo --fold 1/3 --out demo", "evaluate model1.cxr --coronahack data --report no --fold 4/3"] {
        assert_eq!(host(line).code, Some(2), "{line}");
    }
}
