//! Where `--start` takes its weights from.

use super::checkpoint::{Checkpoint, Part};
use super::record;
use crate::classes::CLASSES;
use crate::dataset::fold::Fold;
use crate::files;
use crate::onnx::float::Tensors;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a run begins with.
pub struct Start {
    /// The file that it is from.
    pub path: PathBuf,
    /// What run.json says of where it is from.
    pub name: String,
    /// Record of the network.
    pub network: Vec<u8>,
    /// Fold that its training left out.
    pub fold: Option<Fold>,
    /// Parts of its training, first one first.
    pub after: Vec<Part>,
}

impl Start {
    /// The best epoch of a run folder.
    pub fn of_run(run: &Path) -> Result<Self> {
        let path = run.join(record::BEST);
        let checkpoint = Checkpoint::load(&path)?;
        Ok(Self {
            path,
            name: run.display().to_string(),
            network: checkpoint.network,
            fold: checkpoint.progress.fold,
            after: record::parts(run)?,
        })
    }
}

/// An exported float network, NAME.onnx with NAME.json beside it.
pub struct Exported {
    /// The file and its SHA-256: another network may come to have its name.
    pub name: String,
    /// Weights, without the operating point that the export added.
    pub tensors: Tensors,
    /// Fold that its training left out.
    pub fold: Option<Fold>,
    /// Parts of its training, first one first.
    pub after: Vec<Part>,
}

/// What is read of NAME.json.
#[derive(Deserialize)]
struct Report {
    recipe: Named,
    #[serde(default)]
    fold: Option<Fold>,
    operating_point: Offset,
    training: Training,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Offset {
    offset: f32,
}

#[derive(Deserialize)]
struct Training {
    epochs_done: u64,
    #[serde(default)]
    after: Vec<Part>,
}

impl Exported {
    /// Reads both files.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        let name = format!("{} (SHA-256 {})", path.display(), files::sha256(&bytes));
        let mut tensors = Tensors::read(&bytes).with_context(|| path.display().to_string())?;
        let json = path.with_extension("json");
        let report: Report = serde_json::from_slice(&files::read(&json)?)
            .with_context(|| format!("{}: not what `host export` writes beside the network of a trained run", json.display()))?;
        tensors.shift(CLASSES.len() - 1, -report.operating_point.offset).with_context(|| path.display().to_string())?;
        let Training { epochs_done: epochs, mut after } = report.training;
        after.push(Part { recipe: report.recipe.name, epochs });
        Ok(Self { name, tensors, fold: report.fold, after })
    }
}
