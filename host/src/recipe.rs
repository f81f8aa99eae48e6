//! Recipes: one TOML file names a network, its training, its augmentation and its data.

mod validate;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that a training run depends on, apart from the images and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name; exported files bear it.
    pub name: String,
    /// Input shape.
    pub input: Input,
    /// Layers and head.
    pub network: NetworkSpec,
    /// Optimiser, schedule, sampling.
    pub train: TrainSpec,
    /// Random distortions of training images.
    #[serde(default)]
    pub augment: AugmentSpec,
    /// Which images.
    #[serde(default)]
    pub data: DataSpec,
}

/// Input shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels; gray images are replicated to them.
    pub channels: usize,
}

/// Layers and head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// How the last feature map meets the dense layer.
    pub head: Head,
    /// In execution order.
    pub layers: Vec<LayerSpec>,
}

/// One layer of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// 'Same' convolution without bias, batch normalisation, ReLU.
    Conv {
        /// Output channels.
        filters: usize,
        /// Odd kernel height and width.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
        /// Groups of channels that do not mix.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// 'Same' convolution with one filter a channel, batch normalisation, ReLU.
    DepthwiseConv {
        /// Odd kernel height and width.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
    },
    /// Max-pooling without padding.
    MaxPool {
        /// Window height and width.
        size: usize,
        /// Stride in both directions.
        stride: usize,
    },
    /// Average pooling without padding.
    AveragePool {
        /// Window height and width.
        size: usize,
        /// Stride in both directions.
        stride: usize,
    },
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_one(n: &usize) -> bool {
    *n == 1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !value
}

/// A convolution of a recipe with its channels filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Output channels.
    pub filters: usize,
    /// Kernel height and width.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl LayerSpec {
    /// The convolution that this layer is, for an input of `channels`.
    pub fn conv(&self, channels: usize) -> Option<ConvSpec> {
        match *self {
            Self::Conv { filters, kernel, stride, groups } => Some(ConvSpec { filters, kernel, stride, groups }),
            Self::DepthwiseConv { kernel, stride } => Some(ConvSpec { filters: channels, kernel, stride, groups: channels }),
            Self::MaxPool { .. } | Self::AveragePool { .. } => None,
        }
    }
}

/// What precedes the dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Every cell has its own weights.
    Flatten,
    /// Mean over the cells.
    AveragePool,
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

/// Random distortions; 0 switches one off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSpec {
    /// Largest rotation, degrees.
    pub rotation: f32,
    /// Largest relative change of size.
    pub zoom: f32,
    /// Largest change of the ratio of width to height: its natural logarithm is within plus or minus this. Pictures of any shape
    /// are squeezed into a square, so that without it the shape of the film is there to be learned.
    pub aspect: f32,
    /// Largest shift, share of the side.
    pub shift: f32,
    /// Probability of a left-right flip.
    pub flip: f32,
    /// Gamma is `exp(u)`, `u` within plus or minus this.
    pub gamma: f32,
    /// Largest relative change of brightness.
    pub brightness: f32,
    /// Largest relative change of contrast about the mean.
    pub contrast: f32,
    /// Probability of a share of histogram equalisation, any from none to all: films differ in their tone curves by source.
    #[serde(skip_serializing_if = "is_zero")]
    pub equalize: f32,
    /// Probability of losing resolution (1 to 3 times down and up again).
    pub resample: f32,
    /// Probability of noise.
    pub noise: f32,
    /// Probability of a black border on some sides, up to 12 % each.
    pub border: f32,
    /// Probability, for each corner, of erasing a rectangle: text markers sit there.
    pub corner: f32,
}

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSpec {
    /// Also train on the external folders' `train` images.
    pub external: bool,
    /// Do not train on images whose label radiologists contradict (`radiologists.csv`).
    #[serde(skip_serializing_if = "is_false")]
    pub radiologists: bool,
    /// What is done to every picture's tones, in training and validation alike. `core` does nothing of it: other than none is for trials.
    #[serde(skip_serializing_if = "Tone::is_none")]
    pub tone: Tone,
    /// Share of the healthy people of the external folders' validation images that may be called COVID-19: `host export` shifts that
    /// logit.
    pub false_alarms: f64,
    /// Whose share that is.
    #[serde(skip_serializing_if = "OperatingPoint::is_pooled")]
    pub operating_point: OperatingPoint,
}

/// A picture's tones before anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// As they are.
    #[default]
    None,
    /// Every gray level as often as any other, as far as that can be.
    Equalized,
}

