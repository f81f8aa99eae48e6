//! What a figure of the report is: computed from measured verdicts, and drawn as a section.

pub use super::auc::Auc;
pub use super::intervals::{Balanced, Rate};
pub use super::measure::{Case, Measured, Measurements, Seen, Traits};
use super::metrics::Figures;
pub use super::networks::{EngineName, Networks};
pub use super::outcome::Outcome;
pub use super::render::section::{Block, Section, Table, Tile};
pub use super::subject::Subject;
pub use super::training::Recipe;
use crate::dataset::{Dataset, Sample, Split, check};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A figure of the report.
pub trait Figure {
    /// Computes it.
    ///
    /// # Errors
    /// What a network says of a picture that is made for it.
    fn compute(from: &Evidence<'_>) -> Result<Self>
    where
        Self: Sized;

    /// Draws it, computed or not: one section, or some.
    ///
    /// # Errors
    /// A plot that cannot be drawn.
    fn sections(&self, page: &Page<'_>) -> Result<Vec<Section>>;

    /// What of it belongs to the headline.
    fn tiles(&self) -> Vec<Tile> {
        vec![]
    }
}

/// What else a section shows.
pub struct Page<'a> {
    /// What is evaluated.
    pub subject: &'a Subject,
    /// All figures' tiles.
    pub tiles: &'a [Tile],
}

/// A figure, or why there is none: never left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Computed<T> {
    /// The figure.
    Yes(T),
    /// Why there is none, and how to get one.
    No {
        /// The reason.
        not_computed: String,
    },
}

impl<T> Computed<T> {
    /// No figure, for this reason.
    pub fn no(reason: impl Into<String>) -> Self {
        Self::No { not_computed: reason.into() }
    }
}

/// Named sets of cases.
pub type Sets<'a> = Vec<(&'static str, Vec<Case<'a>>)>;

/// What figures are computed from.
pub struct Evidence<'a> {
    /// What is evaluated.
    pub subject: &'a Subject,
    /// The networks.
    pub networks: &'a Networks<'a>,
    /// All images of a class, and those to be refused.
    pub samples: &'a [Sample],
    /// What was measured of them.
    pub measured: &'a Measurements,
    /// All images with a verdict, those with a partial label last.
    pub seen: Vec<Seen<'a>>,
    /// Cases of the test splits that have images.
    pub tests: Sets<'a>,
    /// The same and those of validation.
    pub all: Sets<'a>,
    /// Their outcomes.
    pub outcomes: BTreeMap<&'static str, Vec<&'a Outcome>>,
    /// Figures by split; `val/SOURCE` and `external_test/SOURCE` by source.
    pub splits: BTreeMap<String, Figures>,
    /// What `host data check` says of the images.
    pub check: &'a check::Report,
}

impl<'a> Evidence<'a> {
    /// Of what was `measured` of `data`.
    pub fn new(
        subject: &'a Subject,
        networks: &'a Networks<'a>,
        data: &'a Dataset,
        measured: &'a Measurements,
        check: &'a check::Report,
    ) -> Self {
        let sets = |splits: &[Split]| -> Sets<'a> {
            let all = splits.iter().map(|split| (split.name(), measured.of(&data.samples, *split)));
            all.filter(|(_, cases)| !cases.is_empty()).collect()
        };
        let all = sets(&[Split::Test, Split::ExternalTest, Split::Val]);
        Self {
            subject,
            networks,
            samples: &data.samples,
            measured,
            seen: Seen::all(data, measured),
            tests: sets(&[Split::Test, Split::ExternalTest]),
            outcomes: all.iter().map(|(name, of)| (*name, of.iter().map(|case| &case.measured.outcome).collect())).collect(),
            splits: splits(&all),
            all,
            check,
        }
    }
}

fn splits(sets: &[(&'static str, Vec<Case<'_>>)]) -> BTreeMap<String, Figures> {
    let mut found: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
    for (name, cases) in sets {
        for case in cases {
            found.entry((*name).to_owned()).or_default().push(&case.measured.outcome);
            if case.sample.split != Split::Test {
                found.entry(format!("{name}/{}", case.sample.source)).or_default().push(&case.measured.outcome);
            }
        }
    }
    found.into_iter().map(|(name, set)| (name, Figures::new(&set))).collect()
}
