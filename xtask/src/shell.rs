//! Commands, run in the workspace with the environment that every step needs.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the sources and the build products are.
pub struct Workspace {
    /// Folder with the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks Cargo.
    pub fn locate() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().context("xtask/ lies in the workspace")?.to_owned();
        let mut metadata = command("cargo", &root);
        metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata: serde_json::Value = serde_json::from_str(&output(metadata)?)?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?.into();
        Ok(Self { root, target })
    }

    /// The version of all crates.
    pub fn version(&self) -> Result<String> {
        let manifest = std::fs::read_to_string(self.root.join("Cargo.toml"))?;
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).context("Cargo.toml has no version")?;
        Ok(version.trim_matches('"').to_owned())
    }

    /// Flags of the compiler that take this machine's folders out of what it writes.
    pub fn remapped(&self) -> String {
        let home = cargo_home().unwrap_or_default();
        format!("--remap-path-prefix={}=/cxr --remap-path-prefix={}=/cargo", self.root.display(), home.display())
    }

    /// A command that runs in the workspace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        command(program, &self.root)
    }

    /// `cargo` with arguments separated by spaces.
    pub fn cargo(&self, arguments: &str) -> Command {
        let mut cargo = self.command("cargo");
        cargo.args(arguments.split_whitespace());
        cargo
    }
}

fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("PATH", search_path());
    command
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// `PATH` with rustup's folder first: Debian's rustc-web, if installed, would otherwise answer for `rustc`.
fn search_path() -> std::ffi::OsString {
    let home = cargo_home();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = home.map(|home| home.join("bin")).into_iter().chain(env::split_paths(&path));
    env::join_paths(folders).unwrap_or(path)
}

/// Runs a command, shows it, and fails unless it exits with 0.
pub fn run(mut command: Command) -> Result<()> {
    let line = line(&command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start: {line}"))?;
    if !status.success() {
        bail!("{status}: {line}");
    }
    Ok(())
}

/// Runs a command silently and returns what it printed.
pub fn output(mut command: Command) -> Result<String> {
    let line = line(&command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("{}: {line}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// True if the program is in `PATH`.
pub fn have(program: &str) -> bool {
    env::split_paths(&search_path()).any(|folder| folder.join(program).is_file())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
