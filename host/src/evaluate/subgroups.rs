//! Figures of groups of images: by source, age band, sex, view and finding.

use super::auc::Auc;
use super::intervals::Rate;
use super::measure::Case;
use super::metrics::Outcome;
use super::people;
use crate::classes::{CLASSES, COVID};
use crate::dataset::Sample;
use serde::Serialize;
use std::collections::BTreeMap;

/// Groups of fewer images are put together as `others`.
const LEAST: usize = 5;

/// Figures of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Share right.
    pub accuracy: Rate,
    /// Share found by true class, in class order.
    pub sensitivity: [Rate; CLASSES.len()],
    /// Images of other classes called COVID-19.
    pub wrongly_covid: Rate,
    /// Normal against abnormal, where both are there.
    pub normal_vs_abnormal: Option<Auc>,
}

/// Split, then dimension, then group.
pub type Subgroups = BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<String, Group>>>;

/// A dimension's name and the group of a sample in it.
type Dimension = (&'static str, fn(&Sample) -> &str);

const DIMENSIONS: [Dimension; 5] = [
    ("source", |sample| &sample.source),
    ("age band", |sample| people::age_band(sample)),
    ("sex", people::sex),
    ("view", people::view),
    ("cause or finding", people::finding),
];

/// Figures of all groups of `sets`.
pub fn subgroups(sets: &[(&'static str, Vec<Case<'_>>)]) -> Subgroups {
    let dimension = |cases: &[Case<'_>], of: fn(&Sample) -> &str| {
        let mut groups: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
        for case in cases {
            groups.entry(of(case.sample)).or_default().push(*case);
        }
        let mut merged: BTreeMap<String, Vec<Case<'_>>> = BTreeMap::new();
        for (name, members) in groups {
            let name = if members.len() < LEAST { "others, fewer than 5 images each" } else { name };
            merged.entry(name.to_owned()).or_default().extend(members);
        }
        merged.into_iter().map(|(name, members)| (name, group(&members))).collect()
    };
    let split = |cases: &Vec<Case<'_>>| DIMENSIONS.iter().map(|(name, of)| (*name, dimension(cases, *of))).collect();
    sets.iter().map(|(name, cases)| (*name, split(cases))).collect()
}

fn group(cases: &[Case<'_>]) -> Group {
    let outcomes = || cases.iter().map(|case| &case.measured.outcome);
    let right = |o: &'_ Outcome| (o.right(), o.patient.clone());
    let rate = |hits: Vec<(bool, String)>| Rate::by_patient(hits.iter().map(|(hit, patient)| (*hit, patient.as_str())));
    Group {
        accuracy: rate(outcomes().map(right).collect()),
        sensitivity: std::array::from_fn(|k| rate(outcomes().filter(|o| o.truth == k).map(right).collect())),
        wrongly_covid: rate(outcomes().filter(|o| o.truth != COVID).map(|o| (o.predicted == COVID, o.patient.clone())).collect()),
        normal_vs_abnormal: Auc::of(outcomes().map(|o| (o.abnormal(), o.truth != 0))),
    }
}
