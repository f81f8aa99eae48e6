//! Datasets.

pub mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Training.
    Train,
    /// Model selection, calibration, thresholds.
    Val,
    /// The quoted test split of CoronaHack.
    Test,
    /// Other sources, never trained or tuned on.
    ExternalTest,
    /// Pictures that must be refused.
    OutOfDistribution,
}

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// File.
    pub path: PathBuf,
    /// File name as in the metadata.
    pub name: String,
    /// `coronahack`, `nih`, `rsna`, ...
    pub source: String,
    /// Patient identifier, unique across sources.
    pub patient: String,
    /// Index into [`crate::classes::CLASSES`]; `usize::MAX` for out-of-distribution images.
    pub class: usize,
    /// Split.
    pub split: Split,
    /// Age in years, where known.
    pub age: Option<f32>,
    /// Sex as given, or empty.
    pub sex: String,
    /// View as given, or empty.
    pub view: String,
    /// Finding as given, or empty.
    pub finding: String,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Samples of the three classes, plus out-of-distribution images.
    pub samples: Vec<Sample>,
    /// Class name -> rows left out.
    pub unused: BTreeMap<String, usize>,
}
