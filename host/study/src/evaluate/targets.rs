//! What is told apart from the rest: each class, and what is not Normal/NA.

use super::outcome::Outcome;
use cxr_app::classes::CLASSES;

/// Names.
pub const TARGETS: [&str; 4] = [CLASSES[0], CLASSES[1], CLASSES[2], "abnormal (not Normal/NA)"];

/// The probability of a target, and whether the image is one.
pub fn score(outcome: &Outcome, target: usize) -> (f64, bool) {
    match outcome.probabilities.get(target) {
        Some(probability) => (*probability, outcome.truth == target),
        None => (outcome.abnormal(), outcome.truth != 0),
    }
}
