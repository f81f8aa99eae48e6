//! Folds by patient: COVID-19 pooled over their reports.

use crate::dataset::fold::Fold;
use crate::evaluate::figure::{Block, Computed, Page, Rate, Recipe, Section};
use crate::evaluate::fold::Tested;
use crate::evaluate::intervals::bootstrap;
use crate::evaluate::render::text::{NONE, interval, rate};
use anyhow::{Context, Result, bail, ensure};
use cxr_app::classes::CLASSES;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
    /// Share of all test images told right.
    pub accuracy: Rate,
}

impl Computed<Folds> {
    /// The section of the report.
    pub fn section(&self, page: &Page<'_>) -> Section {
        let blocks = match self {
            Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
            Computed::Yes(found) => {
                let names = |folds: &[Fold]| folds.iter().map(Fold::to_string).collect::<Vec<_>>().join(", ");
                let row = vec![
                    names(&found.folds),
                    rate(&found.covid_images),
                    found.covid_images_patient_bootstrap_95.map_or(NONE.to_owned(), interval),
                    rate(&found.covid_patients),
                    rate(&found.accuracy),
                ];
                let head = [
                    "folds",
                    "COVID-19 images found",
                    "the same, by patient",
                    "COVID-19 patients (in half of their images or more)",
                    "all images right",
                ];
                let mut blocks = vec![
                    Block::table("Test splits of the folds, pooled", head, vec![row]),
                    Block::Confusion("all folds: truth by verdict, images".to_owned(), found.confusion),
                ];
                blocks.extend(other_recipes(&found.recipes, page.subject.recipe.as_ref()).map(Block::Text));
                if !found.missing.is_empty() {
                    blocks.push(Block::Missing(format!("folds {}: no report was given", names(&found.missing))));
                }
                blocks
            }
        };
        let note = "CoronaHack has few COVID-19 patients; over folds each is tested once, by a network that has not seen them.";
        Section { id: "folds", title: "Folds by patient", note: note.to_owned(), blocks }
    }
}

/// That the folds' networks are of other recipes than `own`, or of unnamed ones.
fn other_recipes(folds: &BTreeSet<Option<Recipe>>, own: Option<&Recipe>) -> Option<String> {
    let others: Vec<String> = folds
        .iter()
        .filter(|recipe| recipe.is_none() || recipe.as_ref() != own)
        .map(|recipe| recipe.as_ref().map_or("not named in their reports".to_owned(), Recipe::to_string))
        .collect();
    let own = own.map_or("not known".to_owned(), Recipe::to_string);
    (!others.is_empty()).then(|| {
        format!(
            "The folds' networks were trained by another recipe ({}) than this model ({own}): the figures are the folds' networks', \
             not this model's.",
            others.join("; ")
        )
    })
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
pub fn pool(paths: &[PathBuf], reports: &[Value]) -> Result<Computed<Folds>> {
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
    fn folds_of_another_recipe_are_told() {
        let recipe = |epochs| Recipe { name: "r".to_owned(), epochs: Some(epochs), after: vec![] };
        let told = |folds: &[Option<Recipe>]| other_recipes(&folds.iter().cloned().collect(), Some(&recipe(120)));
        assert_eq!(told(&[Some(recipe(120))]), None);
        assert!(told(&[Some(recipe(120)), Some(recipe(11))]).unwrap().contains("(r, 11 epochs) than this model (r, 120 epochs)"));
        assert!(told(&[None]).unwrap().contains("not named in their reports"));
        assert!(other_recipes(&[Some(recipe(1))].into(), None).unwrap().contains("this model (not known)"));
    }
}
