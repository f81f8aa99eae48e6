//! Other runs' reports: seeds, folds, hospitals left out, and what an earlier report took of them.

mod earlier;
mod folds;
mod read;
mod runs;
mod seeds;

use super::figure::Computed;
use super::training::Recipe;
use crate::dataset::fold::Fold;
use anyhow::Result;
use earlier::Earlier;
use folds::Folds;
pub use read::read_one;
pub use runs::{OtherRuns, Own};
pub use seeds::headlines;
use seeds::{Seeds, differ_in_seed};
use serde_json::Value;
use std::path::PathBuf;

/// Where they are.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// report.json of the same recipe trained with another seed; repeat for each.
    #[arg(long, value_name = "FILE")]
    pub seed_report: Vec<PathBuf>,
    /// report.json of a model of `host train --fold`; repeat for each fold. They are pooled.
    #[arg(long, value_name = "FILE")]
    pub fold_report: Vec<PathBuf>,
    /// Reports, report.json or their folders, of networks trained alike without some hospitals (`host train --leave-out`).
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub leave_out_report: Vec<PathBuf>,
    /// An earlier report.json of this model, or of one trained by all phases before its last: its seeds and folds are taken over where
    /// none are given.
    #[arg(long, value_name = "FILE")]
    pub earlier: Option<PathBuf>,
}

/// What was read of them.
pub struct Given {
    seeds: Vec<Value>,
    folds: Computed<Folds>,
    earlier: Option<Earlier>,
}

impl Given {
    /// Reads them for a model of that SHA-256 and `recipe`.
    ///
    /// # Errors
    /// A file that is no report, or one of another model or fold; names it.
    pub fn read(args: &Args, sha256: &str, recipe: Option<&Recipe>) -> Result<Self> {
        Ok(Self {
            seeds: read::read(&args.seed_report)?,
            folds: folds::pool(&args.fold_report, &read::read(&args.fold_report)?)?,
            earlier: args.earlier.as_deref().map(|path| Earlier::read(path, sha256, recipe)).transpose()?,
        })
    }

    /// Refuses seeds' reports that differ from this run in more than their seed.
    pub fn check(&self, args: &Args, sha256: &str, fold: Option<Fold>, recipe: Option<&Recipe>) -> Result<()> {
        differ_in_seed(&args.seed_report, &self.seeds, sha256, fold, recipe)
    }

    /// What they tell beside this run's `own` figures.
    ///
    /// # Errors
    /// The earlier report is of other images.
    pub fn beside(self, own: &Own) -> Result<OtherRuns> {
        let mut runs = OtherRuns { seeds: Seeds::new(&own.headlines, &self.seeds), folds: self.folds };
        if let Some(earlier) = self.earlier {
            earlier.complete(&mut runs, own)?;
        }
        Ok(runs)
    }
}