impl Tone {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Whose false alarms the operating point bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatingPoint {
    /// All healthy people of other sources together.
    #[default]
    Pooled,
    /// Each hospital's, and each one's people with another finding: the worst of them decides.
    Worst,
}

impl OperatingPoint {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_pooled(&self) -> bool {
        *self == Self::Pooled
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            external: false,
            radiologists: false,
            tone: Tone::None,
            false_alarms: 0.03,
            operating_point: OperatingPoint::Pooled,
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("{}: cannot read the recipe; give a TOML file such as models/recipes/default.toml", path.display())
        })?;
        Self::parse(&text).with_context(|| format!("{}: not a valid recipe", path.display()))
    }

    /// Parses and checks TOML.
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text)?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Epochs in all stages together.
    pub fn epochs(&self) -> usize {
        self.train.stages.iter().map(|stage| stage.epochs).sum()
    }

    /// Image size of an epoch, counted from 0.
    pub fn size_at(&self, epoch: usize) -> usize {
        let mut end = 0;
        for stage in &self.train.stages {
            end += stage.epochs;
            if epoch < end {
                return stage.size;
            }
        }
        self.input.height
    }

    /// The same recipe with another number of epochs, stages and rates shortened or stretched alike.
    pub fn with_epochs(mut self, epochs: usize) -> Result<Self> {
        ensure!(epochs > 0, "--epochs must be at least 1");
        let mut counts: Vec<usize> = self.train.stages.iter().map(|s| s.epochs).collect();
        rescale(&mut counts, epochs);
        for (stage, count) in self.train.stages.iter_mut().zip(counts) {
            stage.epochs = count;
        }
        if let Schedule::Steps(steps) = &mut self.train.schedule {
            let mut counts: Vec<usize> = steps.iter().map(|s| s.epochs).collect();
            rescale(&mut counts, epochs);
            for (step, count) in steps.iter_mut().zip(counts) {
                step.epochs = count;
            }
        }
        Ok(self)
    }
}

/// Scales `counts` to add up to `total`, by rounding their running sums; the last keeps at least 1.
fn rescale(counts: &mut [usize], total: usize) {
    let old: usize = counts.iter().sum::<usize>().max(1);
    let (mut seen, mut before) = (0, 0);
    let last = counts.len().saturating_sub(1);
    for (i, count) in counts.iter_mut().enumerate() {
        seen += *count;
        let end = if i == last { total } else { ((seen * total + old / 2) / old).min(total - 1) };
        *count = end - before;
        before = end;
    }
}

