//! Helpers of the tests in `tests/`, which drive the built `host` in temporary folders.

pub mod archive;
pub mod browser;
pub mod data;
pub mod dicom;
pub mod dimse;
pub mod golden;
pub mod hospital;
pub mod host;
pub mod http;
pub mod orthanc;
pub mod server;
pub mod static_host;
pub mod wasm;

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Class names, in the order of every file and report.
pub const CLASSES: [&str; 3] = ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"];

/// The workspace's folder.
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Prefixes (`models/NAME`) of the shipped classifiers; the lung finder is an imported network ([`lung_finder`]).
pub fn shipped_models() -> Vec<PathBuf> {
    let all = files(&root().join("models"), "cxr").into_iter().map(|path| path.with_extension(""));
    all.filter(|prefix| *prefix != lung_finder()).collect()
}

/// Prefix of the shipped lung finder.
pub fn lung_finder() -> PathBuf {
    root().join("models/lungs")
}

/// Files of a folder with an extension, sorted; none if the folder is absent.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
