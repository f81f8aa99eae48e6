//! The container image: made of a static program by deploy/Containerfile, run as docs/deploy.md says, asked for predictions.

use crate::install;
use crate::shell::{Workspace, have, output, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const IMAGE: &str = "localhost/cxr-test";
const PROBE: &str = "localhost/cxr-probe";
const PACKAGES: [&str; 6] = ["podman", "runc", "netavark", "aardvark-dns", "iptables", "catatonit"];

/// A machine that may be a container itself: no raised limits, control groups of either version (crun wants version 2).
const CONFIGURATION: &str = r#"[containers]
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
[engine]
runtime = "runc"
"#;

/// Builds the image and runs `tests/tests/container.rs`; says so and passes where no container can be started.
pub fn test(workspace: &Workspace) -> Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("not run: the static program of this step is {TARGET}");
        return Ok(());
    }
    if let Err(error) = install::debian(workspace, &PACKAGES, || have("podman") && have("runc") && have("iptables")) {
        println!("not run: {error:#}");
        return Ok(());
    }
    let folder = workspace.target.join("container");
    fs::create_dir_all(&folder)?;
    let configuration = folder.join("containers.conf");
    fs::write(&configuration, CONFIGURATION)?;
    let program = program(workspace)?;

    let podman = |arguments: &str| {
        let mut podman = workspace.command("podman");
        podman.args(arguments.split_whitespace()).env("CONTAINERS_CONF", &configuration);
        podman
    };
    let context = program.parent().context("a folder")?;
    let image = |file: &Path, tag: &str| {
        let mut build = podman("build --quiet --target prebuilt --tag");
        build.arg(tag).arg("--file").arg(file).arg(context);
        build
    };
    // Whether this machine lets anything be built and started with these flags; what the image does is the test's.
    let probe = folder.join("Containerfile");
    fs::write(&probe, "FROM scratch AS prebuilt\nCOPY host /host\nENTRYPOINT [\"/host\"]\n")?;
    let mut start =
        podman("run --rm --read-only --cap-drop all --security-opt no-new-privileges --memory 256m -p 127.0.0.1::8080");
    start.args([PROBE, "--version"]);
    if let Err(error) = output(image(&probe, PROBE)).and_then(|_| output(start)) {
        println!("not run: podman starts no container here: {error:#}");
        return Ok(());
    }
    run(image(&workspace.root.join("deploy/Containerfile"), IMAGE))?;
    let mut test = workspace.cargo("test --release --package cxr-tests --test container");
    test.env("CXR_IMAGE", IMAGE).env("CXR_HOST", program).env("CONTAINERS_CONF", &configuration);
    run(test)
}

/// `host` with the page and `host dicom`, of one file.
fn program(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo("build --release --package cxr-host --no-default-features --features serve,dicom --target");
    cargo.arg(TARGET).env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(cargo)?;
    Ok(workspace.target.join(TARGET).join("release/host"))
}
