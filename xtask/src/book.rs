//! The book: its commands are run as they stand, its links lead somewhere, mdBook makes it.

mod pages;
mod runner;

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// mdBook's release, from crates.io.
const MDBOOK: &str = "0.5.4";

/// Where its own pages are.
const BOOK: &str = "docs/book";

/// Writes the book into a folder.
pub fn book(workspace: &Workspace, out: &Path) -> Result<()> {
    let staged = pages::stage(workspace)?;
    let program = install::tool(workspace, "mdbook", MDBOOK, &["--no-default-features", "--features", "search"])?;
    let out = if out.is_absolute() { out.to_owned() } else { workspace.root.join(out) };
    let mut mdbook = workspace.command(program);
    mdbook.arg("build").arg(staged).arg("--dest-dir").arg(&out);
    run(mdbook)?;
    println!("{}", out.join("index.html").display());
    Ok(())
}

/// The step: links, commands; the book itself where mdBook is there or can be built.
pub fn test(workspace: &Workspace) -> Result<()> {
    pages::stage(workspace)?;
    install::qemu(workspace)?;
    let host = workspace.target.join("release/host");
    if !host.is_file() {
        let features = "--no-default-features --features serve,device,convert";
        run(workspace.cargo(&format!("build --release --package cxr-host {features}")))?;
    }
    for page in ["firmware", "ml", "clinician"] {
        runner::page(workspace, &workspace.root.join(BOOK).join(page).with_extension("md"), &host)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// A new, empty folder of the target directory.
fn empty(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("book").join(name);
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
