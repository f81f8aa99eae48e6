//! `cargo xtask release --dry-run`: what a release consists of, built from a clean checkout. Nothing is uploaded.
//!
//! The same commit gives the same bytes, wherever it lies: paths are remapped, symbols stripped, archives made by `scripts/archive.py`.

use crate::shell::{Workspace, output, run};
use crate::{archive, crates, install, packages};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Features of the program that is handed out: without training, which needs Burn and tract.
const FEATURES: &str = "serve,device,convert";

/// cargo-cyclonedx's release, from crates.io.
const CYCLONEDX: &str = "0.5.9";

/// What is in every archive beside the program.
const BESIDE: [&str; 5] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "docs/networks.md"];

/// Systems that the program is built for. The first runs here and writes manual and completions.
const TARGETS: [&str; 5] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-pc-windows-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
];

/// Arguments of `cargo xtask release`.
#[derive(clap::Args)]
pub struct Options {
    /// Build everything and upload nothing; there is no other way.
    #[arg(long)]
    dry_run: bool,
    /// Folder for what is made; target/dist if absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Systems to build the program for; all if absent.
    #[arg(long, value_name = "TRIPLE", value_delimiter = ',')]
    targets: Vec<String>,
    /// Go on with changes that are not committed.
    #[arg(long)]
    allow_dirty: bool,
}

/// Builds the release.
pub fn release(workspace: &Workspace, options: &Options) -> Result<()> {
    ensure!(options.dry_run, "nothing is uploaded from here: give --dry-run, and let the forge's workflow upload target/dist");
    let mut status = workspace.command("git");
    status.args(["status", "--porcelain"]);
    let changes = output(status)?;
    ensure!(changes.is_empty() || options.allow_dirty, "not a clean checkout; commit, or give --allow-dirty:\n{changes}");
    for target in &options.targets {
        ensure!(TARGETS.contains(&target.as_str()), "{target}: there are {}", TARGETS.join(", "));
    }
    let out = options.out.clone().unwrap_or_else(|| workspace.target.join("dist"));
    if out.is_dir() {
        fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
    }
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let version = workspace.version()?;

    let bill = bill_of_materials(workspace)?;
    fs::copy(&bill, out.join(format!("cxr-host-{version}.cdx.json")))?;
    let mut missing = Vec::new();
    let mut pages = None;
    for target in TARGETS.into_iter().filter(|&target| options.targets.is_empty() || options.targets.iter().any(|t| t == target))
    {
        match program(workspace, target) {
            Ok(program) => {
                let pages = match &pages {
                    Some(pages) => pages,
                    None => pages.insert(manual(workspace, &program)?),
                };
                pack(workspace, &out, target, &program, pages, &bill)?;
            }
            // A system that cannot be reached from here is said, not hidden.
            Err(error) => missing.push(format!("{target}: {error:#}")),
        }
    }
    packages::packages(workspace, &out)?;
    crates::archives(workspace, &out)?;
    let lines = sums(&out)?;
    println!("\n{}: nothing was uploaded\n{lines}", out.display());
    for line in &missing {
        println!("not built: {line}");
    }
    ensure!(missing.len() < TARGETS.len(), "the program was built for no system");
    Ok(())
}

/// SHA-256 of everything, in the form of sha256sum.
fn sums(out: &Path) -> Result<String> {
    use sha2::Digest;
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(out)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut lines = String::new();
    for name in names {
        let digest = sha2::Sha256::digest(fs::read(out.join(&name))?);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        lines += &format!("{hex}  {name}\n");
    }
    fs::write(out.join("SHA256SUMS"), &lines)?;
    Ok(lines)
}

/// `host` for a system, by zig as its linker; with a standard library of its own where rustup has none.
fn program(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    let python = install::environment(workspace, "release-tools", "scripts/requirements-release.txt")?;
    let folder = workspace.target.join("release-build");
    let mut flags = vec![workspace.remapped(), "-Cstrip=symbols".to_owned()];
    let mut cargo = if install::target(workspace, target)? {
        workspace.cargo("zigbuild")
    } else {
        let source =
            nightly_source(workspace).context("rustup has no standard library for it, nor a nightly one with its source")?;
        flags.push(format!("--remap-path-prefix={}=/rust", source.display()));
        let mut cargo = workspace.cargo("+nightly zigbuild -Zbuild-std=std,panic_abort");
        // zig brings the start-up objects that rustup's library would.
        if target.ends_with("musl") {
            flags.push("-Clink-self-contained=no".to_owned());
        }
        cargo.env("CARGO_PROFILE_RELEASE_PANIC", "unwind");
        cargo
    };
    cargo.args([
        "--release",
        "--locked",
        "--package",
        "cxr-host",
        "--no-default-features",
        "--features",
        FEATURES,
        "--target",
        target,
    ]);
    // Without the source tree's place in it (host/app/src/files.rs).
    cargo.env("CXR_RELEASE", "1");
    cargo.env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", flags.join(" ")).env("SOURCE_DATE_EPOCH", archive::time(workspace)?);
    with_zig(&mut cargo, &python)?;
    run(cargo)?;
    let name = if target.contains("windows") { "host.exe" } else { "host" };
    Ok(folder.join(target).join("release").join(name))
}

