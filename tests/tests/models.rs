//! The shipped models, and exports in general: core against tract, through the command line.

use cxr_tests::data::{link_subset, shared_coronahack};
use cxr_tests::host::{random_model, read_json, run};
use cxr_tests::{lung_finder, root, sha256, shipped_models};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

#[test]
fn core_and_tract_agree_on_every_byte_of_every_shipped_model() {
    let models = shipped_models();
    assert!(!models.is_empty(), "models/ holds no .cxr");
    for model in models {
        let mut arguments = vec!["verify".into(), model.into_os_string(), "--json".into()];
        if let Some(data) = shared_coronahack() {
            arguments.extend(["--limit", "12", "--images"].map(Into::into));
            arguments.push(data.into_os_string());
        }
        run(root(), arguments).success();
    }
}

#[test]
fn the_lung_finder_gives_onnxruntimes_bytes() {
    let [cxr, onnx] = ["cxr", "onnx"].map(|kind| lung_finder().with_extension(kind).into_os_string());
    run(root(), ["verify".into(), cxr, "--against".into(), onnx]).success();
}

#[test]
fn files_of_two_models_do_not_pass_as_one() {
    let folder = tempdir().expect("a temporary folder");
    let (one, other) = (random_model(folder.path(), "one", 11), random_model(folder.path(), "other", 12));
    run(folder.path(), [OsStr::new("verify"), one.as_os_str()]).success();
    fs::copy(other.with_extension("int8.onnx"), one.with_extension("int8.onnx")).expect("a temporary file");
    let found = run(folder.path(), [OsStr::new("verify"), one.as_os_str()]);
    assert_eq!(found.code, Some(1), "{}{}", found.stdout, found.stderr);
}

#[test]
fn exports_are_reproducible() {
    let folder = tempdir().expect("a temporary folder");
    let (one, same) = (random_model(folder.path(), "one", 13), random_model(folder.path(), "same", 13));
    for extension in ["cxr", "onnx", "int8.onnx"] {
        let hash = |prefix: &Path| sha256(&fs::read(prefix.with_extension(extension)).expect("an exported file"));
        assert_eq!(hash(&one), hash(&same), "{extension}");
    }
}

/// Evaluates the shipped model on a part of the real dataset: tract gives the logits of core, bit by bit.
#[test]
fn core_and_tract_evaluate_alike_on_real_images() {
    let Some(data) = shared_coronahack() else { return };
    let folder = tempdir().expect("a temporary folder");
    link_subset(&data, folder.path());
    let model = root().join("models/default.cxr");
    let arguments = ["evaluate", "MODEL", "--coronahack", ".", "--report", "report"];
    let arguments = arguments.map(|a| if a == "MODEL" { model.clone().into_os_string() } else { a.into() });
    run(folder.path(), arguments).success();
    let report = read_json(&folder.path().join("report/report.json"));
    assert_eq!(report["engine"], "core");
    assert_eq!(report["model_sha256"], sha256(&fs::read(&model).expect("the model")));
    let test = &report["splits"]["test"];
    assert!(test["n"].as_u64().is_some_and(|n| n > 20) && test["accuracy"].is_number(), "{test}");
    let same = &report["agreement"]["tract_int8"];
    assert!(same["n"].as_u64().is_some_and(|n| n > 20) && same["hits"] == same["n"], "{same}");
}
