//! Other runs' reports.

use anyhow::{Context, Result, ensure};
use cxr_app::files;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Reads `reports` of `host evaluate`; an error names the file.
pub fn read(reports: &[PathBuf]) -> Result<Vec<Value>> {
    reports.iter().map(|path| read_one(path)).collect()
}

/// Reads a report of `host evaluate`; an error names the file.
pub fn read_one(path: &Path) -> Result<Value> {
    let value: Value = serde_json::from_slice(&files::read(path)?)
        .with_context(|| format!("{}: no JSON; give a report.json of `host evaluate`", path.display()))?;
    ensure!(value["splits"].is_object(), "{}: has no `splits`; give a report.json of `host evaluate`", path.display());
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_reports_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert!(format!("{:#}", read(std::slice::from_ref(&path)).unwrap_err()).contains("x.json"));
        std::fs::write(&path, "{}").unwrap();
        assert!(format!("{:#}", read(&[path]).unwrap_err()).contains("no `splits`"));
    }
}
