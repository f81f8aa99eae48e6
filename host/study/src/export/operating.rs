//! The operating point: how readily the network says COVID-19.

use crate::recipe::{DataSpec, OperatingPoint as Rule};
use cxr_app::classes::COVID;
use serde::Serialize;
use std::collections::BTreeMap;

/// Fewer people of a hospital decide nothing by themselves.
const LEAST: usize = 20;
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
    /// The people that decided: a hospital's, healthy or with another finding; absent where all healthy people did together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worst: Option<String>,
}

/// People who are not ill with COVID-19, by hospital and whether they have another finding.
pub(super) type Groups<'a> = BTreeMap<(String, bool), Vec<&'a [f32]>>;

/// The operating point by the recipe's rule: that of all of `healthy` together, or the lowest of those of each group with
/// [`LEAST`] people or more, of whom the recipe allows shares of their own.
pub(super) fn by_rule(data: &DataSpec, healthy: &[&[f32]], groups: &Groups<'_>) -> OperatingPoint {
    let pooled = covid_offset(healthy, data.false_alarms);
    if data.operating_point == Rule::Pooled {
        return pooled;
    }
    let of_group = |((hospital, is_other), logits): (&(String, bool), &Vec<&[f32]>)| {
        let (what, allowed) =
            if *is_other { ("other finding", data.other_findings_alarms) } else { ("healthy", data.false_alarms) };
        (logits.len() >= LEAST).then(|| (format!("{hospital}, {what}"), covid_offset(logits, allowed)))
    };
    let Some((worst, point)) = groups.iter().filter_map(of_group).min_by(|a, b| a.1.offset.total_cmp(&b.1.offset)) else {
        return pooled;
    };
    OperatingPoint {
        rule: "largest offset of the COVID-19 logit at which at most the allowed shares are called COVID-19 of each hospital's healthy people in validation, and of its people with another finding",
        worst: Some(worst),
        ..point
    }
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
        worst: None,
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

    #[test]
    fn the_worst_hospital_decides() {
        let people = |count: usize, shift: f32| -> Vec<[f32; 3]> {
            (0..count).map(|i| [i as f32 / count as f32 - shift, -1.0, 0.0]).collect()
        };
        let sets = [("a", people(100, 0.0)), ("b", people(40, 0.5)), ("few", people(19, 2.0))];
        let mut groups: Groups<'_> = sets
            .iter()
            .map(|(name, set)| (((*name).to_owned(), false), set.iter().map(<[f32; 3]>::as_slice).collect()))
            .collect();
        let healthy: Vec<&[f32]> = groups.values().flatten().copied().collect();
        let mut data = DataSpec { false_alarms: 0.05, operating_point: Rule::Worst, ..DataSpec::default() };
        let worst = by_rule(&data, &healthy, &groups);
        assert_eq!((worst.worst.as_deref(), worst.healthy, worst.called_covid[1]), (Some("b, healthy"), 40, 2));
        assert_eq!(by_rule(&data, &healthy, &Groups::new()).offset, covid_offset(&healthy, 0.05).offset);
        // People with another finding may be called so more often: those who decided at 5 % do not at 30 %.
        let ill = people(100, 0.6);
        groups.insert(("a".to_owned(), true), ill.iter().map(<[f32; 3]>::as_slice).collect());
        for (share, decides) in [(0.05, "a, other finding"), (0.3, "b, healthy")] {
            data.other_findings_alarms = share;
            assert_eq!(by_rule(&data, &healthy, &groups).worst.as_deref(), Some(decides));
        }
        data.operating_point = Rule::Pooled;
        let pooled = by_rule(&data, &healthy, &groups);
        assert_eq!((pooled.worst, pooled.healthy), (None, 159));
    }
}
