//! `host data check` on a generated dataset, whole and damaged.

use cxr_tests::CLASSES;
use cxr_tests::data::{self, METADATA, Row};
use cxr_tests::host::{Run, run};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn dataset() -> (TempDir, Vec<Row>) {
    let (folder, rows) = (tempdir().expect("a temporary folder"), data::generated_rows());
    data::write_coronahack(folder.path(), &rows);
    (folder, rows)
}

fn check(folder: &Path) -> Run {
    run(folder, ["data", "check", "--coronahack", "."])
}

#[test]
fn a_whole_dataset_passes_and_every_class_is_counted() {
    let (folder, _) = dataset();
    let table = check(folder.path()).success().stdout;
    for class in CLASSES {
        assert!(table.contains(class), "{class} is not in: {table}");
    }
}

#[test]
fn an_image_of_two_splits_is_a_leak() {
    let (folder, rows) = dataset();
    let of = |dataset_type| rows.iter().find(|row| row.label == "Normal" && row.dataset_type == dataset_type);
    let (Some(train), Some(test)) = (of("TRAIN"), of("TEST")) else { panic!("both types are generated") };
    fs::copy(folder.path().join(train.path()), folder.path().join(test.path())).expect("a temporary image");
    let found = check(folder.path());
    assert_eq!(found.code, Some(1), "{}{}", found.stdout, found.stderr);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempdir().expect("a temporary folder");
    run(folder.path(), ["data", "check", "--coronahack", "nowhere"]).error(2, &["nowhere"]);
}

#[test]
fn a_wrong_csv_names_file_and_column() {
    let (folder, _) = dataset();
    fs::write(folder.path().join(METADATA), "name,label\na.png,Normal\n").expect("a temporary file");
    check(folder.path()).error(2, &[METADATA, "X_ray_image_name"]);
}

#[test]
fn training_refuses_a_dataset_without_covid_19() {
    let folder = tempdir().expect("a temporary folder");
    let rows: Vec<Row> = data::generated_rows().into_iter().filter(|row| row.virus.is_empty()).collect();
    data::write_coronahack(folder.path(), &rows);
    let recipe = cxr_tests::root().join("models/recipes/seed.toml");
    let recipe = recipe.to_str().expect("a UTF-8 path");
    run(folder.path(), ["train", "--recipe", recipe, "--coronahack", ".", "--out", "run"]).error(2, &["Pneumonia/COVID-19"]);
}