impl NetworkSpec {
    /// Shape `[height, width, channels]` before each layer and after the last: `layers.len() + 1` entries.
    pub fn shapes(&self, input: Input) -> Result<Vec<[usize; 3]>> {
        ensure!(
            matches!(self.layers.first(), Some(LayerSpec::Conv { groups: 1, .. })),
            "network.layers[0]: the first layer must be a conv without groups"
        );
        let mut shape = [input.height, input.width, input.channels];
        let mut shapes = vec![shape];
        for (i, layer) in self.layers.iter().enumerate() {
            let [h, w, c] = shape;
            shape = match *layer {
                LayerSpec::Conv { .. } | LayerSpec::DepthwiseConv { .. } => {
                    let ConvSpec { filters, kernel, stride, groups } = layer.conv(c).context("a convolution")?;
                    ensure!(kernel % 2 == 1 && kernel <= 7, "network.layers[{i}]: kernel {kernel} must be 1, 3, 5 or 7");
                    ensure!((1..=4).contains(&stride), "network.layers[{i}]: stride {stride} must be 1 to 4");
                    ensure!((1..=1024).contains(&filters), "network.layers[{i}]: filters {filters} must be 1 to 1024");
                    ensure!(
                        groups > 0 && c % groups == 0 && filters % groups == 0,
                        "network.layers[{i}]: groups {groups} must divide {c} channels and {filters} filters"
                    );
                    [h.div_ceil(stride), w.div_ceil(stride), filters]
                }
                LayerSpec::MaxPool { size, stride } | LayerSpec::AveragePool { size, stride } => {
                    ensure!((1..=4).contains(&stride), "network.layers[{i}]: stride {stride} must be 1 to 4");
                    ensure!(
                        (1..=8).contains(&size) && size <= h && size <= w,
                        "network.layers[{i}]: a pool of {size} does not fit {h}x{w}"
                    );
                    [(h - size) / stride + 1, (w - size) / stride + 1, c]
                }
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = include_str!("../../models/recipes/seed.toml");
    const DEFAULT: &str = include_str!("../../models/recipes/default.toml");
    const ASPECT: &str = include_str!("../../models/recipes/default-aspect.toml");
    const TUNE: &str = include_str!("../../models/recipes/default-tune.toml");

    /// Multiply-accumulates and weights without batch norm and biases.
    fn cost(recipe: &Recipe) -> (usize, usize) {
        let shapes = recipe.network.shapes(recipe.input).unwrap();
        let (mut macs, mut weights) = (0, 0);
        for (i, layer) in recipe.network.layers.iter().enumerate() {
            if let Some(ConvSpec { filters, kernel, groups, .. }) = layer.conv(shapes[i][2]) {
                let w = kernel * kernel * shapes[i][2] / groups * filters;
                weights += w;
                macs += w * shapes[i + 1][0] * shapes[i + 1][1];
            }
        }
        let [h, w, c] = *shapes.last().unwrap();
        weights += 3 * c * if recipe.network.head == Head::Flatten { h * w } else { 1 };
        (macs + 3 * h * w * c, weights)
    }

    #[test]
    fn shipped_recipes_are_valid_and_as_large_as_stated() {
        let seed = Recipe::parse(SEED).unwrap();
        let (macs, weights) = cost(&seed);
        assert!((226e6..228e6).contains(&(macs as f64)), "{macs}");
        assert!((109e3..111e3).contains(&(weights as f64)), "{weights}");
        assert_eq!(seed.epochs(), 42);
        for default in [DEFAULT, ASPECT, TUNE] {
            let (macs, weights) = cost(&Recipe::parse(default).unwrap());
            assert!((143e6..145e6).contains(&(macs as f64)), "{macs}");
            assert!((505e3..507e3).contains(&(weights as f64)), "{weights}");
        }
    }

    #[test]
    fn trial_recipes_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/experiments/recipes");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty());
        for file in files {
            let recipe = Recipe::load(&file).unwrap();
            assert_eq!(file.file_stem().unwrap().to_str(), Some(recipe.name.as_str()));
        }
    }

    #[test]
    fn round_trips_through_toml() {
        for text in [SEED, DEFAULT, ASPECT, TUNE] {
            let recipe = Recipe::parse(text).unwrap();
            assert_eq!(Recipe::parse(&recipe.to_toml().unwrap()).unwrap(), recipe);
        }
    }

    #[test]
    fn rejects_what_it_does_not_know() {
        let error = |text: String| format!("{:#}", Recipe::parse(&text).unwrap_err());
        assert!(error(SEED.replace("batch = 32", "batch = 32\nbatches = 3")).contains("batches"));
        assert!(error(SEED.replace("batch = 32", "batch = 1")).contains("train.batch"));
        assert!(error(SEED.replace("kernel = 3", "kernel = 2")).contains("kernel 2"));
        assert!(error(SEED.replace("size = 256", "size = 128")).contains("256 pixels"));
        let share = |shares: &str| error(DEFAULT.replace("nih = [6, 5, 0]", &format!("nih = {shares}")));
        assert!(share("[6, 5]").contains("nih has 2 shares") && share("[6, 5, 0, 1, 1]").contains("nih has 5 shares"));
        assert!(Recipe::parse(&DEFAULT.replace("nih = [6, 5, 0]", "nih = [6, 5, 0, 1]")).is_ok());
        assert!(error(DEFAULT.replace("ema = 0.998", "ema = 0.998\nsource_prior = -1.0")).contains("source_prior"));
        assert!(error(SEED.replace("epochs = 40", "epochs = 39")).contains("epochs"));
        assert!(error(TUNE.replace("nih = 0.1", "nih = 1.0")).contains("source_label_smoothing: nih"));
    }

    #[test]
    fn epochs_are_rescaled_in_proportion() {
        let seed = Recipe::parse(SEED).unwrap().with_epochs(21).unwrap();
        assert_eq!(seed.epochs(), 21);
        assert!(seed.validate().is_ok());
        let one = Recipe::parse(DEFAULT).unwrap().with_epochs(1).unwrap();
        assert_eq!(one.size_at(0), 256);
        assert!(one.validate().is_ok());
        let mut counts = [30, 10];
        rescale(&mut counts, 8);
        assert_eq!(counts, [6, 2]);
    }
}
