//! What an earlier report pooled of other runs, when their own reports are not given again.

use super::folds::Folds;
use super::read::read_one;
use super::runs::{OtherRuns, Own};
use super::seeds::{Before, Spread, headlines};
use crate::evaluate::figure::{Computed, Recipe};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// An earlier report.json, as far as it tells of other runs.
#[derive(Debug)]
pub struct Earlier {
    path: PathBuf,
    report: Value,
    pooled: Pooled,
    /// Of this very model, or of one trained by the phases before its last.
    same: bool,
}

#[derive(Debug, Deserialize)]
struct Pooled {
    model_sha256: String,
    recipe: Option<Recipe>,
    seeds: Computed<BTreeMap<String, Spread>>,
    seeds_before: Option<Before>,
    folds: Computed<Folds>,
    #[serde(default)]
    seeds_dropped: Vec<String>,
}

impl Earlier {
    /// Reads `path`, a report of the model of that `sha256`, or of one that is the earlier phase of this model's `recipe`.
    ///
    /// # Errors
    /// No report.json, or one of another model; names the file.
    pub fn read(path: &Path, sha256: &str, recipe: Option<&Recipe>) -> Result<Self> {
        let place = path.display();
        let report = read_one(path)?;
        let pooled = Pooled::deserialize(&report)
            .with_context(|| format!("{place}: not a report.json of `host evaluate`; give an earlier one of this model"))?;
        let same = pooled.model_sha256 == sha256;
        let before = || matches!((&pooled.recipe, recipe), (Some(first), Some(own)) if own.goes_on_from(first));
        if !same && !before() {
            bail!(
                "{place}: is of another model (SHA-256 {}); --earlier takes a report of this one ({sha256}) or of one trained \
                 by all phases before its last",
                pooled.model_sha256
            );
        }
        Ok(Self { path: path.to_owned(), report, pooled, same })
    }

    /// Puts in what `runs` have not: the seeds and the folds that the earlier report pooled. Those of the training before the last
    /// phase stand under a name of their own. Seeds' figures of other sources are left out, by name, where this model's own was another
    /// then.
    ///
    /// # Errors
    /// The other runs were measured on another CoronaHack or by another engine, as this model's own figures then tell; of another
    /// model, on other images at all.
    pub fn complete(self, runs: &mut OtherRuns, own: &Own) -> Result<()> {
        let mut dropped = Vec::new();
        if self.same {
            dropped = self.other_figures(own)?;
        } else {
            ensure!(
                self.report["data"] == own.data && self.report["engine"] == own.engine,
                "{}: its seeds and folds are of other images or another engine; evaluate them again",
                self.path.display()
            );
        }
        let Pooled { model_sha256, recipe, mut seeds, mut seeds_before, folds, seeds_dropped } = self.pooled;
        let kept = |figures: &mut BTreeMap<String, Spread>| figures.retain(|name, _| !dropped.contains(name));
        if let Computed::Yes(figures) = &mut seeds {
            kept(figures);
        }
        if let Some(before) = &mut seeds_before {
            kept(&mut before.figures);
        }
        runs.seeds.seeds_dropped = BTreeSet::from_iter(seeds_dropped.into_iter().chain(dropped)).into_iter().collect();
        match (self.same, seeds, recipe) {
            (true, seeds, _) => {
                if let Computed::No { .. } = runs.seeds.seeds {
                    runs.seeds.seeds = seeds;
                }
                runs.seeds.seeds_before = seeds_before;
            }
            (false, Computed::Yes(figures), Some(recipe)) => {
                runs.seeds.seeds_before = Some(Before { recipe, model_sha256, figures });
            }
            (false, ..) => runs.seeds.seeds_before = seeds_before,
        }
        if let Computed::No { .. } = runs.folds {
            runs.folds = folds;
        }
        Ok(())
    }

    /// Headline figures that this model had otherwise then: of other sources, whose images may have changed since.
    ///
    /// # Errors
    /// One of CoronaHack's test, whose images do not change: another engine, or another copy of it.
    fn other_figures(&self, own: &Own) -> Result<Vec<String>> {
        let then = headlines(&self.report);
        let mut others = Vec::new();
        for (&name, &value) in &own.headlines {
            let before = then.get(name);
            if before.is_some_and(|before| (before - value).abs() < 1e-9) {
                continue;
            }
            ensure!(
                name.ends_with("external_test") && self.report["engine"] == own.engine,
                "{}: has {} for {name}, where this run measured {value}: its seeds and folds are of other images or another engine; \
                 evaluate them again and give --seed-report and --fold-report",
                self.path.display(),
                before.map_or("nothing".to_owned(), f64::to_string)
            );
            others.push(name.to_owned());
        }
        Ok(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Phase;

    #[test]
    fn only_reports_of_this_model_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Earlier::read(&path, "abc", None).unwrap_err())
        };
        assert!(told("{}").contains("x.json: has no `splits`"));
        assert!(told(r#"{ "splits": {} }"#).contains("x.json: not a report.json"));
        let report =
            r#"{ "splits": {}, "model_sha256": "def", "seeds": { "not_computed": "" }, "folds": { "not_computed": "" } }"#;
        assert!(told(report).contains("is of another model (SHA-256 def)"));
        std::fs::write(&path, report.replace("def", "abc")).unwrap();
        let earlier = Earlier::read(&path, "abc", None).unwrap();
        assert!(matches!((earlier.pooled.seeds, earlier.pooled.folds), (Computed::No { .. }, Computed::No { .. })));

        // A report of the training before the last phase.
        let recipe = |name: &str, after: &[(&str, u64)]| Recipe {
            name: name.to_owned(),
            epochs: Some(12),
            after: after.iter().map(|&(recipe, epochs)| Phase { recipe: recipe.to_owned(), epochs }).collect(),
        };
        let first = serde_json::to_string(&recipe("b", &[("a", 120)])).unwrap();
        std::fs::write(&path, report.replace(r#""model_sha256""#, &format!(r#""recipe": {first}, "model_sha256""#))).unwrap();
        let read = |own: &Recipe| Earlier::read(&path, "abc", Some(own));
        assert!(!read(&recipe("c", &[("a", 120), ("b", 12)])).unwrap().same);
        for other in [recipe("b", &[("a", 120)]), recipe("c", &[("b", 12)]), recipe("c", &[("a", 120), ("b", 13)])] {
            assert!(read(&other).unwrap_err().to_string().contains("is of another model"), "{other}");
        }
    }
}
