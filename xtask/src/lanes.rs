//! Two lanes of steps, so that boards under QEMU, which keep one core busy, need not wait for Burn.

use crate::shell::Workspace;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

/// Steps that run in a process of their own, with build products of their own: Cargo lets one build at a time into a folder.
pub struct Beside {
    child: Child,
    log: PathBuf,
}

/// How a step ended, as its last line says.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub name: String,
    pub time: String,
    pub end: End,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    /// It was not begun: the time given for all was over.
    Skipped,
}

impl Beside {
    /// Starts the steps of these names.
    pub fn start(workspace: &Workspace, names: &[String]) -> Result<Self> {
        let folder = workspace.target.join("beside");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let log = folder.join("test.log");
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut lane = Command::new(std::env::current_exe()?);
        lane.args(["test", "--only", &names.join(",")]).env("CARGO_TARGET_DIR", &folder);
        lane.env("CARGO_BUILD_JOBS", cores.div_ceil(2).to_string()).stdout(file.try_clone()?).stderr(file);
        let child = lane.current_dir(&workspace.root).spawn().context("xtask cannot be started a second time")?;
        println!("beside: {}: {}", names.join(", "), log.display());
        Ok(Self { child, log })
    }

    /// Waits for the end, prints what was written, and says how each step ended.
    pub fn finish(mut self) -> Result<Vec<Outcome>> {
        self.child.wait()?;
        let log = fs::read(&self.log).with_context(|| self.log.display().to_string())?;
        let log = String::from_utf8_lossy(&log);
        println!("\n{}", log.split("\n=== summary").next().unwrap_or_default());
        Ok(outcomes(&log))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The ended steps of a log.
fn outcomes(log: &str) -> Vec<Outcome> {
    let ended = log.lines().filter_map(|line| line.strip_prefix("=== ")?.split_once(": "));
    ended
        .filter_map(|(name, rest)| {
            let (time, end) = if let Some(time) = rest.strip_prefix("passed in ") {
                (time, End::Passed)
            } else if let Some(rest) = rest.strip_prefix("FAILED after ") {
                (rest.split(": ").next()?, End::Failed)
            } else {
                (rest.strip_prefix("SKIPPED, ")?, End::Skipped)
            };
            Some(Outcome { name: name.to_owned(), time: time.to_owned(), end })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_how_each_step_ended() {
        let log = "\n=== core: Tests of cxr-core.\nok\n=== core: passed in 3.0 s\n=== boards: FAILED after 1.5 s: no: QEMU\n=== fuzz: SKIPPED, no time\n";
        let found: Vec<_> = outcomes(log).into_iter().map(|o| (o.name, o.time, o.end)).collect();
        let outcome = |name: &str, time: &str, end| (name.to_owned(), time.to_owned(), end);
        let ends = [
            outcome("core", "3.0 s", End::Passed),
            outcome("boards", "1.5 s", End::Failed),
            outcome("fuzz", "no time", End::Skipped),
        ];
        assert_eq!(found, ends);
    }
}
