//! What report.json holds.

use super::metrics::{Figures, Rate};
use super::{
    Computed, EngineName, auc, baselines, borders, calibration, controls, discrimination, engines, folds, gallery, refusal, runs,
};
use super::{selective, subgroups, unseen};
use crate::classes::CLASSES;
use crate::dataset::check;
use crate::train::Part;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// report.json.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
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
    pub fold: Option<folds::Tested>,
    /// Class order of the confusion matrices.
    pub classes: [&'static str; CLASSES.len()],
    /// The figures that belong together.
    pub headline: Headline,
    /// Hospitals that no training or validation image came from.
    pub unseen: unseen::Unseen,
    /// COVID-19 by its probability against healthy people, all of hospitals that this model has not seen.
    pub unseen_together: Computed<auc::Auc>,
    /// Adults labelled Pneumonia/NA whose opacity radiologists confirmed, by split.
    pub confirmed_opacities: BTreeMap<&'static str, unseen::Confirmed>,
    /// Validation's images with a partial label, which are not COVID-19, called so.
    pub other_finding_called_covid: Rate,
    /// Figures by split; `val/SOURCE` and `external_test/SOURCE` by source.
    pub splits: BTreeMap<String, Figures>,
    /// Healthy adults of other sources (nih, rsna; labelled Normal/NA, 18 years or older or of unknown age) called
    /// COVID-19: near zero unless the model has learnt "adult = COVID-19".
    pub healthy_adults_called_covid: Rate,
    /// How often pictures are refused; absent with an engine other than core, or a model without a refusal head.
    pub refusal: Option<refusal::Refusals>,
    /// Sensitivity where specificity is 95 % on validation.
    pub sensitivity_at_95_specificity: Computed<BTreeMap<&'static str, discrimination::AtSpecificity>>,
    /// Normal against abnormal by split, source and age group.
    pub normal_vs_abnormal: BTreeMap<String, Computed<auc::Auc>>,
    /// Probabilities before and after the temperature, by split.
    pub calibration: CalibrationReport,
    /// Predictive values by split and target at some prevalences.
    pub predictive_values: BTreeMap<&'static str, BTreeMap<&'static str, Computed<Vec<discrimination::Predictive>>>>,
    /// Figures by source, age band, sex, view and finding.
    pub subgroups: subgroups::Subgroups,
    /// What `host data check` finds across the splits.
    pub data: DataSummary,
    /// Classifiers that do not look at the lungs.
    pub baselines: BTreeMap<&'static str, baselines::Baseline>,
    /// Whether verdicts follow what a border says of the class, by source.
    pub borders: BTreeMap<String, Computed<borders::Borders>>,
    /// How far the last features tell sources apart, by class.
    pub source_prediction: BTreeMap<&'static str, Computed<baselines::SourcePrediction>>,
    /// Hidden and flipped images, attribution, by split.
    pub controls: BTreeMap<&'static str, Computed<controls::Controls>>,
    /// Accuracy of the surest verdicts, by split.
    pub selective: BTreeMap<&'static str, selective::Selective>,
    /// core, tract and the float network.
    pub agreement: Computed<engines::Agreement>,
    /// Spread over seeds.
    pub seeds: Computed<BTreeMap<String, runs::Spread>>,
    /// Figures of an earlier report's seeds that were not taken over: the images are others now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds_dropped: Vec<String>,
    /// Spread over seeds of the training before its last part, as an earlier report has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds_before: Option<runs::Before>,
    /// COVID-19 over folds by patient.
    pub folds: Computed<folds::Folds>,
    /// The surest mistakes.
    pub gallery: Vec<gallery::Mistake>,
    /// Seconds for all of it.
    pub seconds: f64,
}

/// A recipe and how far it was followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// Epochs trained by it, without those of a run that it began with; absent for weights that were not trained.
    pub epochs: Option<u64>,
    /// Parts of the training before, first one first.
    #[serde(default)]
    pub after: Vec<Part>,
}

impl Recipe {
    /// Of NAME.json.
    pub(super) fn of(about: &Value) -> Option<Self> {
        let name = about["recipe"]["name"].as_str().or(about["recipe"].as_str())?;
        let training = &about["training"];
        Some(Self {
            name: name.to_owned(),
            epochs: training["epochs_done"].as_u64(),
            after: Vec::deserialize(&training["after"]).unwrap_or_default(),
        })
    }
}

impl Recipe {
    /// True if `first` is all of this training but its last part.
    pub(super) fn goes_on_from(&self, first: &Self) -> bool {
        let last = first.epochs.map(|epochs| Part { recipe: first.name.clone(), epochs });
        last.is_some_and(|last| self.after.split_last() == Some((&last, first.after.as_slice())))
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { recipe, epochs } in &self.after {
            write!(f, "{recipe}, {epochs} epochs, then ")?;
        }
        f.write_str(&self.name)?;
        self.epochs.map_or(Ok(()), |epochs| write!(f, ", {epochs} epochs"))
    }
}

/// The figures that must be read together.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// Accuracy on CoronaHack's test split.
    pub accuracy_test: Rate,
    /// Accuracy on people whom it has not seen, of other sources that it was trained on.
    pub accuracy_external: Rate,
    /// COVID-19 found in CoronaHack's test split.
    pub covid_sensitivity_test: Rate,
    /// The same by patient: found in at least half of the patient's images.
    pub covid_patients_test: Rate,
    /// COVID-19 found on those people.
    pub covid_sensitivity_external: Rate,
    /// Normal images of nih and rsna in external_test, of any age, called COVID-19.
    pub healthy_called_covid: Rate,
}

/// Calibration before and after temperature scaling.
#[derive(Clone, Debug, Serialize)]
pub struct CalibrationReport {
    /// The model's temperature, fitted on validation.
    pub temperature: f32,
    /// By split: with a temperature of 1, and with the model's.
    pub splits: BTreeMap<&'static str, [calibration::Calibration; 2]>,
}

/// The splits and what is shared between them.
#[derive(Clone, Debug, Serialize)]
pub struct DataSummary {
    /// `host data check` passes.
    pub passed: bool,
    /// Patients in two of train, val, test and external_test.
    pub patients_in_two_splits: usize,
    /// Pairs of the same picture across splits that make a figure better than it is.
    pub leaking_pairs: usize,
    /// Pairs of the same picture across splits in all, val's copies of training pictures included.
    pub pairs_across_splits: usize,
    /// Why it fails.
    pub failures: Vec<String>,
    /// Split, source, images by class, images to be refused, patients.
    pub splits: Vec<check::SourceSplit>,
}
