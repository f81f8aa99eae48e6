//! Figures of groups of images: by source, age band, sex, view and finding.

use crate::dataset::Sample;
use crate::evaluate::figure::{Auc, Block, Case, Evidence, Figure, Outcome, Page, Rate, Section, Table};
use crate::evaluate::people;
use crate::evaluate::render::text::{auc, rate};
use anyhow::Result;
use cxr_app::classes::{CLASSES, COVID};
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
type Groups = BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<String, Group>>>;

/// Figures of groups, by split.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Subgroups(Groups);

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
fn subgroups(sets: &[(&'static str, Vec<Case<'_>>)]) -> Groups {
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

impl Figure for Subgroups {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(subgroups(&from.tests)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let mut blocks = Vec::new();
        for (split, dimensions) in &self.0 {
            for (dimension, groups) in dimensions {
                let rows = groups.iter().map(|(name, g)| {
                    let mut row = vec![name.clone(), rate(&g.accuracy)];
                    row.extend(g.sensitivity.iter().map(rate));
                    row.extend([rate(&g.wrongly_covid), auc(g.normal_vs_abnormal.as_ref())]);
                    row
                });
                let mut head = vec![(*dimension).to_owned(), "accuracy".to_owned()];
                head.extend(CLASSES.map(|class| format!("{class} found")));
                head.extend(["others called COVID-19".to_owned(), "AUC, Normal against the rest".to_owned()]);
                blocks.push(Block::Table(Table { caption: format!("{split}, by {dimension}"), head, rows: rows.collect() }));
            }
        }
        let note = "Small groups prove little: read the intervals. `none`: there is no such image in the group.";
        Ok(vec![Section { id: "subgroups", title: "By source, age, sex, view and cause", note: note.to_owned(), blocks }])
    }
}
