//! Runs that differ in their seed alone.

use crate::dataset::fold::{self, Fold};
use crate::evaluate::figure::{Block, Computed, Recipe, Section};
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Headline figures: name and where report.json has them.
const HEADLINES: [(&str, &str); 9] = [
    ("accuracy, test", "/splits/test/accuracy"),
    ("balanced accuracy, test", "/splits/test/balanced_accuracy"),
    ("macro-F1, test", "/splits/test/macro_f1"),
    ("COVID-19 sensitivity, test", "/headline/covid_sensitivity_test/value"),
    ("calibration error, test", "/splits/test/ece"),
    ("accuracy, external_test", "/splits/external_test/accuracy"),
    ("balanced accuracy, external_test", "/splits/external_test/balanced_accuracy"),
    ("COVID-19 sensitivity, external_test", "/headline/covid_sensitivity_external/value"),
    ("healthy people called COVID-19, external_test", "/headline/healthy_called_covid/value"),
];

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Runs that have it.
    pub runs: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, unbiased.
    pub standard_deviation: f64,
    /// Least and greatest.
    pub range: [f64; 2],
}

/// What seeds tell.
#[derive(Clone, Debug, Serialize)]
pub struct Seeds {
    /// Spread over seeds.
    pub seeds: Computed<BTreeMap<String, Spread>>,
    /// Figures of an earlier report's seeds that were not taken over: the images are others now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds_dropped: Vec<String>,
    /// Spread over seeds of the training before its last phase, as an earlier report has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds_before: Option<Before>,
}

impl Seeds {
    /// Headline figures over runs that differ in their seed, this one, with the figures `own`, among them.
    pub fn new(own: &BTreeMap<&'static str, f64>, others: &[Value]) -> Self {
        Self { seeds: spreads(own, others), seeds_dropped: vec![], seeds_before: None }
    }

    /// The section of the report.
    pub fn section(&self) -> Section {
        let mut blocks = vec![match &self.seeds {
            Computed::No { not_computed } => Block::Missing(not_computed.clone()),
            Computed::Yes(spreads) => spread_table("", spreads),
        }];
        if let Some(before) = &self.seeds_before {
            let title = format!("Seeds of the training before this model's last phase ({})", before.recipe);
            blocks.push(spread_table(&title, &before.figures));
        }
        if !self.seeds_dropped.is_empty() {
            let names = self.seeds_dropped.join("; ");
            blocks.push(Block::Text(format!(
                "Not taken over from the report before, since this model's own figure was of other images then: {names}."
            )));
        }
        let note = "The same recipe trained with other seeds: what chance in training alone moves.";
        Section { id: "seeds", title: "Seeds", note: note.to_owned(), blocks }
    }
}

fn spread_table(title: &str, spreads: &BTreeMap<String, Spread>) -> Block {
    let rows = spreads.iter().map(|(name, s)| {
        let cells = [s.mean, s.standard_deviation, s.range[0], s.range[1]].map(|value| format!("{value:.4}"));
        [vec![name.clone(), s.runs.to_string()], cells.to_vec()].concat()
    });
    Block::table(title, ["figure", "runs", "mean", "standard deviation", "least", "greatest"], rows.collect())
}

/// Seeds of an earlier phase of this model's training, the last that has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// What they were trained by.
    pub recipe: Recipe,
    /// SHA-256 of the model among them whose report pooled them.
    pub model_sha256: String,
    /// Their headline figures.
    pub figures: BTreeMap<String, Spread>,
}

/// Refuses reports of another fold or recipe than this one's, as far as both are known: they differ in more than their seed;
/// and a model (SHA-256 `model` is this one's) that would count twice.
pub fn differ_in_seed(
    paths: &[PathBuf],
    reports: &[Value],
    model: &str,
    own: Option<Fold>,
    recipe: Option<&Recipe>,
) -> Result<()> {
    let mut models = BTreeSet::from([model]);
    for (path, report) in paths.iter().zip(reports) {
        ensure!(
            report["model_sha256"].as_str().is_none_or(|model| models.insert(model)),
            "{}: --seed-report is of this model or of another report's; give each seed once",
            path.display()
        );
        let other = report.pointer("/fold/number").and_then(Value::as_str).map(str::parse).transpose()?;
        ensure!(
            other == own,
            "{}: --seed-report is of {}, this run of {}; give runs that differ in their seed alone",
            path.display(),
            fold::named(other),
            fold::named(own)
        );
        // Reports of before have none.
        let of: Option<Recipe> = serde_json::from_value(report["recipe"].clone())?;
        if let (Some(of), Some(own)) = (&of, recipe) {
            ensure!(
                of == own,
                "{}: --seed-report is of another recipe ({of}) than this run ({own}); give runs that differ in their seed alone",
                path.display()
            );
        }
    }
    Ok(())
}

