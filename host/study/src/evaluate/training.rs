//! How a model was trained, as far as its figures depend on it.

use crate::recipe::Phase;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A recipe and how far it was followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// Epochs trained by it, without those of a run that it began with; absent for weights that were not trained.
    pub epochs: Option<u64>,
    /// Phases of the training before, first one first.
    #[serde(default)]
    pub after: Vec<Phase>,
}

impl Recipe {
    /// Of NAME.json.
    pub fn of(about: &Value) -> Option<Self> {
        let name = about["recipe"]["name"].as_str().or(about["recipe"].as_str())?;
        let training = &about["training"];
        Some(Self {
            name: name.to_owned(),
            epochs: training["epochs_done"].as_u64(),
            after: Vec::deserialize(&training["after"]).unwrap_or_default(),
        })
    }

    /// True if `first` is all of this training but its last phase.
    pub fn goes_on_from(&self, first: &Self) -> bool {
        let last = first.epochs.map(|epochs| Phase { recipe: first.name.clone(), epochs });
        last.is_some_and(|last| self.after.split_last() == Some((&last, first.after.as_slice())))
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Phase { recipe, epochs } in &self.after {
            write!(f, "{recipe}, {epochs} epochs, then ")?;
        }
        f.write_str(&self.name)?;
        self.epochs.map_or(Ok(()), |epochs| write!(f, ", {epochs} epochs"))
    }
}
