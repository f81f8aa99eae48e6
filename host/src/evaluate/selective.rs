//! Accuracy where only the surest verdicts are given.

use super::auc::thin;
use super::intervals::Rate;
use super::metrics::Outcome;
use serde::Serialize;

/// Shares of the images that get a verdict.
const COVERAGES: [f64; 3] = [0.80, 0.90, 0.95];

/// Accuracy by coverage.
#[derive(Clone, Debug, Serialize)]
pub struct Selective {
    /// Coverage and the accuracy of that share of the images, the surest first.
    pub at: Vec<(f64, Rate)>,
    /// Points (coverage, accuracy) of the curve.
    pub curve: Vec<[f64; 2]>,
}

/// Of the outcomes ranked by their top probability; equal ones keep their order.
pub fn selective(outcomes: &[&Outcome]) -> Selective {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|a, b| b.top().total_cmp(&a.top()));
    let at = |coverage: f64| {
        let kept = (coverage * sorted.len() as f64).round() as usize;
        (coverage, Rate::of(sorted[..kept].iter().map(|o| o.right())))
    };
    let mut right = 0usize;
    let points: Vec<[f64; 2]> = sorted
        .iter()
        .enumerate()
        .map(|(i, outcome)| {
            right += usize::from(outcome.right());
            [(i + 1) as f64 / sorted.len() as f64, right as f64 / (i + 1) as f64]
        })
        .collect();
    Selective { at: COVERAGES.map(at).to_vec(), curve: thin(&points, 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_come_first() {
        let outcomes: Vec<Outcome> = (0..20)
            .map(|i| {
                let top = 0.4 + f64::from(i) / 40.0;
                // The four least sure are wrong.
                Outcome {
                    truth: usize::from(i < 4),
                    predicted: 0,
                    probabilities: [top, 1.0 - top, 0.0],
                    abstained: false,
                    patient: String::new(),
                }
            })
            .collect();
        let found = selective(&outcomes.iter().collect::<Vec<_>>());
        assert_eq!(found.at.iter().map(|(_, rate)| (rate.hits, rate.n)).collect::<Vec<_>>(), [(16, 16), (16, 18), (16, 19)]);
        assert_eq!(found.curve.last(), Some(&[1.0, 0.8]));
        assert!(selective(&[]).at[0].1.value.is_none());
    }
}
