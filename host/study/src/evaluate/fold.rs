//! Folds by patient: which one a model left out.

use super::measure::Case;
use crate::dataset::fold::{self, Fold};
use anyhow::{Context, Result, bail};
use cxr_app::classes::COVID;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
    pub fn of(number: Fold, test: &[Case<'_>]) -> Self {
        let mut covid_patients: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for case in test.iter().filter(|case| case.sample.class == COVID) {
            let [found, images] = covid_patients.entry(case.sample.patient.clone()).or_default();
            *found += usize::from(case.measured.outcome.predicted == COVID);
            *images += 1;
        }
        Self { number, covid_patients }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fold(text: &str) -> Fold {
        text.parse().unwrap()
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
