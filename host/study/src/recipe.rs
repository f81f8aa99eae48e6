//! Recipes: one TOML file names a network, its training, its augmentation and its data.

mod images;
mod network;
mod training;
mod validate;

use anyhow::{Context, Result, ensure};
pub use images::{AugmentSpec, DataSpec, Frame, OperatingPoint, Tone};
pub use network::{ConvSpec, Head, Input, LayerSpec, NetworkSpec};
use serde::{Deserialize, Serialize};
use std::path::Path;
pub use training::{BatchNormSpec, OptimizerSpec, Phase, RateStep, Sampling, Schedule, Stage, TrainSpec};

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

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = include_str!("../../../models/recipes/seed.toml");
    const DEFAULT: &str = include_str!("../../../models/recipes/default.toml");
    const ASPECT: &str = include_str!("../../../models/recipes/default-aspect.toml");
    const TUNE: &str = include_str!("../../../models/recipes/default-tune.toml");

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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/experiments/recipes");
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
        let share = |shares: &str| error(DEFAULT.replace("nih = [5, 5, 0]", &format!("nih = {shares}")));
        assert!(share("[6, 5]").contains("nih has 2 shares") && share("[6, 5, 0, 1, 1]").contains("nih has 5 shares"));
        assert!(Recipe::parse(&DEFAULT.replace("nih = [5, 5, 0]", "nih = [5, 5, 0, 1]")).is_ok());
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
