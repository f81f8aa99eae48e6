//! COVID-19 is named only of pictures like those of training: of others, from hospitals that the model does not know, it is said too often
//! (docs/experiments/33-what-admits-ignorance.md).

use super::data::Images;
use cxr_app::classes::COVID;
use rownet_convert::chain::stats::argmax;
use serde::Serialize;

/// When a verdict of COVID-19 is withheld, and what that costs on validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Doubt {
    /// Distance above which it is withheld.
    pub(super) above: f32,
    /// The recipe's share.
    share: f64,
    /// Frontal COVID-19 images of validation that the network takes for such and that are not refused.
    right: usize,
    /// How many of them are withheld.
    withheld: usize,
}

/// Fits to logits, and refusal scores with distances, of the validation images; `None` at a share of 0, or where no COVID-19 was found.
pub(super) fn fit(
    logits: &[Vec<f32>],
    scores: &[Option<(f32, f32)>],
    images: &Images,
    refuse_above: f32,
    share: f64,
) -> Option<Doubt> {
    let of = logits.iter().zip(scores).zip(&images.validation);
    let right = of.filter(|((logits, _), (_, class))| *class == COVID && argmax(logits) == COVID);
    let seen = right.filter_map(|((_, scores), _)| scores.filter(|(score, _)| *score <= refuse_above));
    threshold(seen.map(|(_, distance)| distance).collect(), share)
}

/// The distance that `share` of `right` are above: half way between the last that is named and the first that is not.
fn threshold(mut right: Vec<f32>, share: f64) -> Option<Doubt> {
    right.sort_by(f32::total_cmp);
    let withheld = (share * right.len() as f64).round() as usize;
    let named = right.len() - withheld;
    let first = *right.get(named)?;
    let last = named.checked_sub(1).and_then(|last| right.get(last)).copied().unwrap_or(first - 1.0);
    Some(Doubt { above: (last + first) / 2.0, share, right: right.len(), withheld })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stated_share_lies_above() {
        let scores: Vec<f32> = (0..100).rev().map(|i| i as f32 / 10.0).collect();
        let found = threshold(scores.clone(), 0.25).unwrap();
        assert_eq!((found.right, found.withheld), (100, 25));
        assert_eq!(scores.iter().filter(|score| **score > found.above).count(), 25);
        assert_eq!(threshold(scores, 0.0), None);
        assert_eq!(threshold(vec![], 0.25), None);
        assert!(threshold(vec![3.0], 1.0).unwrap().above < 3.0);
    }
}
