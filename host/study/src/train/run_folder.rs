//! Names in a run folder, and what its run.json says of the training.

use crate::recipe::Phase;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Latest checkpoint: all that resuming needs.
pub const LAST: &str = "last.ckpt";
/// Weights with the best validation macro-F1.
pub const BEST: &str = "best.ckpt";
/// Copy of the recipe.
pub const RECIPE: &str = "recipe.toml";
/// Provenance and results.
pub const RUN: &str = "run.json";

/// run.json of a run folder.
pub fn read_summary<T: DeserializeOwned>(run: &Path) -> Result<T> {
    let path = run.join(RUN);
    let text = std::fs::read(&path)
        .with_context(|| format!("{}: cannot read; give a folder that `host train` wrote", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{}: not a run.json of `host train`; train again", path.display()))
}

/// The phases of the training of a run folder, its own last.
pub fn phases(run: &Path) -> Result<Vec<Phase>> {
    #[derive(Deserialize)]
    struct Summary {
        recipe: Named,
        epochs_done: u64,
        // Runs of before have none.
        #[serde(default)]
        after: Vec<Phase>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Summary { recipe, epochs_done, mut after } = read_summary(run)?;
    after.push(Phase { recipe: recipe.name, epochs: epochs_done });
    Ok(after)
}
