//! `host predict` with a small random model and with the shipped one.

use cxr_tests::host::{random_model, run};
use cxr_tests::{CLASSES, data, files, root, sha256};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Checks one object of `predict --json` against the design.
#[track_caller]
fn assert_prediction(found: &Value, image: &Path, model: &Path) {
    assert_eq!(found["sha256"], sha256(&fs::read(image).expect("the image")), "{found}");
    assert_eq!(found["model_sha256"], sha256(&fs::read(model).expect("the model")), "{found}");
    assert!(found["image"].is_string() && found["model"].is_string(), "{found}");
    let probabilities = CLASSES.map(|class| found["probabilities"][class].as_f64().unwrap_or(f64::NAN));
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{found}");
    assert_eq!(found["logits"].as_array().map(Vec::len), Some(3), "{found}");
    let abstained = found["abstained"].as_bool().unwrap_or_else(|| panic!("abstained: {found}"));
    match found["label"].as_str() {
        Some(label) => assert!(!abstained && CLASSES.contains(&label), "{found}"),
        None => assert!(abstained && found["reason"].is_string(), "{found}"),
    }
    // The promise is 200; a loaded machine gets more.
    assert!(found["milliseconds"].as_f64().is_some_and(|time| time > 0.0 && time < 2000.0), "{found}");
}

#[test]
fn the_shipped_model_classifies_the_shipped_samples() {
    let model = root().join("models/default.cxr");
    let samples = files(&root().join("data/samples"), "png");
    assert!(!samples.is_empty(), "data/samples holds no PNG");
    let mut arguments = vec!["predict".into(), "--json".into()];
    arguments.extend(samples.iter().map(|path| path.clone().into_os_string()));
    let run = run(root(), arguments).success();
    let found = run.json_lines();
    assert_eq!(found.len(), samples.len());
    for (found, image) in found.iter().zip(&samples) {
        assert_prediction(found, image, &model);
    }
}

#[test]
fn the_text_form_names_the_verdict_and_what_it_is_not() {
    let folder = tempdir().expect("a temporary folder");
    random_model(folder.path(), "random", 5);
    data::write_image(&folder.path().join("x.png"), 1);
    let text = run(folder.path(), ["predict", "x.png", "--model", "random.cxr"]).success();
    assert!(text.stdout.contains("x.png"), "{}", text.stdout);
    assert!((text.stdout + &text.stderr).contains("not a medical device"));
}

#[test]
fn content_decides_not_the_extension_and_the_same_pixels_give_the_same_bits() {
    let folder = tempdir().expect("a temporary folder");
    let model = random_model(folder.path(), "random", 6).with_extension("cxr");
    let (png, misnamed) = (folder.path().join("a.png"), folder.path().join("b.jpeg"));
    data::write_image(&png, 2);
    fs::copy(&png, &misnamed).expect("a temporary image");
    let run = run(folder.path(), ["predict", "--json", "--model", "random.cxr", "a.png", "b.jpeg"]).success();
    let found = run.json_lines();
    assert_eq!(found.len(), 2);
    assert_prediction(&found[0], &png, &model);
    assert_prediction(&found[1], &misnamed, &model);
    assert_eq!(found[0]["logits"], found[1]["logits"]);
}

#[test]
fn bad_input_is_named_in_one_line() {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path();
    let model = random_model(path, "random", 7).with_extension("cxr");
    data::write_image(&path.join("x.png"), 3);
    fs::write(path.join("letter.png"), "Dear Sir or Madam").expect("a temporary file");
    fs::write(path.join("empty.png"), "").expect("a temporary file");
    for image in ["letter.png", "empty.png", "absent.png"] {
        run(path, ["predict", "--model", "random.cxr", image]).error(2, &[image]);
    }

    let whole = fs::read(&model).expect("the model");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for (name, bytes) in [("cut.cxr", &whole[..whole.len() / 2]), ("damaged.cxr", &damaged), ("text.cxr", b"no model")] {
        fs::write(path.join(name), bytes).expect("a temporary file");
        run(path, ["predict", "--model", name, "x.png"]).error(2, &[name]);
    }
    run(path, ["predict", "--model", "absent.cxr", "x.png"]).error(2, &["absent.cxr"]);
}
