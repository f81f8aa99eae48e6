//! Folds by patient: which one a model left out, and COVID-19 pooled over the folds' reports.

use super::Computed;
use super::intervals::{Rate, bootstrap};
use super::measure::Case;
use super::report::Recipe;
use crate::classes::{CLASSES, COVID};
use crate::dataset::fold::{self, Fold};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The fold to evaluate a model on: what it left out, as its `metadata` or the json beside it says, or else `given`.
///
/// # Errors
/// Another fold `given` than the model's, or one for a model whose training left out none: its images were trained on.
pub(super) fn of_model(name: &str, metadata: &str, about: &Value, given: Option<Fold>) -> Result<Option<Fold>> {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let own = match fold::of_json(&metadata).with_context(|| name.to_owned())? {
        Some(own) => Some(own),
        None => fold::of_json(about).with_context(|| format!("{name}: its json"))?,
    };
    let trained = metadata["training_data"].is_object();
    match (own, given) {
        (Some(own), Some(given)) if own != given => {
            bail!("{name}: left out fold {own} and was trained on images of fold {given}: evaluate it without --fold")
        }
        (None, Some(given)) if trained => bail!(
            "{name}: its training left out no fold, so it has seen images of fold {given}: evaluate it without --fold, or train \
             with `host train --fold {given}`"
        ),
        _ => Ok(own.or(given)),
    }
}

/// The fold of a report, with what pooling needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The fold whose patients are the test split.
    pub number: Fold,
    /// COVID-19 patients of the test split: images found, and images.
    pub covid_patients: BTreeMap<String, [usize; 2]>,
}

impl Tested {
    /// Of the test split's cases.
    pub(super) fn of(number: Fold, test: &[Case<'_>]) -> Self {
        let mut covid_patients: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for case in test.iter().filter(|case| case.sample.class == COVID) {
            let [found, images] = covid_patients.entry(case.sample.patient.clone()).or_default();
            *found += usize::from(case.measured.outcome.predicted == COVID);
            *images += 1;
        }
        Self { number, covid_patients }
    }
}

/// The test splits of several folds together: each patient is tested once, by a network that has not seen them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Folds {
    /// Folds tested.
    pub folds: Vec<Fold>,
    /// Folds without a report.
    pub missing: Vec<Fold>,
    /// What the folds' networks were trained by; null where a report does not say.
    pub recipes: BTreeSet<Option<Recipe>>,
    /// COVID-19 images found, with Wilson's interval.
    pub covid_images: Rate,
    /// Percentile 95 % interval of the same over 2,000 resamples of whole patients.
    pub covid_images_patient_bootstrap_95: Option<[f64; 2]>,
    /// COVID-19 patients found, in at least half of their images.
    pub covid_patients: Rate,
    /// All test images, rows are the truth.
    pub confusion: [[usize; CLASSES.len()]; CLASSES.len()],
    /// Share of all test images told rightly.
    pub accuracy: Rate,
}

/// What is read of another fold's report.json.
#[derive(Deserialize)]
struct Report {
    recipe: Option<Recipe>,
    fold: Option<Tested>,
    model_sha256: String,
    splits: BTreeMap<String, Split>,
}

#[derive(Deserialize)]
struct Split {
    confusion: [[usize; CLASSES.len()]; CLASSES.len()],
}

