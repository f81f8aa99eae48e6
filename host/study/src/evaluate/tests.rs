//! The whole report on generated images.

use super::*;
use crate::bundle::Bundle;
use crate::dataset::fixture::{self, HEADER, ROWS};
use rownet_convert::chain::random::{FIXTURE, network};
use serde_json::Value;
use std::fs;
use std::path::Path;

const EXTERNAL: &str = "\
a.png,nih,Normal/NA,external_test,nih_1,40,M,PA,No Finding,CC0
b.png,nih,Normal/NA,external_test,nih_2,4,F,AP,No Finding,CC0
c.png,nih,Pneumonia/NA,external_test,nih_3,61,F,AP,Pneumonia,CC0
d.png,rsna,Normal/NA,external_test,rsna_1,,,,Normal,CC0
e.png,ieee8023,Pneumonia/COVID-19,external_test,ieee_x1,50,M,PA,COVID-19,CC0
f.png,ieee8023,not-a-frontal-chest-x-ray,out_of_distribution,ieee_x2,50,M,Axial,COVID-19,CC0
g.png,rsna,Normal/NA,train,rsna_9,,,,Normal,CC0
";

/// Sections of every report.
const SECTIONS: [&str; 22] = [
    "headline",
    "unseen",
    "splits",
    "classes",
    "specificity",
    "normal",
    "calibration",
    "predictive",
    "subgroups",
    "selective",
    "refusal",
    "data",
    "baselines",
    "borders",
    "controls",
    "sources",
    "robustness",
    "shape",
    "agreement",
    "seeds",
    "folds",
    "gallery",
];

/// A random network beside which `host evaluate` runs, with its ONNX files.
fn model(folder: &Path) -> PathBuf {
    let prefix = folder.join("m<odel>");
    Bundle::random(network(7, [64, 64, 3], &FIXTURE), 7).unwrap().write(&prefix).unwrap();
    files::with_suffix(&prefix, "cxr")
}

/// The files of a report.
struct Written {
    json: Value,
    html: String,
    markdown: String,
    card: String,
}

fn evaluate(args: &Args) -> Written {
    run(args).unwrap();
    let read = |name: &str| fs::read_to_string(args.report.join(name)).unwrap();
    Written {
        json: serde_json::from_str(&read("report.json")).unwrap(),
        html: read("report.html"),
        markdown: read("report.md"),
        card: read("model-card.md"),
    }
}

fn assert_loads_nothing(html: &str) {
    for outside in ["http:", "https:", "//", "<script", "<link", "<iframe", "@import", "url(", "src=\"/", "srcset"] {
        assert!(!html.contains(outside) || outside == "//" && !html.contains("=\"//"), "{outside}");
    }
    let sources = html.split(" src=\"").skip(1).all(|rest| rest.starts_with("data:image/jpeg;base64,"));
    let links = html.split(" href=\"").skip(1).all(|rest| rest.starts_with('#'));
    assert!(sources && links);
}

