//! Files that a crate's archive needs and that lie elsewhere: copies, for a clone on Windows has no symbolic links. Git stores the bytes once.

use crate::shell::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Crates that are published: each has the licences.
const CRATES: [&str; 9] =
    ["core", "core/engine", "firmware/protocol", "host", "host/app", "host/convert", "host/dicom", "host/study", "tests/kit"];

/// What else is copied, and where.
const FILES: [(&str, &str); 14] = [
    ("core/tests/tiny/tiny.cxr", "tests/kit/tiny.cxr"),
    ("data/fold_patients.csv", "host/study/shipped/fold_patients.csv"),
    ("data/ieee8023_patients.csv", "host/study/shipped/ieee8023_patients.csv"),
    ("data/same_patients.csv", "host/study/shipped/same_patients.csv"),
    ("data/samples/covid-19.png", "host/app/shipped/samples/covid-19.png"),
    ("data/samples/normal.png", "host/app/shipped/samples/normal.png"),
    ("data/samples/pneumonia.png", "host/app/shipped/samples/pneumonia.png"),
    ("models/default.cxr", "host/app/shipped/default.cxr"),
    ("models/default.json", "host/app/shipped/default.json"),
    ("models/default.report.json", "host/app/shipped/default.report.json"),
    ("models/lungs.cxr", "host/app/shipped/lungs.cxr"),
    ("models/recipes/demo.toml", "host/study/shipped/demo.toml"),
    ("scripts/onnx_referee.py", "host/convert/scripts/onnx_referee.py"),
    ("scripts/tflite_referee.py", "host/convert/scripts/tflite_referee.py"),
];

/// Originals and copies.
fn all() -> impl Iterator<Item = (String, String)> {
    let licenses = CRATES
        .into_iter()
        .flat_map(|folder| ["LICENSE-MIT", "LICENSE-APACHE"].map(|license| (license.to_owned(), format!("{folder}/{license}"))));
    licenses.chain(FILES.map(|(from, to)| (from.to_owned(), to.to_owned())))
}

fn read(root: &Path, path: &str) -> Result<Vec<u8>> {
    fs::read(root.join(path)).with_context(|| path.to_owned())
}

/// Writes every copy that is not its original.
pub fn write(workspace: &Workspace) -> Result<()> {
    for (from, to) in all() {
        let bytes = read(&workspace.root, &from)?;
        if read(&workspace.root, &to).is_ok_and(|found| found == bytes) {
            continue;
        }
        fs::write(workspace.root.join(&to), bytes).with_context(|| to.clone())?;
        println!("{from} -> {to}");
    }
    Ok(())
}

/// Every copy is its original, and no link is left.
pub fn check(root: &Path) -> Result<()> {
    for (from, to) in all() {
        let same = read(root, &from)? == read(root, &to)? && !root.join(&to).is_symlink();
        ensure!(same, "{to} is not a copy of {from}: run `cargo xtask copies` and commit it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_current() {
        check(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap();
    }
}
