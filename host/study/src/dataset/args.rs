//! Which data a command reads.

use super::fold::Fold;
use std::path::PathBuf;

/// The CoronaHack folder and those of other sources.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// Folder with Chest_xray_Corona_Metadata.csv, as Kaggle ships it.
    #[arg(long, value_name = "DIR")]
    pub coronahack: PathBuf,
    /// Folder with index.csv and images/ of other sources; repeat for each.
    #[arg(long, value_name = "DIR")]
    pub external: Vec<PathBuf>,
    /// The splits of a fold by patient, such as 2/5, in place of the published ones.
    #[arg(long, value_name = "K/N")]
    pub fold: Option<Fold>,
}
