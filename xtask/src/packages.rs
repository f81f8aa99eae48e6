//! `cargo xtask packages`: the C interface for CMake, Zephyr, ESP-IDF, PlatformIO and Arduino, made from one list of cores.

mod cores;
mod make;
mod smoke;

pub use smoke::test;

use crate::archive;
use crate::shell::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Builds the libraries, writes both packages and their archives into a folder.
pub fn packages(workspace: &Workspace, out: &Path) -> Result<()> {
    let made = make::make(workspace)?;
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let version = workspace.version()?;
    for (folder, name) in
        [(&made.common, format!("cxr-{version}-embedded.zip")), (&made.arduino, format!("cxr-{version}-arduino.zip"))]
    {
        archive::pack(workspace, folder, &out.join(&name))?;
        println!("{}", out.join(name).display());
    }
    Ok(())
}
