//! One classified image.

use cxr_app::classes::CLASSES;

/// One classified image.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// True class.
    pub truth: usize,
    /// Class with the largest probability.
    pub predicted: usize,
    /// Calibrated probabilities.
    pub probabilities: [f64; CLASSES.len()],
    /// The verdict was withheld.
    pub abstained: bool,
    /// Who is on the image.
    pub patient: String,
}

impl Outcome {
    /// The class is the right one.
    pub fn right(&self) -> bool {
        self.truth == self.predicted
    }

    /// Probability of the class answered.
    pub fn top(&self) -> f64 {
        self.probabilities[self.predicted]
    }

    /// Probability that the image is not Normal/NA.
    pub fn abnormal(&self) -> f64 {
        1.0 - self.probabilities[0]
    }
}
