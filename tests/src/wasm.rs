//! The classifier for browsers: its modules, in node and in a site.

use crate::host::{binary, run};
use crate::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of the modules: with vectors and without.
pub const MODULES: [&str; 2] = ["cxr.simd128.wasm", "cxr.wasm"];

/// The folder of the modules: `CXR_WASM`, or cxr-wasm beside `host`; `None`, with a line that says so, where they are not built.
pub fn modules() -> Option<PathBuf> {
    let named = std::env::var_os("CXR_WASM").map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| binary().with_file_name("cxr-wasm"));
    if MODULES.iter().all(|name| folder.join(name).is_file()) {
        return Some(folder);
    }
    assert!(named.is_none(), "{}: CXR_WASM is set, and the modules are not there", folder.display());
    println!("skipped: no modules for browsers in {}; `cargo xtask site --out DIR` builds them", folder.display());
    None
}

/// Writes a site with the shipped model.
#[track_caller]
pub fn site(out: &Path, modules: &Path) {
    let arguments = ["site".as_ref(), "--out".as_ref(), out.as_os_str(), "--wasm".as_ref(), modules.as_os_str()];
    let run = run(root(), arguments).success();
    print!("{}", run.stdout);
}

/// What scripts/wasm_predict.mjs prints: of the module itself, and of each file.
#[track_caller]
pub fn node(module: &Path, model: &Path, rest: &[&Path], repeat: u32) -> Vec<Value> {
    let mut command = Command::new("node");
    command.arg(root().join("scripts/wasm_predict.mjs")).arg(module).arg(model).args(rest).env("CXR_REPEAT", repeat.to_string());
    let output = command.output().expect("node: `cargo xtask test` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Every file that there is to decode: the project's fixtures and drawings, and those beside the checkout.
pub fn files() -> Vec<PathBuf> {
    let folders = [
        "tests/golden/dicom",
        "tests/golden/pictures",
        "data/samples",
        "../shared/files/inputs",
        "../shared/files/controls/inputs",
    ];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    if !root().join("../shared/files").is_dir() {
        println!("skipped: no ../shared/files here; the project's own fixtures alone");
    }
    files
}
