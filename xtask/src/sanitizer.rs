//! AddressSanitizer on Rust code: what compilers of the stable channel carry, and let be used by name of `RUSTC_BOOTSTRAP` alone.

use crate::shell::{Workspace, run};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The machine that CI runs on; a target must be named, or else build scripts would be instrumented too.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// `cargo SUBCOMMAND` for a package, instrumented; artefacts lie apart.
fn cargo(workspace: &Workspace, subcommand: &str, package: &str) -> Result<Command> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("sanitizers are set up for {TARGET} only");
    }
    let mut cargo = workspace.cargo(&format!("{subcommand} --release --target {TARGET} --package {package}"));
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address -Cdebug-assertions -Coverflow-checks");
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("sanitizer"));
    Ok(cargo)
}

/// Runs a package's unit and integration tests.
pub fn test(workspace: &Workspace, package: &str) -> Result<()> {
    run(cargo(workspace, "test --lib --tests", package)?)
}

/// Builds a package; the folder that holds the result.
pub fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    run(cargo(workspace, "build", package)?)?;
    Ok(workspace.target.join("sanitizer").join(TARGET).join("release"))
}
