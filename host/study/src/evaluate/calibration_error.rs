//! Expected calibration error: how far top probabilities are from the share right.

/// Bins of the top probability, of equal width.
pub const BINS: usize = 15;

/// Expected calibration error of top probabilities and whether each was right; 0 of none.
pub fn error(tops: impl Iterator<Item = (f64, bool)>) -> f64 {
    weighted_error(tops.map(|(top, right)| (top, right, 1.0)))
}

/// The same where each verdict weighs what is given.
pub fn weighted_error(tops: impl Iterator<Item = (f64, bool, f64)>) -> f64 {
    let (mut bins, mut sum) = ([0.0; BINS], 0.0);
    for (top, right, weight) in tops {
        // |mean confidence - accuracy| * count = |sum of confidences - hits|
        bins[bin(top)] += weight * (top - f64::from(u8::from(right)));
        sum += weight;
    }
    bins.iter().map(|difference| difference.abs()).sum::<f64>() / f64::max(sum, 1.0)
}

/// The bin of a top probability.
pub fn bin(top: f64) -> usize {
    ((top * BINS as f64) as usize).min(BINS - 1)
}