#[test]
fn every_section_is_there_or_says_why_not() {
    let (coronahack, external) = (fixture::coronahack(&format!("{HEADER}{ROWS}")), fixture::external(EXTERNAL));
    let folder = tempfile::tempdir().unwrap();
    let mut args = Args {
        model: model(folder.path()),
        data: DataArgs { coronahack: coronahack.path().to_owned(), external: vec![], fold: None },
        engine: EngineName::Core,
        report: folder.path().join("benchmark"),
        others: other_runs::Args::default(),
        no_gallery_images: true,
    };

    // CoronaHack alone: nothing is left out in silence.
    let found = evaluate(&args);
    for section in SECTIONS {
        assert!(found.html.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    assert_eq!(found.html.matches("<section ").count(), SECTIONS.len());
    assert_loads_nothing(&found.html);
    assert!(!found.html.contains("data:image"), "no image without leave");
    assert!(found.html.contains("m&lt;odel&gt;") && !found.html.contains("m<odel>") && found.html.contains(DISCLAIMER));
    for reason in ["no --external folder was given", "--seed-report", "--fold-report", "no refusal head"] {
        assert!(found.html.contains(reason) && found.markdown.contains(reason), "{reason}");
    }
    assert_eq!(found.json["headline"]["healthy_called_covid"]["n"], 0);
    assert!(found.json["seeds"]["not_computed"].is_string() && found.json["folds"]["not_computed"].is_string());

    // With other sources, other runs and pictures.
    args.data.external = vec![external.path().to_owned()];
    let mut seed = found.json.clone();
    seed["model_sha256"] = "another".into();
    let path = folder.path().join("seed.json");
    fs::write(&path, seed.to_string()).unwrap();
    args.others.seed_report = vec![path];
    args.others.fold_report = args.others.seed_report.clone();
    assert!(run(&args).unwrap_err().to_string().contains("is of no fold"));
    args.others.fold_report.clear();
    args.report = folder.path().join("all");
    args.no_gallery_images = false;
    let found = evaluate(&args);
    assert_loads_nothing(&found.html);
    let json = &found.json;
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in [
        "notice",
        "engine",
        "model",
        "model_sha256",
        "recipe",
        "fold",
        "classes",
        "headline",
        "leave_out",
        "unseen",
        "unseen_together",
        "confirmed_opacities",
        "splits",
        "healthy_adults_called_covid",
        "refusal",
        "sensitivity_at_95_specificity",
        "normal_vs_abnormal",
        "calibration",
        "predictive_values",
        "subgroups",
        "data",
        "baselines",
        "borders",
        "source_prediction",
        "controls",
        "selective",
        "agreement",
        "seeds",
        "folds",
        "gallery",
        "seconds",
    ] {
        assert!(keys.contains(&key), "{key}");
    }
    assert_eq!(json["headline"]["healthy_called_covid"]["n"], 3);
    assert_eq!(json["healthy_adults_called_covid"]["n"], 2);
    assert_eq!(json["headline"]["covid_sensitivity_external"]["n"], 1);
    assert_eq!(json["splits"]["external_test"]["n"], 5);
    assert_eq!(json["data"]["patients_in_two_splits"], 0);
    assert_eq!(json["controls"]["external_test"]["changed_by_flip"]["n"], 5);
    let shape = &json["controls"]["external_test"]["shape"];
    for (row, (class, n)) in [("Normal/NA", 3), ("Pneumonia/NA", 1), ("Pneumonia/COVID-19", 1)].into_iter().enumerate() {
        assert_eq!(shape[row]["class"], class);
        for stretch in ["as_is", "wide", "tall"] {
            assert_eq!(shape[row][stretch]["n"], n, "{shape}");
        }
    }
    assert_eq!(json["agreement"]["tract_int8"]["value"], 1.0, "{}", json["agreement"]);
    assert_eq!(json["agreement"]["float"]["external_test"]["same_class"]["n"], 5);
    assert_eq!(json["seeds"]["accuracy, test"]["runs"], 2);
    assert!(json["fold"].is_null());
    let mistakes = json["gallery"].as_array().unwrap();
    assert!(!mistakes.is_empty() && mistakes[0]["path"].as_str().is_some_and(|path| Path::new(path).is_file()));
    assert_eq!(found.html.matches("data:image/jpeg").count(), mistakes.len());
    assert!(
        found.card.contains(DISCLAIMER) && found.card.contains("called COVID-19") && found.card.contains("## Known failures")
    );
    let lines = fs::read_to_string(args.report.join("predictions.csv")).unwrap().lines().count();
    let n = |split: &str| json["splits"][split]["n"].as_u64().unwrap() as usize;
    assert_eq!(lines, 1 + n("val") + n("test") + n("external_test"));

    // The seeds again, from the report before; one of other images is refused, and nothing is written.
    args.others.seed_report.clear();
    args.others.earlier = Some(args.report.join("report.json"));
    args.report = folder.path().join("again");
    assert_eq!(evaluate(&args).json["seeds"], json["seeds"]);
    // Where the other sources' images have changed, their figures of the seeds are dropped by name.
    let mut fewer = json.clone();
    fewer["splits"]["external_test"]["accuracy"] = 0.125.into();
    let path = folder.path().join("fewer.json");
    fs::write(&path, fewer.to_string()).unwrap();
    args.others.earlier = Some(path);
    args.report = folder.path().join("dropped");
    let found = evaluate(&args);
    assert_eq!(found.json["seeds_dropped"], serde_json::json!(["accuracy, external_test"]));
    assert!(found.json["seeds"]["accuracy, external_test"].is_null());
    assert_eq!(found.json["seeds"]["accuracy, test"], json["seeds"]["accuracy, test"]);
    assert!(found.markdown.contains("Not taken over from the report before"));
    args.report = folder.path().join("other");
    let mut changed = json.clone();
    changed["splits"]["test"]["accuracy"] = 0.125.into();
    let path = folder.path().join("changed.json");
    fs::write(&path, changed.to_string()).unwrap();
    args.others.earlier = Some(path);
    let error = run(&args).unwrap_err().to_string();
    assert!(error.contains("changed.json: has 0.125 for accuracy, test"), "{error}");
    assert!(!args.report.exists());

    // Of the model that the last phase of the training began with: its seeds stand under a name of their own.
    let about = args.model.with_extension("json");
    let mut trained: serde_json::Value = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
    trained["training"] = serde_json::json!({ "epochs_done": 2, "after": [{ "recipe": "first", "epochs": 3 }] });
    fs::write(&about, trained.to_string()).unwrap();
    let mut first = json.clone();
    first["model_sha256"] = "that of the first phase".into();
    first["recipe"] = serde_json::json!({ "name": "first", "epochs": 3 });
    let path = folder.path().join("first.json");
    fs::write(&path, first.to_string()).unwrap();
    args.others.earlier = Some(path.clone());
    let found = evaluate(&args);
    assert!(found.json["seeds"]["not_computed"].is_string());
    assert_eq!(found.json["seeds_before"]["figures"], json["seeds"]);
    assert_eq!(found.json["seeds_before"]["model_sha256"], "that of the first phase");
    assert!(found.html.contains("last phase (first, 3 epochs)") && found.markdown.contains("last phase (first, 3 epochs)"));
    assert!(found.card.contains("One run of the last phase") && found.card.contains(" (of the last phase), backend"));
    // They are kept in the next report, of this model or of one that was trained on from it.
    let before = found.json["seeds_before"].clone();
    let mut second = found.json;
    for of_first in [false, true] {
        if of_first {
            second["model_sha256"] = "that of the second phase".into();
            second["recipe"] = first["recipe"].clone();
        }
        fs::write(&path, second.to_string()).unwrap();
        assert_eq!(evaluate(&args).json["seeds_before"], before);
    }
    first["data"]["splits"][0]["patients"] = 1.into();
    fs::write(&path, first.to_string()).unwrap();
    args.report = folder.path().join("other images");
    let error = run(&args).unwrap_err().to_string();
    assert!(error.contains("first.json: its seeds and folds are of other images"), "{error}");
    args.others.earlier = None;

    // Another engine: what only core can say is said to be missing.
    args.engine = EngineName::Tract;
    args.report = folder.path().join("tract");
    let found = evaluate(&args);
    assert_eq!(found.json["engine"], "tract");
    assert!(found.json["refusal"].is_null() && found.json["controls"]["test"]["not_computed"].is_string());
    assert!(found.html.contains("--engine core"));
}

#[test]
fn hospitals_that_a_model_has_not_seen_stand_apart() {
    let coronahack = fixture::coronahack(&format!("{HEADER}{ROWS}"));
    let external = fixture::external(&format!(
        "{EXTERNAL}p.png,pk,Normal/NA,train,pk_1,,,,,x\nq.png,pk,other-finding,train,pk_2,,,,tuberculosis,x\n\
         r.png,pk,Normal/NA,external_test,pk_3,,,,,x\n"
    ));
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let about = model.with_extension("json");
    let mut trained: Value = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
    trained["training"] = serde_json::json!({ "hospitals_seen": ["coronahack", "ieee8023+darkcovidnet", "nih+rsna"] });
    fs::write(&about, trained.to_string()).unwrap();
    let mut args = Args {
        model,
        data: DataArgs { coronahack: coronahack.path().to_owned(), external: vec![external.path().to_owned()], fold: None },
        engine: EngineName::Core,
        report: folder.path().join("own"),
        others: other_runs::Args::default(),
        no_gallery_images: true,
    };
    let found = evaluate(&args);
    let pk = &found.json["unseen"]["pk"];
    for (key, n) in [("healthy_called_covid", 2), ("other_finding_called_covid", 1), ("abstained", 3), ("covid_found", 0)] {
        assert_eq!(pk[key]["n"], n, "{key} {pk}");
    }
    assert_eq!((pk["n"].as_u64(), pk["patients"].as_u64(), pk["external_test"]["n"].as_u64()), (Some(3), Some(3), Some(1)));
    assert_eq!(found.json["splits"]["external_test"]["n"], 5);
    assert!(found.json["unseen"]["nih+rsna"].is_null());
    assert!(found.card.contains("of a hospital never seen (pk)") && found.markdown.contains("## Hospitals never seen"));

    // The same network as if it had been trained without nih.
    trained["training"] = serde_json::json!({ "hospitals_seen": ["coronahack", "ieee8023+darkcovidnet", "pk"] });
    trained["leave_out"] = serde_json::json!(["nih+rsna"]);
    fs::write(&about, trained.to_string()).unwrap();
    args.report = folder.path().join("without");
    let without = evaluate(&args);
    assert_eq!(without.json["unseen"]["nih+rsna"]["n"], 5);
    assert_eq!(without.json["splits"]["external_test"]["n"], 2);
    trained["training"]["hospitals_seen"] = serde_json::json!(["coronahack", "ieee8023+darkcovidnet", "nih+rsna"]);
    trained["leave_out"] = serde_json::json!([]);
    fs::write(&about, trained.to_string()).unwrap();
    args.others.leave_out_report = vec![folder.path().join("without")];
    args.report = folder.path().join("both");
    let both = evaluate(&args);
    assert_eq!(
        both.json["unseen"]["nih+rsna"]["healthy_called_covid"],
        without.json["unseen"]["nih+rsna"]["healthy_called_covid"]
    );
    assert_eq!(both.json["unseen"]["nih+rsna"]["network"]["is_this_model"], false);
    assert!(both.markdown.contains("a network trained without nih+rsna"));
}
