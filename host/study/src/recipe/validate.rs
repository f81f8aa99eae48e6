//! What a recipe must satisfy before anything is computed; an error names the entry and what it may be.

use super::{AugmentSpec, BatchNormSpec, Head, Input, OptimizerSpec, Recipe, Sampling, Schedule, TrainSpec};
use anyhow::{Context, Result, bail, ensure};

impl Recipe {
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            !self.name.is_empty() && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "name = {:?}: use letters, digits, - and _",
            self.name
        );
        let Input { height, width, channels } = self.input;
        ensure!(height == 256 && width == 256, "input: images are 256x256, not {height}x{width}");
        ensure!(channels == 1 || channels == 3, "input.channels = {channels}: use 1 or 3");
        self.network.shapes(self.input)?;
        self.train.validate(self)?;
        for (name, share) in
            [("false_alarms", self.data.false_alarms), ("other_findings_alarms", self.data.other_findings_alarms)]
        {
            ensure!((0.0..0.5).contains(&share), "data.{name} = {share}: use 0 to 0.5");
        }
        let doubted = self.data.covid_doubted;
        ensure!((0.0..1.0).contains(&doubted), "data.covid_doubted = {doubted}: use 0 to 1");
        self.augment.validate()
    }
}

impl TrainSpec {
    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let (input, head) = (recipe.input, recipe.network.head);
        ensure!((2..=1024).contains(&self.batch), "train.batch = {}: use 2 to 1024", self.batch);
        let last = self.stages.last().context("train.stages: at least one {epochs, size} is needed")?;
        ensure!(last.epochs > 0, "train.stages: the last must have an epoch");
        for stage in &self.stages {
            ensure!(
                (32..=input.height).contains(&stage.size),
                "train.stages: size {} must be 32 to {}",
                stage.size,
                input.height
            );
            ensure!(
                head == Head::AveragePool || stage.size == input.height,
                "train.stages: head = \"flatten\" trains at {} pixels only",
                input.height
            );
        }
        let (epsilon, decay) = match self.optimizer {
            OptimizerSpec::Adam { epsilon, l2 } => (epsilon, l2),
            OptimizerSpec::AdamW { epsilon, weight_decay } => (epsilon, weight_decay),
        };
        ensure!(epsilon > 0.0 && (0.0..1.0).contains(&decay), "train.optimizer: epsilon > 0 and a decay in [0, 1) are needed");
        match &self.schedule {
            Schedule::Steps(steps) => {
                let epochs: usize = steps.iter().map(|s| s.epochs).sum();
                ensure!(epochs == recipe.epochs(), "train.schedule has {epochs} epochs, train.stages {}", recipe.epochs());
                ensure!(steps.iter().all(|s| s.rate > 0.0 && s.rate < 1.0), "train.schedule: rates must be in (0, 1)");
            }
            Schedule::OneCycle { peak, warmup } => ensure!(
                *peak > 0.0 && *peak < 1.0 && *warmup > 0.0 && *warmup < 1.0,
                "train.schedule: peak and warmup must be in (0, 1)"
            ),
        }
        if let Sampling::Balanced { source_power, weights } = &self.sampling {
            ensure!((0.0..=1.0).contains(source_power), "train.sampling: source_power must be in [0, 1]");
            ensure!(weights.values().all(|w| *w > 0.0 && *w <= 100.0), "train.sampling: weights must be in (0, 100]");
        }
        if let Sampling::Shares(shares) = &self.sampling {
            let sum: f64 = shares.values().flatten().sum();
            if let Some((source, of)) = shares.iter().find(|(_, of)| !(3..=4).contains(&of.len())) {
                bail!(
                    "train.sampling: {source} has {} shares: give one a class, and a fourth for partial labels or none",
                    of.len()
                );
            }
            ensure!(
                shares.values().flatten().all(|share| *share >= 0.0) && sum > 0.0 && sum.is_finite(),
                "train.sampling: shares must not be negative, and some must be above 0"
            );
        }
        ensure!((0.0..1.0).contains(&self.label_smoothing), "train.label_smoothing must be in [0, 1)");
        for (source, smoothing) in &self.source_label_smoothing {
            ensure!((0.0..1.0).contains(smoothing), "train.source_label_smoothing: {source} must be in [0, 1)");
        }
        ensure!((0.0..=2.0).contains(&self.source_prior), "train.source_prior = {}: use 0 to 2", self.source_prior);
        ensure!((0.0..=1.0).contains(&self.mix_style), "train.mix_style = {}: use 0 to 1", self.mix_style);
        ensure!((0.0..1.0).contains(&self.ema), "train.ema must be in [0, 1)");
        let BatchNormSpec { momentum, epsilon } = self.batch_norm;
        ensure!(
            momentum > 0.0 && momentum <= 1.0 && epsilon > 0.0,
            "train.batch_norm: momentum in (0, 1] and epsilon > 0 are needed"
        );
        Ok(())
    }
}

impl AugmentSpec {
    fn validate(&self) -> Result<()> {
        for (name, value, limit) in [
            ("rotation", self.rotation, 180.0),
            ("zoom", self.zoom, 0.9),
            ("aspect", self.aspect, 1.0),
            ("shift", self.shift, 0.9),
            ("flip", self.flip, 1.0),
            ("gamma", self.gamma, 2.0),
            ("brightness", self.brightness, 0.9),
            ("contrast", self.contrast, 0.9),
            ("equalize", self.equalize, 1.0),
            ("resample", self.resample, 1.0),
            ("noise", self.noise, 1.0),
            ("border", self.border, 1.0),
            ("corner", self.corner, 1.0),
        ] {
            ensure!((0.0..=limit).contains(&value), "augment.{name} = {value}: use 0 to {limit}");
        }
        Ok(())
    }
}
