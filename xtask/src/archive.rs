//! Archives whose bytes follow from their files alone.

use crate::install;
use crate::shell::{Workspace, have, output, run};
use anyhow::Result;
use std::path::Path;

/// Packs a folder into OUT.zip or OUT.tar.gz; the time of all files is that of the last commit.
pub fn pack(workspace: &Workspace, folder: &Path, out: &Path) -> Result<()> {
    install::debian(workspace, &["python3"], || have("python3"))?;
    let mut python = workspace.command("python3");
    python.arg("scripts/archive.py").arg(folder).arg(out).arg(time(workspace)?);
    run(python)
}

/// Seconds since 1970 of the last commit, or `SOURCE_DATE_EPOCH`.
pub fn time(workspace: &Workspace) -> Result<String> {
    if let Ok(seconds) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(seconds);
    }
    let mut git = workspace.command("git");
    git.args(["log", "-1", "--format=%ct"]);
    Ok(output(git)?.trim().to_owned())
}
