//! What an earlier report of the same model pooled of other runs, when their own reports are not given again.

use super::folds::Folds;
use super::runs::{self, Spread, headlines};
use super::{Computed, Report};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An earlier report.json, as far as it tells of other runs.
#[derive(Debug)]
pub struct Earlier {
    path: PathBuf,
    report: Value,
    pooled: Pooled,
}

#[derive(Debug, Deserialize)]
struct Pooled {
    model_sha256: String,
    seeds: Computed<BTreeMap<String, Spread>>,
    folds: Computed<Folds>,
}

impl Earlier {
    /// Reads `path`, a report of the model of that `sha256`.
    ///
    /// # Errors
    /// No report.json, or one of another model; names the file.
    pub fn read(path: &Path, sha256: &str) -> Result<Self> {
        let place = path.display();
        let report = runs::read_one(path)?;
        let pooled = Pooled::deserialize(&report)
            .with_context(|| format!("{place}: not a report.json of `host evaluate`; give an earlier one of this model"))?;
        ensure!(
            pooled.model_sha256 == sha256,
            "{place}: is of another model (SHA-256 {}); --earlier takes a report of this one ({sha256})",
            pooled.model_sha256
        );
        Ok(Self { path: path.to_owned(), report, pooled })
    }

    /// Puts in what `report` has not: the seeds and the folds that the earlier one pooled.
    ///
    /// # Errors
    /// This model's own figures were others then, so the other runs were measured on other images.
    pub fn complete(self, report: &mut Report) -> Result<()> {
        let (then, now) = (headlines(&self.report), headlines(&serde_json::to_value(&*report)?));
        for (name, value) in &now {
            let before = then.get(name);
            ensure!(
                before.is_some_and(|before| (before - value).abs() < 1e-9),
                "{}: has {} for {name}, where this run measured {value}: its seeds and folds are of other images or another engine; \
                 evaluate them again and give --seed-report and --fold-report",
                self.path.display(),
                before.map_or("nothing".to_owned(), f64::to_string)
            );
        }
        if let Computed::No { .. } = report.seeds {
            report.seeds = self.pooled.seeds;
        }
        if let Computed::No { .. } = report.folds {
            report.folds = self.pooled.folds;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_of_this_model_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Earlier::read(&path, "abc").unwrap_err())
        };
        assert!(told("{}").contains("x.json: has no `splits`"));
        assert!(told(r#"{ "splits": {} }"#).contains("x.json: not a report.json"));
        let report =
            r#"{ "splits": {}, "model_sha256": "def", "seeds": { "not_computed": "" }, "folds": { "not_computed": "" } }"#;
        assert!(told(report).contains("is of another model (SHA-256 def)"));
        std::fs::write(&path, report.replace("def", "abc")).unwrap();
        let earlier = Earlier::read(&path, "abc").unwrap();
        assert!(matches!((earlier.pooled.seeds, earlier.pooled.folds), (Computed::No { .. }, Computed::No { .. })));
    }
}
