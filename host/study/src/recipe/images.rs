//! Which images a recipe takes, and how it distorts them.

use anyhow::Result;
use cxr_app::lungs::Finder;
use serde::{Deserialize, Serialize};

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !value
}

/// Random distortions; 0 switches one off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSpec {
    /// Largest rotation, degrees.
    pub rotation: f32,
    /// Largest relative change of size.
    pub zoom: f32,
    /// Largest change of the ratio of width to height: its natural logarithm is within plus or minus this. Pictures of any shape
    /// are squeezed into a square, so that without it the shape of the film is there to be learned.
    pub aspect: f32,
    /// Largest shift, share of the side.
    pub shift: f32,
    /// Probability of a left-right flip.
    pub flip: f32,
    /// Gamma is `exp(u)`, `u` within plus or minus this.
    pub gamma: f32,
    /// Largest relative change of brightness.
    pub brightness: f32,
    /// Largest relative change of contrast about the mean.
    pub contrast: f32,
    /// Probability of a share of histogram equalisation, any from none to all: films differ in their tone curves by source.
    #[serde(skip_serializing_if = "super::training::is_zero")]
    pub equalize: f32,
    /// Probability of losing resolution (1 to 3 times down and up again).
    pub resample: f32,
    /// Probability of noise.
    pub noise: f32,
    /// Probability of a black border on some sides, up to 12 % each.
    pub border: f32,
    /// Probability, for each corner, of erasing a rectangle: text markers sit there.
    pub corner: f32,
}

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSpec {
    /// Also train on the external folders' `train` images.
    pub external: bool,
    /// Do not train on images whose label radiologists contradict (`radiologists.csv`).
    #[serde(skip_serializing_if = "is_false")]
    pub radiologists: bool,
    /// What is done to every picture's tones, in training and validation alike. `core` does nothing of it: other than none is for trials.
    #[serde(skip_serializing_if = "Tone::is_none")]
    pub tone: Tone,
    /// What of every picture is seen, in training and validation alike.
    #[serde(skip_serializing_if = "Frame::is_whole")]
    pub frame: Frame,
    /// Share of the healthy people of the external folders' validation images that may be called COVID-19: `host export` shifts that
    /// logit.
    pub false_alarms: f64,
    /// Share of a hospital's people with another finding that may be, where the operating point is that of the worst of them.
    pub other_findings_alarms: f64,
    /// Whose share that is.
    #[serde(skip_serializing_if = "OperatingPoint::is_pooled")]
    pub operating_point: OperatingPoint,
    /// Share of validation's COVID-19 verdicts that are right which `host export` withholds, those of pictures least like the
    /// training pictures: the price at which fewer healthy people of hospitals never seen are called COVID-19. 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub covid_doubted: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// A picture's tones before anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// As they are.
    #[default]
    None,
    /// Every gray level as often as any other, as far as that can be.
    Equalized,
}

impl Tone {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What of a picture is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// All of it.
    #[default]
    Whole,
    /// The box of its lungs ([`cxr_app::lungs`]).
    Lungs,
}

impl Frame {
    /// What cuts pictures to it.
    ///
    /// # Errors
    /// As [`Finder::shipped`].
    pub fn finder(self) -> Result<Option<Finder>> {
        (self == Self::Lungs).then(Finder::shipped).transpose()
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// Whose false alarms the operating point bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatingPoint {
    /// All healthy people of other sources together.
    #[default]
    Pooled,
    /// Each hospital's, and each one's people with another finding: the worst of them decides.
    Worst,
}

impl OperatingPoint {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_pooled(&self) -> bool {
        *self == Self::Pooled
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            external: false,
            radiologists: false,
            tone: Tone::None,
            frame: Frame::Whole,
            false_alarms: 0.03,
            other_findings_alarms: 0.1,
            operating_point: OperatingPoint::Pooled,
            covid_doubted: 0.0,
        }
    }
}