fn spreads(own: &BTreeMap<&'static str, f64>, others: &[Value]) -> Computed<BTreeMap<String, Spread>> {
    if others.is_empty() {
        return Computed::no(
            "one run says nothing about the spread between seeds: train and evaluate others (host train --seed N) and give their \
             reports with --seed-report report.json, once for each",
        );
    }
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in std::iter::once(own.clone()).chain(others.iter().map(headlines)).flatten() {
        values.entry(name).or_default().push(value);
    }
    Computed::Yes(values.into_iter().map(|(name, values)| (name.to_owned(), Spread::of(&values))).collect())
}

/// The headline figures that a report has.
pub fn headlines(report: &Value) -> BTreeMap<&'static str, f64> {
    HEADLINES.iter().filter_map(|(name, pointer)| Some((*name, report.pointer(pointer)?.as_f64()?))).collect()
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let bound = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(mean);
        let standard_deviation = (squares / (n - 1.0).max(1.0)).sqrt();
        Self { runs: values.len(), mean, standard_deviation, range: [bound(f64::min), bound(f64::max)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(accuracy: f64, hits: u64) -> Value {
        let covid = json!({ "Pneumonia/COVID-19": { "sensitivity": { "hits": hits, "n": 10 } } });
        json!({
            "splits": { "test": { "accuracy": accuracy, "classes": covid } },
        })
    }

    #[test]
    fn spreads_of_seeds() {
        let own = headlines(&report(0.8, 1));
        let Computed::Yes(found) = spreads(&own, &[report(0.9, 2), report(1.0, 3)]) else { panic!() };
        let accuracy = found["accuracy, test"];
        assert!((accuracy.mean - 0.9).abs() < 1e-12 && (accuracy.standard_deviation - 0.1).abs() < 1e-12);
        assert_eq!((accuracy.runs, accuracy.range), (3, [0.8, 1.0]));
        assert!(!found.contains_key("accuracy, external_test"));
        assert!(matches!(spreads(&own, &[]), Computed::No { .. }));
    }

    #[test]
    fn seeds_of_another_recipe_are_refused() {
        let recipe = |name: &str| Recipe { name: name.to_owned(), epochs: Some(12), after: vec![] };
        let (path, own) = (["x.json".into()], recipe("a"));
        let told = |report: Value| differ_in_seed(&path, &[report], "abc", None, Some(&own));
        assert!(told(json!({ "recipe": own })).is_ok() && told(json!({})).is_ok());
        let error = told(json!({ "recipe": recipe("b") })).unwrap_err().to_string();
        assert!(error.contains("x.json") && error.contains("(b, 12 epochs) than this run (a, 12 epochs)"), "{error}");
        assert!(told(json!({ "recipe": { "name": "a", "epochs": 3 } })).is_err());
        let after = json!([{ "recipe": "first", "epochs": 120 }]);
        let error = told(json!({ "recipe": { "name": "a", "epochs": 12, "after": after } })).unwrap_err().to_string();
        assert!(error.contains("(first, 120 epochs, then a, 12 epochs) than this run (a, 12 epochs)"), "{error}");
        assert!(told(json!({ "fold": { "number": "1/5" } })).unwrap_err().to_string().contains("fold 1/5"));
        assert!(
            told(json!({ "model_sha256": "abc" })).unwrap_err().to_string().contains("x.json: --seed-report is of this model")
        );
        let twice = json!({ "model_sha256": "def" });
        let paths = ["x.json".into(), "y.json".into()];
        let error = differ_in_seed(&paths, &[twice.clone(), twice], "abc", None, None).unwrap_err().to_string();
        assert!(error.contains("y.json: --seed-report is of"), "{error}");
    }
}
