//! The classifier for browsers, and the site around it.

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-unknown-unknown";
/// The folder in which `host` looks for the modules.
const FOLDER: &str = "cxr-wasm";
/// Decoders of hostile files nest deeper than the megabyte that a module has by default.
const STACK: &str = "-C link-arg=-zstack-size=4194304";
/// Names of the modules and the features that they are compiled with. A browser that lacks one cannot load its module.
const MODULES: [(&str, &str); 2] = [("cxr.simd128.wasm", "-C target-feature=+simd128"), ("cxr.wasm", "")];

/// Builds the modules for browsers beside the program; their folder.
pub fn modules(workspace: &Workspace) -> Result<PathBuf> {
    ensure!(
        install::target(workspace, TARGET)?,
        "the standard library of {TARGET} is missing: run `rustup target add {TARGET}` where there is a network"
    );
    let folder = workspace.target.join("release").join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, features) in MODULES {
        // Each in a folder of its own: with other flags Cargo compiles everything anew.
        let target = workspace.target.join("wasm").join(name.trim_end_matches(".wasm"));
        let mut cargo =
            workspace.cargo(&format!("rustc --package cxr-wasm --lib --crate-type cdylib --profile browser --target {TARGET}"));
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", format!("{features} {STACK}"));
        run(cargo)?;
        let built = target.join(TARGET).join("browser/cxr_wasm.wasm");
        fs::copy(&built, folder.join(name)).with_context(|| built.display().to_string())?;
    }
    Ok(folder)
}

/// Builds the modules and `host` without training, and writes the site.
pub fn site(workspace: &Workspace, out: &Path, model: Option<&Path>) -> Result<()> {
    let wasm = modules(workspace)?;
    let mut cargo = workspace.cargo("run --release --package cxr-host --no-default-features --features serve -- site --out");
    cargo.arg(std::path::absolute(out)?).arg("--wasm").arg(wasm);
    if let Some(model) = model {
        cargo.arg("--model").arg(std::path::absolute(model)?);
    }
    run(cargo)
}
