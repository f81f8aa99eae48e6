//! The Python wheel: built by maturin, installed into an environment that has never seen it, tested there.

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result};
use std::fs;

/// What builds and tests it.
const LIST: &str = "scripts/requirements-wheel.txt";

/// Builds, installs and tests the wheel.
pub fn test(workspace: &Workspace) -> Result<()> {
    let tools = install::environment(workspace, "wheel-tools", LIST)?;
    let wheels = workspace.target.join("wheels");
    if wheels.is_dir() {
        fs::remove_dir_all(&wheels).with_context(|| wheels.display().to_string())?;
    }
    let mut maturin = workspace.command(&tools);
    maturin.args(["-m", "maturin", "build", "--release", "--locked", "--manifest-path", "host/python/Cargo.toml", "--out"]);
    maturin.arg(&wheels).env("CARGO_TARGET_DIR", &workspace.target);
    run(maturin)?;

    let clean = workspace.target.join("wheel-clean");
    let mut venv = workspace.command(&tools);
    venv.args(["-m", "venv", "--clear"]).arg(&clean);
    run(venv)?;
    let python = clean.join("bin/python");
    let wheel = fs::read_dir(&wheels)?.next().context("maturin wrote no wheel")??.path();
    let mut pip = workspace.command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", LIST]).arg(wheel);
    run(pip)?;
    let mut tests = workspace.command(&python);
    tests.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "host/python/tests"]).env("CXR_ROOT", &workspace.root);
    let host = workspace.target.join("release/host");
    if host.is_file() {
        tests.env("CXR_HOST", host);
    }
    run(tests)
}
