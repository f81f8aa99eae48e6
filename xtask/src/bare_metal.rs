//! Builds without an operating system: rustup's targets where they can be had, else Debian's rustc with `-Zbuild-std`.

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cortex-M4F and M7F, the firmware's target.
pub const CORTEX_M4F: &str = "thumbv7em-none-eabihf";

/// Targets that cxr-core must build for: no standard library, with and without a floating-point unit.
const NO_STD: [&str; 2] = [CORTEX_M4F, "riscv32imc-unknown-none-elf"];

/// How to reach a bare-metal target.
pub enum Toolchain {
    /// The compiler in use has the target's library.
    Prebuilt,
    /// rustc-web of Debian 12 with its library source; its artefacts live apart from the other compiler's.
    Debian,
}

impl Toolchain {
    /// Installs what is missing.
    pub fn find(workspace: &Workspace, target: &str) -> Result<Self> {
        if install::target(workspace, target)? {
            return Ok(Self::Prebuilt);
        }
        install::debian(workspace, &["rustc-web", "rust-web-src", "lld"], || {
            ["/usr/bin/rustc", "/usr/bin/ld.lld", "/usr/lib/rustlib/src"].iter().all(|path| Path::new(path).exists())
        })?;
        Ok(Self::Debian)
    }

    /// `cargo SUBCOMMAND` for a package and a target, for release unless the subcommand names a profile.
    pub fn cargo(&self, workspace: &Workspace, subcommand: &str, package: &str, target: &str) -> Command {
        let release = if subcommand.contains("--profile") { "" } else { "--release" };
        let mut cargo = workspace.cargo(&format!("{subcommand} {release} --package {package} --target {target}"));
        cargo.env("CARGO_TARGET_DIR", self.folder(workspace));
        if let Self::Debian = self {
            let linker = format!("CARGO_TARGET_{}_LINKER", target.replace(['-', '.'], "_").to_uppercase());
            cargo.arg("-Zbuild-std=core").env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env(linker, "ld.lld");
        }
        cargo
    }

    /// Where the artefacts lie.
    pub fn folder(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Prebuilt => workspace.target.clone(),
            Self::Debian => workspace.target.join("bare-metal"),
        }
    }
}

/// Builds cxr-core for targets that have no standard library.
pub fn no_std(workspace: &Workspace) -> Result<()> {
    for target in NO_STD {
        run(Toolchain::find(workspace, target)?.cargo(workspace, "build", "cxr-core", target))?;
    }
    Ok(())
}

/// As [`build`], with no path of this machine in the result: the same bytes wherever it is built.
pub fn build_remapped(workspace: &Workspace, package: &str, target: &str) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, target)?;
    let mut cargo = toolchain.cargo(workspace, "build", package, target);
    cargo.env("RUSTFLAGS", workspace.remapped());
    run(cargo)?;
    Ok(toolchain.folder(workspace).join(target).join("release"))
}

/// Builds a package's static library or image for a bare-metal target; returns the folder that holds it.
pub fn build(workspace: &Workspace, package: &str, target: &str, features: &[&str]) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, target)?;
    let mut cargo = toolchain.cargo(workspace, "build", package, target);
    cargo.args(features.iter().flat_map(|feature| ["--features", feature]));
    run(cargo)?;
    Ok(toolchain.folder(workspace).join(target).join("release"))
}
