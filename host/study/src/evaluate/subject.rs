//! What is evaluated.

use super::fold::Tested;
use super::networks::EngineName;
use super::training::Recipe;
use cxr_app::classes::CLASSES;
use serde::Serialize;

/// The model, and what tests it.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// Not a medical device.
    pub notice: &'static str,
    /// What ran the network.
    pub engine: EngineName,
    /// Model file.
    pub model: String,
    /// SHA-256 of the .cxr file.
    pub model_sha256: String,
    /// What it was trained by, as the json beside the model says; absent where that is not known.
    pub recipe: Option<Recipe>,
    /// Hospitals that its training left out.
    pub leave_out: Vec<String>,
    /// The fold by patient that is the test split; absent for the published splits.
    pub fold: Option<Tested>,
    /// Class order of the confusion matrices.
    pub classes: [&'static str; CLASSES.len()],
}

impl Subject {
    /// What the test split is, where it is not the published one.
    pub fn test_split(&self) -> Option<String> {
        let fold = self.fold.as_ref()?.number;
        Some(format!(
            "fold {fold} of CoronaHack by patient, both of Kaggle's folders together; the published test split is not it"
        ))
    }
}
