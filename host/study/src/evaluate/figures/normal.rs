//! Normal against abnormal.

use crate::evaluate::figure::{Auc, Block, Case, Computed, Evidence, Figure, Page, Section, Sets};
use crate::evaluate::people::{self, AgeGroup, age_group};
use crate::evaluate::render::text::auc;
use crate::evaluate::targets::score;
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Normal against abnormal by split, by source, and for children and adults apart.
fn normal_vs_abnormal(sets: &Sets<'_>) -> BTreeMap<String, Computed<Auc>> {
    let mut found = BTreeMap::new();
    for (split, cases) in sets {
        found.insert((*split).to_owned(), separation(cases.iter()));
        let sources: BTreeSet<&str> = cases.iter().map(|case| case.sample.source.as_str()).collect();
        for source in sources {
            let of_source = cases.iter().filter(|case| case.sample.source == source);
            found.insert(format!("{split}/{source}"), separation(of_source));
        }
        for (name, group) in [("children", AgeGroup::Child), ("adults", AgeGroup::Adult)] {
            let of_group = cases.iter().filter(|case| age_group(case.sample).is_some_and(|(found, _)| found == group));
            found.insert(format!("{split}, {name}"), separation(of_group));
        }
    }
    found
}

fn separation<'a>(cases: impl Iterator<Item = &'a Case<'a>>) -> Computed<Auc> {
    let scores: Vec<(f64, bool)> = cases.map(|case| score(&case.measured.outcome, CLASSES.len())).collect();
    let abnormal = scores.iter().filter(|(_, is)| *is).count();
    let counts = format!("{} Normal, {abnormal} abnormal images: both are needed", scores.len() - abnormal);
    Auc::of(scores).map_or_else(|| Computed::no(counts), Computed::Yes)
}

/// By split, source and age group.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ByGroup(BTreeMap<String, Computed<Auc>>);

impl Figure for ByGroup {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(normal_vs_abnormal(&from.tests)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let row = |(name, found): (&String, &Computed<_>)| match found {
            Computed::Yes(found) => vec![name.clone(), auc(Some(found))],
            Computed::No { not_computed } => vec![name.clone(), format!("not computed ({not_computed})")],
        };
        let head = ["images", "AUC, Normal/NA against the rest"];
        let rows = self.0.iter().map(row).collect();
        let blocks = vec![Block::table("By source and age group", head, rows), Block::Text(people::INFERRED.to_owned())];
        let note = "Within one source and one age group, neither origin nor age can stand in for disease: these are the figures \
            that shortcuts cannot make better.";
        Ok(vec![Section { id: "normal", title: "Normal against abnormal", note: note.to_owned(), blocks }])
    }
}
