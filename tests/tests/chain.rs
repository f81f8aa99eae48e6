//! The whole way without any dataset: train on generated images, export, verify, predict, evaluate.

use cxr_tests::host::{Run, read_json, run};
use cxr_tests::{data, sha256};
use std::fs;
use tempfile::tempdir;

#[test]
fn from_training_to_a_verdict() {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path();
    let host = |line: &str| -> Run { run(path, line.split(' ')).success() };

    host("train --demo --out run");
    let metrics = fs::read_to_string(path.join("run/metrics.csv")).expect("run/metrics.csv");
    assert!(metrics.lines().count() > 1, "{metrics}");

    host("export run --out model");
    let card = read_json(&path.join("model.json"));
    assert!(card["arena_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{card}");
    for extension in ["cxr", "onnx", "int8.onnx"] {
        assert!(path.join("model").with_extension(extension).is_file(), "{extension}");
    }

    host("verify model --json");

    // What was exported is trained on, without its run; slowly, so that what it knows is seen.
    let recipe = fs::read_to_string(path.join("run/recipe.toml")).expect("run/recipe.toml");
    assert!(recipe.contains("peak = 0.01"), "{recipe}");
    fs::write(path.join("slow.toml"), recipe.replace("peak = 0.01", "peak = 1e-6")).expect("slow.toml");
    host("train --demo --recipe slow.toml --epochs 1 --start model.onnx --out again");
    let again = read_json(&path.join("again/run.json"));
    let start = format!("model.onnx (SHA-256 {})", sha256(&fs::read(path.join("model.onnx")).expect("the network")));
    assert_eq!((again["start"].as_str(), &again["after"][0]["recipe"]), (Some(start.as_str()), &"demo".into()));
    let [first, again] = ["run", "again"].map(|run| {
        let summary = read_json(&path.join(run).join("run.json"));
        summary["best"]["val_accuracy"].as_f64().expect("an accuracy")
    });
    assert!(first > 0.8 && again >= first - 0.1, "{again} after {first}");
    for (file, part) in [
        ("model.int8.onnx", "not a float network that `host export` wrote"),
        ("model.cxr", "not a float network that `host export` wrote"),
        ("nothing.onnx", "cannot be read"),
    ] {
        let line = format!("train --demo --start {file} --out no");
        run(path, line.split(' ')).error(2, &[file, part]);
        assert!(!path.join("no").exists());
    }
    fs::copy(path.join("model.onnx"), path.join("alone.onnx")).expect("a copy");
    run(path, "train --demo --start alone.onnx --out no".split(' ')).error(2, &["alone.json"]);

    data::write_image(&path.join("x.png"), 4);
    let found = host("predict --json --model model.cxr x.png").json_lines();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["model_sha256"], sha256(&fs::read(path.join("model.cxr")).expect("the model")));

    data::write_coronahack(&path.join("data"), &data::generated_rows());
    host("evaluate model.cxr --coronahack data --report report");
    let report = read_json(&path.join("report/report.json"));
    assert!(report["splits"]["test"]["confusion"].is_array(), "{}", report["splits"]);
    // tract gives the logits of core, bit by bit.
    assert_eq!(report["agreement"]["tract_int8"]["value"], 1.0);
}