/// Pools the test splits of fold reports.
///
/// # Errors
/// A report without a fold, of another number of folds, twice of one fold, of one model, or with a patient of another fold.
pub(super) fn pool(paths: &[PathBuf], reports: &[Value]) -> Result<Computed<Folds>> {
    let mut folds: BTreeMap<Fold, PathBuf> = BTreeMap::new();
    let (mut models, mut patients) = (BTreeSet::new(), BTreeMap::new());
    let mut confusion = [[0; CLASSES.len()]; CLASSES.len()];
    let mut recipes = BTreeSet::new();
    for (path, report) in paths.iter().zip(reports) {
        let place = path.display();
        let report: Report = serde_json::from_value(report.clone())
            .with_context(|| format!("{place}: not a report.json of a fold; evaluate that fold again"))?;
        let Some(tested) = report.fold else {
            bail!("{place}: is of no fold; give reports of models of `host train --fold`");
        };
        if let Some((other, _)) = folds.first_key_value().filter(|(other, _)| other.of() != tested.number.of()) {
            bail!("{place}: is of fold {}, another report of {other}; folds of one number belong together", tested.number);
        }
        if let Some(other) = folds.insert(tested.number, path.clone()) {
            bail!("{place}: is of fold {}, as {} is; give each fold once", tested.number, other.display());
        }
        ensure!(models.insert(report.model_sha256), "{place}: is of a model of another report; each fold has a model of its own");
        recipes.insert(report.recipe);
        let test = report.splits.get("test").with_context(|| format!("{place}: has no test split; evaluate that fold again"))?;
        for (sum, row) in confusion.iter_mut().flatten().zip(test.confusion.iter().flatten()) {
            *sum += row;
        }
        for (patient, counts) in tested.covid_patients {
            ensure!(
                tested.number.tests(&patient) && patients.insert(patient.clone(), counts).is_none(),
                "{place}: patient {patient} is not of fold {} alone; evaluate that fold again",
                tested.number
            );
        }
    }
    let Some(last) = folds.last_key_value().map(|(fold, _)| *fold) else {
        return Ok(Computed::no(
            "train with each fold's patients left out (host train --fold 1/5 to 5/5), evaluate each on them, and give the reports \
             with --fold-report report.json, once for each",
        ));
    };
    let counts: Vec<[usize; 2]> = patients.into_values().collect();
    let total = |k: usize| counts.iter().map(|count| count[k]).sum();
    let share = |weights: &[u32]| {
        let sum = |k: usize| weights.iter().zip(&counts).map(|(w, count)| f64::from(*w) * count[k] as f64).sum::<f64>();
        vec![sum(0) / sum(1)]
    };
    let of_item: Vec<usize> = (0..counts.len()).collect();
    let interval = if counts.is_empty() { None } else { bootstrap(&of_item, counts.len(), share)[0] };
    let right = (0..CLASSES.len()).map(|k| confusion[k][k]).sum();
    Ok(Computed::Yes(Folds {
        missing: Fold::all(last.of())?.into_iter().filter(|fold| !folds.contains_key(fold)).collect(),
        folds: folds.into_keys().collect(),
        recipes,
        covid_images: Rate::new(total(0), total(1)),
        covid_images_patient_bootstrap_95: interval,
        covid_patients: Rate::of(counts.iter().map(|[found, images]| 2 * found >= *images)),
        confusion,
        accuracy: Rate::new(right, confusion.iter().flatten().sum()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fold(text: &str) -> Fold {
        text.parse().unwrap()
    }

    /// The first `count` patients whom the fold tests.
    fn patients(fold: Fold, count: usize) -> Vec<String> {
        (0..).map(|i| format!("ieee_{i}")).filter(|patient| fold.tests(patient)).take(count).collect()
    }

    /// Three patients: both of two images found, one of two, none of one.
    fn report(text: &str) -> Value {
        let names = patients(fold(text), 3);
        let counts = json!({ names[0].as_str(): [2, 2], names[1].as_str(): [1, 2], names[2].as_str(): [0, 1] });
        json!({
            "recipe": { "name": "short", "epochs": 11 },
            "fold": { "number": text, "covid_patients": counts },
            "model_sha256": text,
            "splits": { "test": { "confusion": [[8, 1, 1], [0, 20, 0], [1, 1, 3]] } },
        })
    }

    fn pooled(reports: &[Value]) -> Result<Computed<Folds>> {
        let paths: Vec<PathBuf> = (0..reports.len()).map(|i| format!("{i}.json").into()).collect();
        pool(&paths, reports)
    }

    #[test]
    fn folds_are_pooled_by_image_and_by_patient() {
        let Computed::Yes(found) = pooled(&[report("4/5"), report("1/5"), report("2/5")]).unwrap() else { panic!() };
        assert_eq!((found.folds, found.missing), (vec![fold("1/5"), fold("2/5"), fold("4/5")], vec![fold("3/5"), fold("5/5")]));
        assert_eq!((found.covid_images.hits, found.covid_images.n), (9, 15));
        assert_eq!((found.covid_patients.hits, found.covid_patients.n), (6, 9));
        assert_eq!((found.accuracy.hits, found.accuracy.n, found.confusion[2]), (93, 105, [3, 3, 9]));
        assert_eq!(found.recipes, [Some(Recipe { name: "short".to_owned(), epochs: Some(11), after: vec![] })].into());
        let [low, high] = found.covid_images_patient_bootstrap_95.unwrap();
        assert!(low < 0.4 && high > 0.8, "{low} {high}");
        assert!(matches!(pooled(&[]).unwrap(), Computed::No { .. }));
    }

    #[test]
    fn reports_that_do_not_belong_together_are_refused() {
        let told = |reports: &[Value]| format!("{:#}", pooled(reports).unwrap_err());
        let mut none = report("1/5");
        none["fold"] = Value::Null;
        assert!(told(&[report("2/5"), none]).contains("1.json: is of no fold"));
        assert!(told(&[report("2/5"), report("1/4")]).contains("another report of 2/5"));
        assert!(told(&[report("2/5"), report("2/5")]).contains("as 0.json is"));
        let mut same = report("1/5");
        same["model_sha256"] = "2/5".into();
        assert!(told(&[report("2/5"), same]).contains("a model of its own"));
        let mut stranger = report("1/5");
        stranger["fold"]["number"] = "3/5".into();
        assert!(told(&[stranger]).contains("is not of fold 3/5 alone"));
        assert!(told(&[json!({ "splits": {} })]).contains("evaluate that fold again"));
    }

    #[test]
    fn a_model_is_evaluated_on_what_it_left_out() {
        let (left_out, nothing) = (json!({ "fold": "2/5", "training_data": {} }).to_string(), Value::Null);
        let of = |metadata: &str, about: &Value, given: Option<&str>| of_model("m.cxr", metadata, about, given.map(fold));
        assert_eq!(of(&left_out, &nothing, None).unwrap(), Some(fold("2/5")));
        assert_eq!(of(&left_out, &nothing, Some("2/5")).unwrap(), Some(fold("2/5")));
        assert!(of(&left_out, &nothing, Some("1/5")).unwrap_err().to_string().contains("trained on images of fold 1/5"));
        assert_eq!(of("{}", &json!({ "fold": "3/5" }), None).unwrap(), Some(fold("3/5")));
        let published = json!({ "training_data": { "coronahack": 1 } }).to_string();
        assert_eq!(of(&published, &nothing, None).unwrap(), None);
        assert!(of(&published, &nothing, Some("1/5")).unwrap_err().to_string().contains("left out no fold"));
        // Of a model from elsewhere only its owner can tell.
        assert_eq!(of("", &nothing, Some("1/5")).unwrap(), Some(fold("1/5")));
        assert!(of("{}", &json!({ "fold": "9/5" }), None).is_err());
    }
}
