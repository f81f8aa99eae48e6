//! What an image comes to.

use core::mem::{offset_of, size_of};
use cxr_core::session::{AbstainReason, Decision, Verdict};

/// Most classes of a model.
pub const CXR_MAX_CLASSES: usize = 8;

/// Why a verdict is withheld.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CxrRefusal {
    /// It is not: `class_index` is the verdict.
    None = 0,
    /// The largest calibrated probability is below the model's threshold.
    LowConfidence = 1,
    /// The picture is unlike the frontal chest X-rays that the model was trained on.
    OutOfDistribution = 2,
    /// A reason that this interface has no name for.
    Other = 3,
    /// The call failed: there is nothing in this verdict.
    NoVerdict = 4,
    /// The likeliest class is one that pictures from places that the model does not know are given too often, and the picture is less like
    /// those that it knows than this class takes. Libraries of before know no such reason.
    DoubtfulClass = 5,
}

/// What a class was given.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CxrScore {
    /// Accumulator of the last layer, bias included: the class's map sums to it less the bias.
    pub accumulator: i32,
    /// `(float)accumulator * scale`.
    pub logit: f32,
    /// Calibrated probability; those of all classes sum to 1.
    pub probability: f32,
}

/// The result for one image. `class_index` is -1 unless `cxr_finish` returned `CXR_OK`, so that a refusal cannot be read as a class.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CxrVerdict {
    /// Index of the class, or -1: no verdict.
    pub class_index: i32,
    /// Why there is none.
    pub refusal: CxrRefusal,
    /// How unlike the training images the picture is; 0 if the model cannot tell.
    pub refusal_score: f32,
    /// Elements of `scores` that are in use.
    pub class_count: u32,
    /// One a class.
    pub scores: [CxrScore; CXR_MAX_CLASSES],
}

impl CxrVerdict {
    pub(crate) const NONE: Self = Self {
        class_index: -1,
        refusal: CxrRefusal::NoVerdict,
        refusal_score: 0.0,
        class_count: 0,
        scores: [CxrScore { accumulator: 0, logit: 0.0, probability: 0.0 }; CXR_MAX_CLASSES],
    };

    /// Bytes up to the last score in use.
    pub(crate) const fn len(&self) -> usize {
        offset_of!(Self, scores) + self.class_count as usize * size_of::<CxrScore>()
    }

    pub(crate) fn new(verdict: &Verdict) -> Self {
        let (class_index, refusal) = match verdict.decision() {
            Decision::Class(class) => (class as i32, CxrRefusal::None),
            Decision::Abstain(AbstainReason::LowConfidence) => (-1, CxrRefusal::LowConfidence),
            Decision::Abstain(AbstainReason::OutOfDistribution) => (-1, CxrRefusal::OutOfDistribution),
            Decision::Abstain(AbstainReason::DoubtfulClass) => (-1, CxrRefusal::DoubtfulClass),
            Decision::Abstain(_) => (-1, CxrRefusal::Other),
        };
        let (class_count, refusal_score) = (verdict.logits().len() as u32, verdict.refusal_score().unwrap_or(0.0));
        let mut out = Self { class_index, refusal, refusal_score, class_count, ..Self::NONE };
        let values = verdict.accumulators().iter().zip(verdict.logits()).zip(verdict.probabilities());
        for (score, ((accumulator, logit), probability)) in out.scores.iter_mut().zip(values) {
            *score = CxrScore { accumulator: *accumulator, logit: *logit, probability: *probability };
        }
        out
    }
}
