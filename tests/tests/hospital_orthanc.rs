//! `host dicom` beside Orthanc, a real archive: everything is answered once, whatever is restarted in between.

use cxr_tests::dicom::{Radiograph, radiograph};
use cxr_tests::hospital::Hospital;
use cxr_tests::host::run;
use cxr_tests::http;
use cxr_tests::orthanc::{Orthanc, free_port};
use cxr_tests::server::eventually;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const STUDIES: u32 = 100;

/// The interpreter with the packages of scripts/requirements.txt.
fn python() -> PathBuf {
    std::env::var_os("CXR_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Waits for a number of things, for at most three minutes.
#[track_caller]
fn until(what: &str, mut count: impl FnMut() -> usize, wanted: usize) {
    let end = Instant::now() + Duration::from_secs(180);
    let mut found = count();
    while found < wanted {
        assert!(Instant::now() < end, "{found} of {wanted} {what}");
        std::thread::sleep(Duration::from_millis(100));
        found = count();
    }
}

/// Files in a folder of the queue.
fn queued(folder: &Path, part: &str) -> usize {
    fs::read_dir(folder.join("queue").join(part)).map_or(0, Iterator::count)
}

/// Reads everything with pydicom and highdicom; what they counted.
#[track_caller]
fn check(orthanc: &Orthanc, studies: &[Radiograph], more: &[&str]) -> Option<Value> {
    let folder = tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("images")).expect("a temporary folder");
    fs::create_dir_all(path("captures")).expect("a temporary folder");
    for study in studies {
        fs::write(path("images").join(format!("{}.dcm", study.instance)), &study.file).expect("a temporary file");
    }
    for (modality, name) in [("SR", "reports"), ("OT", "captures")] {
        for instance in orthanc.instances(modality) {
            orthanc.download(&instance, &path(name));
        }
    }
    let images = path("images").display().to_string();
    let said = run(cxr_tests::root(), ["predict", "--json", &images].iter().chain(more)).success();
    fs::write(path("predictions.jsonl"), said.stdout).expect("a temporary file");
    let mut script = Command::new(python());
    script.arg(cxr_tests::root().join("scripts/check_dicom_answers.py"));
    script.args(["images", "reports", "captures", "predictions.jsonl"].map(path));
    let output = script.output().unwrap_or_else(|error| panic!("{script:?}: {error}"));
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if errors.contains("ModuleNotFoundError") && std::env::var_os("CXR_PYTHON").is_none() {
        println!("skipped: no pydicom and highdicom here; `cargo xtask test --only integration` installs them");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    println!("{}", out.trim());
    Some(serde_json::from_str(&out).expect("JSON"))
}

#[test]
fn a_hundred_studies_are_answered_once_whatever_is_restarted() {
    let (port, stow) = (free_port(), free_port());
    let Some(mut orthanc) = Orthanc::start(port, stow) else { return };
    let folder = tempdir().expect("a temporary folder");
    let studies: Vec<Radiograph> = (1..=STUDIES).map(radiograph).collect();
    let (listen, to) = (format!("127.0.0.1:{port}"), format!("ORTHANC@127.0.0.1:{}", orthanc.dicom));
    // A small network that refuses nothing: every study has a map.
    let model = ["--model", "tests/golden/fixture.cxr"];
    let arguments =
        ["--listen", &listen, "--to", &to, "--allow-ae", "ORTHANC", "--allow-address", "127.0.0.0/8", "--workers", "2"];
    let arguments = [&arguments[..], &model].concat();
    let mut hospital = Some(Hospital::start(folder.path(), &arguments));
    let names: Vec<String> = studies.iter().map(|study| orthanc.put(&study.file)).collect();
    let send = |orthanc: &Orthanc, name: &str| orthanc.post("/modalities/cxr/store", &json!(name)) == 200;
    let started = Instant::now();
    let mut refused = 0;
    for (n, name) in names.iter().enumerate() {
        match n {
            // Killed with images and answers in hand.
            30 => hospital.take().expect("it runs").kill(),
            // An archive that nobody answers says so, and tries again: here, the test does.
            33 => hospital = Some(Hospital::start(folder.path(), &arguments)),
            // Told to stop.
            60 => assert_eq!(hospital.take().expect("it runs").stop(), Some(0)),
            63 => hospital = Some(Hospital::start(folder.path(), &arguments)),
            // The archive goes, with answers under way, and comes back.
            80 => {
                orthanc.stop();
                std::thread::sleep(Duration::from_secs(2));
                orthanc.run();
            }
            _ => {}
        }
        if !send(&orthanc, name) {
            refused += 1;
            assert!(hospital.is_none(), "{n}: not taken");
        }
    }
    assert_eq!(refused, 6);
    // What was not taken is sent again, and so is the rest, by an archive that does not remember.
    for name in &names {
        assert!(send(&orthanc, name));
    }
    until("reports", || orthanc.instances("SR").len(), studies.len());
    until("done", || queued(folder.path(), "done"), studies.len());
    let seconds = started.elapsed().as_secs_f64();
    // Nothing is under way that could be doubled.
    eventually("an empty queue", || ["in", "out", "failed", "tmp"].map(|part| queued(folder.path(), part)) == [0; 4]);
    assert_eq!(orthanc.instances("SR").len(), studies.len());
    println!("{} studies in {seconds:.1} s, {} captures", studies.len(), orthanc.instances("OT").len());
    if let Some(counted) = check(&orthanc, &studies, &model) {
        assert_eq!(["images", "reports", "captures"].map(|kind| &counted[kind]), [&json!(STUDIES); 3], "{counted}");
    }
    let log = hospital.as_ref().expect("it runs").log();
    assert!(!log.contains("Nobody") && !log.contains("2.25.9"), "a log with a patient in it");
}

#[test]
fn the_same_by_dicomweb_in_both_directions() {
    let (port, stow) = (free_port(), free_port());
    let Some(orthanc) = Orthanc::start(port, stow) else { return };
    let folder = tempdir().expect("a temporary folder");
    let studies: Vec<Radiograph> = (201..=212).map(radiograph).collect();
    let (listen, to) = (format!("127.0.0.1:{stow}"), format!("http://{}/dicom-web/studies", orthanc.http));
    let hospital = Hospital::start(folder.path(), &["--stow", &listen, "--to", &to]);
    let names: Vec<String> = studies.iter().map(|study| orthanc.put(&study.file)).collect();
    for part in names.chunks(5).chain(names.chunks(12)) {
        let body = json!({ "Resources": part, "Synchronous": true });
        assert_eq!(orthanc.post("/dicom-web/servers/cxr/stow", &body), 200, "{}", hospital.log());
    }
    until("done", || queued(folder.path(), "done"), studies.len());
    assert_eq!(orthanc.instances("SR").len(), studies.len());
    // The shipped model knows noise, and generated pictures, for what they are.
    if let Some(counted) = check(&orthanc, &studies, &[]) {
        assert!(counted["verdicts"]["REFUSED"].as_u64().is_some_and(|refused| refused >= 1), "{counted}");
    }
    assert_eq!(hospital.stop(), Some(0));
}

#[test]
fn a_folder_is_watched_and_the_archives_copies_of_answers_are_not_answered() {
    let (port, stow) = (free_port(), free_port());
    let Some(orthanc) = Orthanc::start(port, stow) else { return };
    let folder = tempdir().expect("a temporary folder");
    let watched = folder.path().join("watched");
    fs::create_dir_all(watched.join("deep")).expect("a temporary folder");
    let studies: Vec<Radiograph> = (301..=303).map(radiograph).collect();
    for study in &studies {
        fs::write(watched.join("deep").join(format!("{}.dcm", study.instance)), &study.file).expect("a temporary file");
    }
    fs::write(watched.join("notes.txt"), "no image").expect("a temporary file");
    let (listen, to) = (format!("127.0.0.1:{port}"), format!("http://{}/dicom-web/studies", orthanc.http));
    let watch = watched.display().to_string();
    let arguments =
        ["--watch", &watch, "--watch-step", "1", "--listen", &listen, "--to", &to, "--model", "tests/golden/fixture.cxr"];
    let hospital = Hospital::start(folder.path(), &arguments);
    until("done", || queued(folder.path(), "done"), studies.len());
    // An archive that sends on everything that it stores.
    assert_eq!(orthanc.instances("OT").len(), studies.len());
    for capture in orthanc.instances("OT") {
        assert_eq!(orthanc.post("/modalities/cxr/store", &json!(capture)), 200);
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((queued(folder.path(), "in"), queued(folder.path(), "done")), (0, studies.len()));
    assert_eq!(http::get(orthanc.http, "/statistics").expect(200).json()["CountStudies"], 3);
    drop(hospital);
}
