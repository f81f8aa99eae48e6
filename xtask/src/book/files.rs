//! What both halves of the book need of the disk.

use crate::shell::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the book's own pages are.
pub const BOOK: &str = "docs/book";

/// The text of a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// A new, empty folder of the target directory.
pub fn empty(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("book").join(name);
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
