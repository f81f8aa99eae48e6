//! The book: its commands are run as they stand, its links lead somewhere, mdBook makes it.

mod files;
mod pages;
mod runner;

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::Result;
use files::BOOK;
use std::path::Path;

/// mdBook's release, from crates.io.
const MDBOOK: &str = "0.5.4";

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
