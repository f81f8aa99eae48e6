//! One image, and all of them.

use super::readings::Reading;
use cxr_app::classes::CLASSES;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Class of an image with a partial label, `other-finding`: certainly not COVID-19, nothing more is known.
pub const OTHER_FINDING: usize = CLASSES.len();
/// How the index of a folder names it.
pub const OTHER_FINDING_LABEL: &str = "other-finding";
/// Class of a picture that must be refused.
pub const NO_CLASS: usize = usize::MAX;

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
    /// Hospitals that no training or validation image comes from.
    Unseen,
    /// Pictures that must be refused.
    OutOfDistribution,
}

impl Split {
    /// All splits, in the order of tables and reports.
    pub const ALL: [Split; 6] =
        [Split::Train, Split::Val, Split::Test, Split::ExternalTest, Split::Unseen, Split::OutOfDistribution];

    /// Name in tables, reports and files.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
            Split::ExternalTest => "external_test",
            Split::Unseen => "unseen",
            Split::OutOfDistribution => "out_of_distribution",
        }
    }

    /// True of splits that weights, thresholds or the choice of an epoch are made with.
    pub const fn learns(self) -> bool {
        matches!(self, Split::Train | Split::Val)
    }

    /// True of splits that figures are quoted on.
    pub const fn is_quoted(self) -> bool {
        matches!(self, Split::Test | Split::ExternalTest | Split::Unseen)
    }
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
    /// Index into [`cxr_app::classes::CLASSES`]; [`OTHER_FINDING`] for a partial label, [`NO_CLASS`] for out-of-distribution images.
    pub class: usize,
    /// Split.
    pub split: Split,
    /// Was kept from training and choosing before its hospital was left out: an `external_test` row.
    pub held_out: bool,
    /// Age in years, where known; `67+` reads as 67.
    pub age: Option<f32>,
    /// `M`, `F` or empty.
    pub sex: String,
    /// View as given (`PA`, `AP`, `AP Supine`, `L`, ...), or empty.
    pub view: String,
    /// Finding as given, or empty.
    pub finding: String,
    /// What radiologists say of it, where they looked.
    pub reading: Option<Reading>,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Samples of the three classes, plus out-of-distribution images.
    pub samples: Vec<Sample>,
    /// Samples with a partial label, of class [`OTHER_FINDING`]: apart, since nothing that counts classes may meet them.
    pub partial: Vec<Sample>,
    /// Rows withheld from training since their person is tested on, as `unused` counts them; where their hospital is left out they are
    /// measured on instead.
    pub(super) withheld: Vec<Sample>,
    /// Class name, or reason -> rows left out.
    pub unused: BTreeMap<String, usize>,
}

impl Dataset {
    /// Samples of one split, in file order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.split == split)
    }

    /// All samples, those with a partial label last.
    pub fn all(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().chain(&self.partial)
    }

    /// Class and split of each empty cell among train, val and test.
    pub fn empty_classes(&self) -> Vec<(&'static str, Split)> {
        let mut empty = Vec::new();
        for split in [Split::Train, Split::Val, Split::Test] {
            for (class, name) in CLASSES.iter().enumerate() {
                if !self.of(split).any(|sample| sample.class == class) {
                    empty.push((*name, split));
                }
            }
        }
        empty
    }
}
