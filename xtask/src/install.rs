//! Installs what a bare machine lacks, and nothing that is there already.

use crate::shell::{self, Workspace, have, output, run};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Held while something is installed for the whole machine: neither apt-get nor rustup lets a second one work beside it.
pub fn alone() -> Result<File> {
    let path =
        std::env::temp_dir().join(format!("cxr-install-{}.lock", fs::metadata("/proc/self").map_or(0, |process| process.uid())));
    let file = File::options().create(true).append(true).open(&path).with_context(|| path.display().to_string())?;
    file.lock()?;
    Ok(file)
}

/// Installs Debian packages; `is_there` says whether all are present.
pub fn debian(workspace: &Workspace, packages: &[&str], is_there: impl Fn() -> bool) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let names = packages.join(" ");
    let remedy = format!("missing, install by hand: apt-get install {names}");
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    ensure!(is_root && have("apt-get"), "{remedy}");
    let _alone = alone()?;
    if is_there() {
        return Ok(());
    }
    for arguments in [vec!["update", "-qq"], [&["install", "-qq", "-y", "--no-install-recommends"], packages].concat()] {
        let mut apt = workspace.command("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(apt)?;
    }
    ensure!(is_there(), "apt-get installed {names}, yet they are not found");
    Ok(())
}

/// Orthanc, an archive of radiographs, with DICOMweb, and stunnel, which speaks TLS for others; returns Orthanc's program.
pub fn orthanc(workspace: &Workspace) -> Result<PathBuf> {
    let (program, plugin) = (Path::new("/usr/sbin/Orthanc"), Path::new("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"));
    debian(workspace, &["orthanc", "orthanc-dicomweb", "openssl", "stunnel4"], || {
        program.is_file() && plugin.is_file() && have("openssl") && have("stunnel")
    })?;
    Ok(program.to_owned())
}

/// QEMU for Cortex-M and RISC-V.
pub fn qemu(workspace: &Workspace) -> Result<()> {
    debian(workspace, &["qemu-system-arm", "qemu-system-misc"], || have("qemu-system-arm") && have("qemu-system-riscv32"))
}

/// QEMU for RISC-V.
pub fn qemu_riscv(workspace: &Workspace) -> Result<()> {
    debian(workspace, &["qemu-system-misc"], || have("qemu-system-riscv32"))
}

/// rustfmt or clippy, which a minimal rustup profile leaves out.
pub fn component(workspace: &Workspace, name: &str, subcommand: &str) -> Result<()> {
    if output(workspace.cargo(&format!("{subcommand} --version"))).is_ok() {
        return Ok(());
    }
    let _alone = alone()?;
    let mut rustup = workspace.command("rustup");
    rustup.args(["component", "add", name]);
    run(rustup).with_context(|| format!("`cargo {subcommand}` is missing"))
}

/// True if the compiler in use has the target's standard library, or rustup can fetch it.
pub fn target(workspace: &Workspace, target: &str) -> Result<bool> {
    let mut rustc = workspace.command("rustc");
    rustc.args(["--print", "sysroot"]);
    let library = Path::new(output(rustc)?.trim()).join("lib/rustlib").join(target).join("lib");
    if !library.is_dir() && have("rustup") {
        let _alone = alone()?;
        // Where the network is closed, rustup may wait for long.
        let mut rustup = workspace.command("timeout");
        rustup.args(["120", "rustup", "target", "add", target]).env("RUSTUP_MAX_RETRIES", "0").env("RUST_BACKTRACE", "0");
        // Without a network the caller has another way.
        if let Err(error) = run(rustup) {
            eprintln!("{error:#}");
        }
    }
    Ok(library.is_dir())
}

/// A Python with the packages of scripts/requirements.txt, in the target directory; returns its interpreter.
pub fn python(workspace: &Workspace) -> Result<PathBuf> {
    environment(workspace, "python", "scripts/requirements.txt")
}

/// A Python with the packages of a list, in a folder of the target directory; returns its interpreter.
pub fn environment(workspace: &Workspace, folder: &str, list: &str) -> Result<PathBuf> {
    let wanted = workspace.root.join(list);
    let folder = workspace.target.join(folder);
    let (interpreter, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let text = fs::read_to_string(&wanted).with_context(|| wanted.display().to_string())?;
    if interpreter.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
        return Ok(interpreter);
    }
    debian(workspace, &["python3", "python3-venv"], || {
        let mut venv = workspace.command("python3");
        venv.args(["-c", "import venv, ensurepip"]);
        shell::output(venv).is_ok()
    })?;
    let mut venv = workspace.command("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    run(venv)?;
    let mut pip = workspace.command(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted);
    run(pip)?;
    fs::write(&stamp, text)?;
    Ok(interpreter)
}

/// axe-core for the tests of the page, and its SHA-256: what the npm registry has under this version.
const AXE: (&str, &str) = ("4.14.1", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c");

/// Mozilla's driver of Firefox, from crates.io: Debian has none.
const GECKODRIVER: &str = "0.37.1";

/// A program of crates.io, of a fixed version, built into the target directory; returns it.
pub fn tool(workspace: &Workspace, name: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
    let folder = workspace.target.join("tools").join(name).join(version);
    let program = folder.join("bin").join(name);
    if !program.is_file() {
        let mut cargo = workspace.cargo("install --locked --quiet --debug --version");
        cargo.arg(version).arg(name).args(options).arg("--root").arg(&folder);
        // Built fast rather than to be fast.
        cargo.env("CARGO_TARGET_DIR", folder.join("build")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        run(cargo)?;
        fs::remove_dir_all(folder.join("build"))?;
    }
    Ok(program)
}

/// Mutation testing's tool, from crates.io: Debian has none.
pub fn cargo_mutants(workspace: &Workspace) -> Result<PathBuf> {
    tool(workspace, "cargo-mutants", "27.1.0", &[])
}

/// Firefox, Debian's, with its driver; returns the driver.
pub fn firefox(workspace: &Workspace) -> Result<PathBuf> {
    debian(workspace, &["firefox-esr"], || have("firefox-esr"))?;
    tool(workspace, "geckodriver", GECKODRIVER, &[])
}

/// Chromium with its driver, and axe-core in the target directory; returns axe-core's script.
pub fn browser(workspace: &Workspace) -> Result<PathBuf> {
    debian(workspace, &["chromium", "chromium-driver", "fonts-dejavu-core"], || have("chromium") && have("chromedriver"))?;
    let (version, sha256) = AXE;
    let folder = workspace.target.join("axe-core").join(version);
    let script = folder.join("package/axe.min.js");
    let is_right = || {
        let mut check = workspace.command("sha256sum");
        check.arg(&script);
        script.is_file() && output(check).is_ok_and(|line| line.starts_with(sha256))
    };
    if is_right() {
        return Ok(script);
    }
    debian(workspace, &["npm"], || have("npm"))?;
    fs::create_dir_all(&folder)?;
    let mut npm = workspace.command("npm");
    npm.args(["pack", "--silent", &format!("axe-core@{version}"), "--pack-destination"]).arg(&folder);
    run(npm)?;
    let mut tar = workspace.command("tar");
    tar.arg("-xzf").arg(folder.join(format!("axe-core-{version}.tgz"))).arg("-C").arg(&folder).arg("package/axe.min.js");
    run(tar)?;
    ensure!(is_right(), "{}: not the axe-core {version} that was reviewed", script.display());
    Ok(script)
}
