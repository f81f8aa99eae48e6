//! The operating point: how readily the network says COVID-19.

use crate::classes::COVID;
use serde::Serialize;

/// Offsets beyond this would hide a network that has not learned to tell healthy people from patients.
const LIMIT: f32 = 3.0;

/// What is added to the COVID-19 logit, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct OperatingPoint {
    /// Added to the bias of the COVID-19 logit.
    pub(super) offset: f32,
    /// Share of healthy people that may be called COVID-19.
    pub(super) false_alarms_allowed: f64,
    /// Healthy people of the other sources in validation.
    pub(super) healthy: usize,
    /// How many of them are called COVID-19 without and with the offset.
    pub(super) called_covid: [usize; 2],
    /// In words.
    pub(super) rule: &'static str,
}

/// The largest offset of the COVID-19 logit at which at most `allowed` of the healthy people, given by their logits, are called COVID-19
/// (a Neyman-Pearson threshold, on validation). 0 without healthy people.
pub(super) fn covid_offset(healthy: &[&[f32]], allowed: f64) -> OperatingPoint {
    // The offset at which each of them would be called COVID-19.
    let others = |logits: &[f32]| logits[..COVID].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut margins: Vec<f32> = healthy.iter().map(|logits| others(logits) - logits[COVID]).collect();
    margins.sort_by(f32::total_cmp);
    let called = |offset: f32| margins.iter().filter(|margin| **margin < offset).count();
    let count = (allowed * margins.len() as f64) as usize;
    let offset = match margins.get(count) {
        // Half way to the first one too many.
        Some(&beyond) => {
            let within = if count > 0 { margins[count - 1] } else { beyond - 0.1 };
            ((within + beyond) / 2.0).clamp(-LIMIT, LIMIT)
        }
        None => 0.0,
    };
    OperatingPoint {
        offset,
        false_alarms_allowed: allowed,
        healthy: margins.len(),
        called_covid: [called(0.0), called(offset)],
        rule: "largest offset of the COVID-19 logit at which at most the allowed share of the healthy people of other sources in validation is called COVID-19",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowed_share_is_called_covid() {
        let logits: Vec<[f32; 3]> = (0..100).map(|i| [i as f32 / 50.0, -1.0, 0.0]).collect();
        let healthy: Vec<&[f32]> = logits.iter().map(<[f32; 3]>::as_slice).collect();
        let point = covid_offset(&healthy, 0.03);
        assert_eq!((point.healthy, point.called_covid), (100, [0, 3]));
        assert!((point.offset - 0.05).abs() < 1e-6, "{}", point.offset);
        // More false alarms than allowed: the offset is negative.
        let alarmed: Vec<[f32; 3]> = (0..100).map(|i| [i as f32 / 50.0, -1.0, 1.0]).collect();
        let healthy: Vec<&[f32]> = alarmed.iter().map(<[f32; 3]>::as_slice).collect();
        let point = covid_offset(&healthy, 0.03);
        assert_eq!(point.called_covid, [50, 3]);
        assert!(point.offset < 0.0);
        assert_eq!(covid_offset(&[], 0.03).offset, 0.0);
    }
}
