//! Memory errors: AddressSanitizer on Rust code, and Miri.
//!
//! The compiler of the stable channel carries the sanitizer, and lets it be used under `RUSTC_BOOTSTRAP` alone. Miri is a component
//! of the nightly channel.

use crate::install;
use crate::shell::{Workspace, output, run};
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

/// Runs tests of a package.
pub fn test(workspace: &Workspace, package: &str, which: &str) -> Result<()> {
    run(cargo(workspace, &format!("test {which}"), package)?)
}

/// Builds a package; the folder that holds the result.
pub fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    run(cargo(workspace, "build", package)?)?;
    Ok(workspace.target.join("sanitizer").join(TARGET).join("release"))
}

/// Every kernel, random networks, hostile arguments under the sanitizer; what has no vectors in Miri.
pub fn memory(workspace: &Workspace) -> Result<()> {
    test(workspace, "rownet", "--lib --features encode")?;
    test(workspace, "cxr-core", "--lib --test hostile --test networks --test limits")?;
    miri(workspace)
}

/// The portable kernels and the C interface, interpreted: also pointers that alias, and reads of what was never written.
fn miri(workspace: &Workspace) -> Result<()> {
    let miri = |arguments: &str| {
        let mut cargo = workspace.command("cargo");
        cargo.arg("+nightly").arg("miri").args(arguments.split_whitespace());
        // Tests read files of the checkout.
        cargo.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("CARGO_TARGET_DIR", workspace.target.join("miri"));
        cargo
    };
    if output(miri("--version")).is_err() {
        let _alone = install::alone()?;
        let mut rustup = workspace.command("rustup");
        rustup.args(["component", "add", "--toolchain", "nightly", "miri", "rust-src"]);
        if run(rustup).is_err() {
            println!("not run: Miri: no nightly compiler that rustup can add `miri` and `rust-src` to");
            return Ok(());
        }
    }
    run(miri("test --package cxr-capi --test interface --test network"))?;
    run(miri("test --package cxr-core --test hostile"))
}
