//! What other runs tell of this model: its seeds and its folds.

use super::folds::Folds;
use super::seeds::Seeds;
use crate::evaluate::figure::{Computed, Page, Section};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs beside this one.
#[derive(Clone, Debug, Serialize)]
pub struct OtherRuns {
    /// Seeds.
    #[serde(flatten)]
    pub seeds: Seeds,
    /// COVID-19 over folds by patient.
    pub folds: Computed<Folds>,
}

impl OtherRuns {
    /// Its sections of the report.
    pub fn sections(&self, page: &Page<'_>) -> Vec<Section> {
        vec![self.seeds.section(), self.folds.section(page)]
    }
}

/// What this run has that others are compared with.
pub struct Own {
    /// Its headline figures.
    pub headlines: BTreeMap<&'static str, f64>,
    /// The engine, as in report.json.
    pub engine: Value,
    /// The splits, as in report.json.
    pub data: Value,
}
