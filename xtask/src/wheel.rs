//! The Python wheel: built by maturin, installed into an environment that has never seen it, tested there.

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result};
use std::fs;

/// What builds it.
const TOOLS: &str = "scripts/requirements-maturin.txt";
/// What tests it.
const LIST: &str = "scripts/requirements-wheel.txt";

/// What it does without numpy, pytest and the like beside it.
const ALONE: &str = "import cxr, sys; assert cxr.Classifier().predict(open(sys.argv[1], 'rb').read())['logits']";

/// A caller with types.
const TYPED: &str = "
import cxr, numpy, numpy.typing
def maps(array: numpy.typing.NDArray[numpy.uint16]) -> list[cxr.Map]:
    prediction: cxr.Prediction = cxr.Classifier().predict(array, maps=True)
    return prediction['maps']
";

/// Builds, installs and tests the wheel.
pub fn test(workspace: &Workspace) -> Result<()> {
    let tools = install::environment(workspace, "wheel-tools", TOOLS)?;
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
    // By itself first: it needs no other package.
    let mut pip = workspace.command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-index"]).arg(&wheel);
    run(pip)?;
    let mut alone = workspace.command(&python);
    alone.args(["-I", "-c", ALONE, "data/samples/normal.png"]);
    run(alone)?;
    let mut pip = workspace.command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", LIST]);
    run(pip)?;
    // The types are those of the module, and enough for the example and for arrays. Dask's own are not complete.
    let mypy = |arguments: &[&str]| {
        let mut mypy = workspace.command(&python);
        mypy.arg("-m").args(arguments).env("MYPY_CACHE_DIR", workspace.target.join("mypy"));
        mypy
    };
    let mut stubs = mypy(&["mypy.stubtest", "cxr"]);
    // It writes a cache where it runs.
    stubs.current_dir(&workspace.target);
    run(stubs)?;
    let strict = ["mypy", "--strict", "--allow-untyped-calls", "--ignore-missing-imports"];
    run(mypy(&[&strict[..], &["examples/dask_archive.py"]].concat()))?;
    run(mypy(&[&strict[..], &["-c", TYPED]].concat()))?;
    let mut tests = workspace.command(&python);
    tests.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "host/python/tests"]).env("CXR_ROOT", &workspace.root);
    let host = workspace.target.join("release/host");
    if host.is_file() {
        tests.env("CXR_HOST", host);
    }
    run(tests)
}
