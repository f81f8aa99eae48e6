//! How a recipe trains.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// Optimiser, schedule, sampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Images a step.
    pub batch: usize,
    /// Image sizes in order; the last is the input size, or less in a trial that is not to be exported.
    pub stages: Vec<Stage>,
    /// Update rule.
    pub optimizer: OptimizerSpec,
    /// Learning rate.
    pub schedule: Schedule,
    /// Which image comes how often.
    pub sampling: Sampling,
    /// Share of the target given to all classes alike, in [0, 1).
    #[serde(default)]
    pub label_smoothing: f32,
    /// In place of it for images of some sources, by name: labels are not equally sure everywhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_label_smoothing: BTreeMap<String, f32>,
    /// Weight of `log p(class | source)`, in what is drawn, added to the logits in training alone; 0 = off. A product of experts: what
    /// the source tells need not be learned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub source_prior: f32,
    /// Probability, for each image of a batch, of taking a random share of another one's means and deviations of the first feature
    /// maps (MixStyle); 0 = off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mix_style: f32,
    /// Decay a step of the exponential moving average of the weights; 0 = off.
    #[serde(default)]
    pub ema: f64,
    /// Batch normalisation.
    pub batch_norm: BatchNormSpec,
}

/// A run of epochs at one image size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How many.
    pub epochs: usize,
    /// Height and width of the training images.
    pub size: usize,
}

/// Update rule. Biases and batch-norm parameters are never decayed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerSpec {
    /// Adam; `l2` is the factor of the summed squared weights in the loss (Keras' meaning: the gradient gets `2 * l2 * w`).
    Adam {
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Penalty.
        l2: f32,
    },
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW {
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decay a step, times the learning rate.
        weight_decay: f32,
    },
}

/// Learning rate over the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Constant rates, one after the other.
    Steps(Vec<RateStep>),
    /// Cosine from `peak / 25` up to `peak` over the `warmup` share of all steps, then cosine down to `peak / 10000`.
    OneCycle {
        /// Highest rate.
        peak: f64,
        /// Share of the steps that rise, in (0, 1).
        warmup: f64,
    },
}

/// A constant rate for some epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStep {
    /// How many epochs.
    pub epochs: usize,
    /// Learning rate.
    pub rate: f64,
}

/// Which image comes how often in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampling {
    /// Each image once.
    Natural,
    /// Each class equally often; within a class, a source of n images in proportion to `weight * n ^ source_power`.
    Balanced {
        /// 0 = sources equally often, 1 = images equally often.
        source_power: f64,
        /// Weights of sources by name; 1 where not named.
        #[serde(default)]
        weights: BTreeMap<String, f64>,
    },
    /// Shares of an epoch by source, one for each class in class order and, if there is a fourth, one for images with a partial label,
    /// scaled to add up to 1; what is not named is not drawn.
    Shares(BTreeMap<String, Vec<f64>>),
}

/// Batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormSpec {
    /// Share of the batch in each update of the running statistics (1 - Keras' momentum).
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

/// A finished phase of a training: its recipe's name and how many epochs it had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Phase {
    /// Name of the recipe.
    pub recipe: String,
    /// Epochs trained by it.
    pub epochs: u64,
}
