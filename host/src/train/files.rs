//! Files that are whole or absent: written beside their place, then renamed.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Replaces `path` by `bytes` in one rename.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().context("a file name is needed")?.to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    fs::write(&temporary, bytes)
        .with_context(|| format!("{}: cannot write; is the disk full or read-only?", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("{}: cannot write", path.display()))
}