/// `cargo-zigbuild` and zig in front of the search path.
fn with_zig(cargo: &mut Command, python: &Path) -> Result<()> {
    let path = cargo.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).context("PATH")?.to_owned();
    let folder = python.parent().context("a folder")?.to_owned();
    cargo.env("PATH", std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?);
    Ok(())
}

/// Where the nightly toolchain has the source of the standard library.
fn nightly_source(workspace: &Workspace) -> Result<PathBuf> {
    let mut rustc = workspace.command("rustc");
    rustc.args(["+nightly", "--print", "sysroot"]);
    let source = Path::new(output(rustc)?.trim()).join("lib/rustlib/src/rust");
    ensure!(source.join("library/std").is_dir(), "{}: not there", source.display());
    Ok(source)
}

/// The manual's pages and the completions, written by the program itself.
fn manual(workspace: &Workspace, program: &Path) -> Result<PathBuf> {
    let folder = workspace.target.join("manual");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    let mut host = workspace.command(program);
    host.arg("manual").arg("--out").arg(&folder);
    run(host).context("the program of this machine's system must be built first")?;
    let page = folder.join("man/host.1");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    ensure!(text.contains("not a medical device"), "{}: does not say that it is no medical device", page.display());
    Ok(folder)
}

/// The archive of one system.
fn pack(workspace: &Workspace, out: &Path, target: &str, program: &Path, pages: &Path, bill: &Path) -> Result<()> {
    let folder = workspace.target.join("dist-folder").join(target);
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let name = program.file_name().context("a name")?;
    fs::copy(program, folder.join(name))?;
    for file in BESIDE {
        let to = folder.join(Path::new(file).file_name().context("a name")?);
        fs::copy(workspace.root.join(file), to).with_context(|| file.to_owned())?;
    }
    fs::copy(bill, folder.join("host.cdx.json"))?;
    for part in ["man", "completions"] {
        fs::create_dir_all(folder.join(part))?;
        for entry in fs::read_dir(pages.join(part))? {
            let path = entry?.path();
            fs::copy(&path, folder.join(part).join(path.file_name().context("a name")?))?;
        }
    }
    let kind = if target.contains("windows") { "zip" } else { "tar.gz" };
    archive::pack(workspace, &folder, &out.join(format!("cxr-host-{}-{target}.{kind}", workspace.version()?)))
}

/// The bill of materials of the program, CycloneDX; without what differs from run to run.
fn bill_of_materials(workspace: &Workspace) -> Result<PathBuf> {
    let tool = install::tool(workspace, "cargo-cyclonedx", CYCLONEDX, &[])?;
    let mut cyclonedx = workspace.command(tool);
    cyclonedx.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--no-default-features", "--features", FEATURES]);
    cyclonedx.args(["--manifest-path", "host/Cargo.toml", "--override-filename", "release-bill"]);
    cyclonedx.env("SOURCE_DATE_EPOCH", archive::time(workspace)?);
    run(cyclonedx)?;
    // It writes one beside every manifest of the workspace.
    let mut found = None;
    for entry in output_of_git(workspace)? {
        let path = workspace.root.join(&entry);
        if path == workspace.root.join("host/release-bill.json") {
            let text = fs::read_to_string(&path)?;
            let mut bill: serde_json::Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            let map = bill.as_object_mut().context("an object")?;
            map.remove("serialNumber");
            if let Some(about) = map.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
                about.remove("timestamp");
            }
            let root = workspace.root.display().to_string();
            let text = serde_json::to_string_pretty(&bill)?.replace(&root, "/cxr") + "\n";
            let to = workspace.target.join("host.cdx.json");
            fs::write(&to, text)?;
            found = Some(to);
        }
        fs::remove_file(&path)?;
    }
    found.context("cargo-cyclonedx wrote no host/release-bill.json")
}

/// Files named release-bill.json that lie in the checkout.
fn output_of_git(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = workspace.command("git");
    git.args(["ls-files", "--others", "--", "*release-bill.json"]);
    let files: Vec<String> = output(git)?.lines().map(str::to_owned).collect();
    if files.is_empty() {
        bail!("cargo-cyclonedx wrote nothing");
    }
    Ok(files)
}
