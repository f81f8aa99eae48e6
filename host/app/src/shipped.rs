//! The model that comes with the program: beside it, or inside it.

use crate::files;
use crate::model_file::ModelFile;
use crate::unseen;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The model in this program: a .cxr file.
pub const MODEL: &[u8] = include_bytes!("../shipped/default.cxr");
/// Its card, JSON.
pub const CARD: &str = include_str!("../shipped/default.json");
/// Its measured error rates, JSON.
pub const REPORT: &str = include_str!("../shipped/default.report.json");
/// What it is called.
pub const NAME: &str = "default.cxr";

/// The model in this program.
///
/// # Errors
/// A program that was built wrongly.
pub fn model() -> Result<ModelFile> {
    ModelFile::new(MODEL.to_vec(), NAME)
}

/// The measured error rates of the model in this program; null in a program that was built wrongly.
pub fn report() -> Value {
    serde_json::from_str(REPORT).unwrap_or_default()
}

/// A model and its measured error rates, where they are known: that at `path`, or else [`default_model`], or else the one
/// in this program.
///
/// # Errors
/// A file that is no model.
pub fn find(path: Option<&Path>) -> Result<(ModelFile, Option<Value>)> {
    let Some(path) = path.map(Path::to_owned).or_else(|| default_model().ok()) else { return Ok((model()?, Some(report()))) };
    let file = ModelFile::read(&path)?;
    let report = unseen::report_beside(&path, &file.sha256);
    Ok((file, report))
}

/// The shipped model: in the working folder, beside the program (or above it), or in the source tree it was built from.
///
/// # Errors
/// There is none: says how to get one.
pub fn default_model() -> Result<PathBuf> {
    let name = Path::new("models/default.cxr");
    let program = std::env::current_exe().unwrap_or_default();
    std::iter::once(PathBuf::new())
        .chain(program.ancestors().skip(1).map(Path::to_owned))
        .chain(files::source_tree())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("{}: no model found here, beside the program or in its source tree; give --model FILE", name.display())
        })
}
