//! Update rule and learning rate.

use crate::recipe::{OptimizerSpec, Recipe, Schedule};
use anyhow::{Result, anyhow};
use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer};
use std::f64::consts::PI;

/// The optimiser of a recipe: convolution and dense weights decay, biases and batch-norm parameters do not.
pub fn optimizer(spec: OptimizerSpec) -> Result<ModuleOptimizer> {
    let weights = ParamGroup::from_regex("weight$").map_err(|error| anyhow!("parameter group: {error:?}"))?;
    Ok(match spec {
        OptimizerSpec::Adam { epsilon, l2 } => {
            let plain = AdamConfig::new().with_epsilon(epsilon);
            // The gradient of `l2 * w^2`.
            let decayed = plain.clone().with_weight_decay(Some(WeightDecayConfig::new(2.0 * l2)));
            ModuleOptimizer::from(plain.build()).with_group(weights, decayed.build(), None)
        }
        OptimizerSpec::AdamW { epsilon, weight_decay } => {
            let plain = AdamWConfig::new().with_epsilon(epsilon).with_weight_decay(0.0);
            let decayed = plain.clone().with_weight_decay(weight_decay);
            ModuleOptimizer::from(plain.build()).with_group(weights, decayed.build(), None)
        }
    })
}

/// Learning rate of step `step` (from 0) in `epoch`, when each epoch has `batches` steps.
pub fn learning_rate(recipe: &Recipe, epoch: usize, step: usize, batches: usize) -> f64 {
    match &recipe.train.schedule {
        Schedule::Steps(steps) => {
            let mut end = 0;
            for step in steps {
                end += step.epochs;
                if epoch < end {
                    return step.rate;
                }
            }
            steps.last().map_or(0.0, |last| last.rate)
        }
        Schedule::OneCycle { peak, warmup } => {
            let total = (recipe.epochs() * batches) as f64;
            let position = (step as f64 + 0.5) / total;
            let cosine = |from: f64, to: f64, t: f64| to + (from - to) * 0.5 * (1.0 + (PI * t).cos());
            if position < *warmup {
                cosine(peak / 25.0, *peak, position / warmup)
            } else {
                cosine(*peak, peak / 1e4, (position - warmup) / (1.0 - warmup))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_to_the_peak_and_falls_to_nothing() {
        let recipe = Recipe::parse(include_str!("../../../../models/recipes/default.toml")).unwrap();
        let Schedule::OneCycle { peak, warmup } = recipe.train.schedule else { panic!("the default is one cycle") };
        let batches = 100;
        let total = recipe.epochs() * batches;
        let rates: Vec<f64> = (0..total).map(|step| learning_rate(&recipe, step / batches, step, batches)).collect();
        let top = rates.iter().copied().fold(0.0, f64::max);
        assert!((top / peak - 1.0).abs() < 1e-3);
        assert!(rates.iter().position(|&r| r == top).unwrap().abs_diff((warmup * total as f64) as usize) <= 1);
        assert!(rates[0] < 0.05 * peak && rates[total - 1] < 2e-4 * peak);
    }

    #[test]
    fn the_published_schedule_halves_after_forty_epochs() {
        let recipe = Recipe::parse(include_str!("../../../../models/recipes/seed.toml")).unwrap();
        assert_eq!(learning_rate(&recipe, 39, 0, 100), 4e-4);
        assert_eq!(learning_rate(&recipe, 40, 0, 100), 2e-4);
    }
}
