//! The result for one image.

use crate::format::{Doubt, MAX_CLASSES, Model};
use crate::ops::{average_pool_2d, softmax};
use core::cmp::Ordering;
use heapless::Vec;

/// Why a verdict was withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AbstainReason {
    /// The picture is unlike the frontal chest X-rays that the model was trained on: its score is above
    /// [`Refusal::refuse_above`](crate::format::Refusal::refuse_above).
    OutOfDistribution,
    /// The largest calibrated probability is below the model's threshold.
    LowConfidence,
    /// The likeliest class is one that pictures from places that the model does not know are given too often, and the picture is less
    /// like those that it knows than this class takes: see [`Doubt`].
    DoubtfulClass,
}

/// What a verdict says. A refusal is not a class: it cannot be read as one.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// # let mut arena = [0; 65_536];
/// # let mut session = cxr_core::session::Session::new(&model, &mut arena)?;
/// # let verdict = session.run(&[0; 256 * 256 * 3])?; // a black picture
/// use cxr_core::verdict::Decision;
/// match verdict.decision() {
///     Decision::Class(k) => println!("{}", model.class_name(k)),
///     Decision::Abstain(reason) => println!("no verdict: {reason:?}"),
/// }
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Decision {
    /// Index of the class, as in [`Model::class_name`](crate::format::Model::class_name).
    Class(usize),
    /// No class: the caller must say that there is none.
    Abstain(AbstainReason),
}

/// The result for one image.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Verdict {
    accumulators: Vec<i32, MAX_CLASSES>,
    logits: Vec<f32, MAX_CLASSES>,
    probabilities: Vec<f32, MAX_CLASSES>,
    refusal_score: Option<f32>,
    distance: Option<f32>,
    decision: Decision,
}

impl Verdict {
    /// What the accumulators of a model's last layer come to, with the channel sums that its refusal head reads; none where the model
    /// is not as parsed.
    pub(crate) fn of(model: &Model<'_>, sums: &[i32], features: &[i8]) -> Option<Self> {
        let layer = model.layer(model.layer_count().checked_sub(1)?)?;
        let (mut accumulators, mut logits) = (Vec::new(), Vec::new());
        for (k, sum) in sums.iter().take(model.class_count()).enumerate() {
            accumulators.push(*sum).ok()?;
            logits.push(*sum as f32 * layer.scale_at(k)).ok()?;
        }
        let mut probabilities = logits.clone();
        softmax::softmax(&logits, model.temperature(), &mut probabilities);
        let refusal = model.refusal().map(|head| {
            let (score, distance) = head.measure(average_pool_2d::sums(features));
            (score, distance, head.refuse_above())
        });
        let distance = refusal.map(|(_, distance, _)| distance);
        let doubt = model.doubt().map(|doubt| (doubt, distance.unwrap_or(f32::NAN)));
        let decision = decide(&probabilities, model.abstain_below(), doubt, refusal.map(|(score, _, above)| (score, above)));
        let refusal_score = refusal.map(|(score, ..)| score);
        Some(Self { accumulators, logits, probabilities, refusal_score, distance, decision })
    }

    /// The class, or that there is none.
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// Logits, one a class: `f32(accumulator) * scale`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Calibrated probabilities, one a class, summing to 1. They say nothing of a picture that is no chest X-ray.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Accumulators of the last layer, bias included.
    pub fn accumulators(&self) -> &[i32] {
        &self.accumulators
    }

    /// How unlike the training images the picture is (see [`Refusal`](crate::format::Refusal)), if the model can tell.
    pub const fn refusal_score(&self) -> Option<f32> {
        self.refusal_score
    }

    /// How far the picture is from the training images: the squares of the refusal score (see [`Refusal::measure`](crate::format::Refusal::measure)).
    pub const fn distance(&self) -> Option<f32> {
        self.distance
    }

    /// The likeliest class and its probability, even where the decision is to abstain: for reports on the model, not
    /// for users of it.
    pub fn likeliest_regardless(&self) -> (usize, f32) {
        likeliest(&self.probabilities)
    }
}

/// What probabilities, the doubted class with the picture's distance, and a refusal score with the threshold above which it refuses come to. A score or a probability that is not a
/// finite number is no class.
fn decide(probabilities: &[f32], abstain_below: f32, doubt: Option<(Doubt, f32)>, refusal: Option<(f32, f32)>) -> Decision {
    let (best, p) = likeliest(probabilities);
    // By what must hold, not by its contrary: comparisons with what is not a number are false.
    if refusal.is_some_and(|(score, above)| !(score.is_finite() && score <= above)) {
        Decision::Abstain(AbstainReason::OutOfDistribution)
    } else if !(p > 0.0 && p.is_finite() && p >= abstain_below) {
        Decision::Abstain(AbstainReason::LowConfidence)
    } else if doubt.is_some_and(|(doubt, distance)| {
        usize::from(doubt.class) == best && distance.partial_cmp(&doubt.above).is_none_or(Ordering::is_gt)
    }) {
        Decision::Abstain(AbstainReason::DoubtfulClass)
    } else {
        Decision::Class(best)
    }
}

/// The first of the largest values, and its index; index 0 and 0 where none is above 0.
pub(crate) fn likeliest(probabilities: &[f32]) -> (usize, f32) {
    let mut best = (0, 0.0);
    for (i, p) in probabilities.iter().enumerate() {
        if *p > best.1 {
            best = (i, *p);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURE: [f32; 3] = [0.1, 0.8, 0.1];

    #[test]
    fn at_the_threshold_of_confidence_there_is_a_verdict_and_just_below_none() {
        assert_eq!(decide(&SURE, 0.8, None, None), Decision::Class(1));
        assert_eq!(decide(&SURE, 0.8f32.next_up(), None, None), Decision::Abstain(AbstainReason::LowConfidence));
        assert_eq!(decide(&SURE, 0.0, None, None), Decision::Class(1));
    }

    #[test]
    fn at_the_threshold_of_refusal_there_is_a_verdict_and_just_above_none() {
        for score in [5.0, 0.0, -7.5, f32::MAX, f32::MIN] {
            assert_eq!(decide(&SURE, 0.5, None, Some((score, score))), Decision::Class(1));
            assert_eq!(
                decide(&SURE, 0.5, None, Some((score, score.next_down()))),
                Decision::Abstain(AbstainReason::OutOfDistribution)
            );
        }
    }

    #[test]
    fn what_is_no_finite_number_is_no_class() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for above in [5.0, f32::MAX, f32::INFINITY] {
                let decision = decide(&SURE, 0.0, None, Some((bad, above)));
                assert_eq!(decision, Decision::Abstain(AbstainReason::OutOfDistribution), "{bad} {above}");
            }
            assert_eq!(decide(&[bad; 3], 0.0, None, None), Decision::Abstain(AbstainReason::LowConfidence), "{bad}");
        }
        assert_eq!(decide(&[0.0; 3], 0.0, None, None), Decision::Abstain(AbstainReason::LowConfidence));
        assert_eq!(decide(&[], 0.0, None, None), Decision::Abstain(AbstainReason::LowConfidence));
    }

    #[test]
    fn a_doubted_class_takes_a_picture_like_those_that_are_known() {
        let at = |class, above, distance| decide(&SURE, 0.5, Some((Doubt { class, above }, distance)), Some((0.0, 9.0)));
        assert_eq!(at(1, 2.0, 2.0), Decision::Class(1));
        for (above, distance) in [(2.0, 2.0f32.next_up()), (f32::NAN, 2.0), (2.0, f32::NAN), (2.0, f32::INFINITY)] {
            assert_eq!(at(1, above, distance), Decision::Abstain(AbstainReason::DoubtfulClass));
        }
        assert_eq!(at(0, 2.0, 8.0), Decision::Class(1), "another class is doubted");
        let far = Some((Doubt { class: 1, above: 2.0 }, 3.0));
        assert_eq!(
            decide(&SURE, 0.5, far, Some((9.5, 9.0))),
            Decision::Abstain(AbstainReason::OutOfDistribution),
            "no X-ray at all"
        );
        assert_eq!(decide(&SURE, 0.9, far, Some((0.0, 9.0))), Decision::Abstain(AbstainReason::LowConfidence), "no class at all");
    }

    #[test]
    fn of_equals_the_first_is_the_likeliest() {
        assert_eq!(likeliest(&[0.2, 0.4, 0.4]), (1, 0.4));
        assert_eq!(likeliest(&[0.5, 0.25, 0.25]), (0, 0.5));
        assert_eq!(likeliest(&[f32::NAN, 0.25]), (1, 0.25));
    }
}
