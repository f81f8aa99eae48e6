//! Is the loader fast enough? Steps on one resident batch against steps through the loader.

use super::data::Data;
use super::parallel::Workers;
use super::{loader, optim, sampler, step};
use crate::network::Network;
use crate::recipe::Recipe;
use anyhow::{Context, Result, anyhow};
use burn::tensor::Device;
use rayon::ThreadPool;
use std::time::Instant;

/// Prints images/s of both ways at each image size of the recipe, `steps` steps each.
pub fn run(recipe: &Recipe, data: &Data, pool: &ThreadPool, devices: &[Device], seed: u64, steps: usize) -> Result<()> {
    let training = devices.first().context("no device to train on")?.clone().autodiff();
    let workers = Workers::new(devices)?;
    let mut sizes: Vec<usize> = recipe.train.stages.iter().map(|stage| stage.size).collect();
    sizes.dedup();
    for size in sizes {
        let set = &data.train;
        let mut order = sampler::order(&set.classes, &set.sources, &data.sources, &recipe.train.sampling, seed, 0);
        // Warm-up, resident and loaded steps alike take full batches.
        let wanted = (steps + 1) * recipe.train.batch;
        order = order.into_iter().cycle().take(wanted).collect();
        let of_source = data.of_source(&recipe.train);
        let plan = loader::Epoch { size, ..loader::Epoch::new(recipe, data, &order, &of_source, seed, 0) };
        let began = Instant::now();
        let prepared = pool.install(|| plan.prepare(0));
        let alone = recipe.train.batch as f64 / began.elapsed().as_secs_f64();
        let mut network = Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, seed, &training)?;
        let mut optimizer = optim::optimizer(recipe.train.optimizer)?;
        let mut bare = 0.0;
        for number in 0..=steps {
            let batch = loader::Batch {
                images: prepared.images.clone(),
                classes: prepared.classes.clone(),
                smoothing: prepared.smoothing.clone(),
                priors: prepared.priors.clone(),
                mix: prepared.mix.clone(),
                size,
            };
            let began = Instant::now();
            (network, _) = step::train_step(network, &mut optimizer, batch, 1e-4, &workers)?;
            if number > 0 {
                bare += began.elapsed().as_secs_f64();
            }
        }
        let loaded = std::thread::scope(|scope| -> Result<f64> {
            let batches = loader::start(scope, pool, plan, 0);
            let mut began = Instant::now();
            for number in 0..=steps {
                let batch = batches.recv().map_err(|_| anyhow!("the loader stopped"))?;
                (network, _) = step::train_step(network.clone(), &mut optimizer, batch, 1e-4, &workers)?;
                if number == 0 {
                    began = Instant::now();
                }
            }
            Ok(began.elapsed().as_secs_f64())
        })?;
        let images = (steps * recipe.train.batch) as f64;
        println!(
            "{size:>3} px: bare step {:.1} images/s, through the loader {:.1} images/s ({:.1} %); the loader alone {alone:.1} images/s",
            images / bare,
            images / loaded,
            100.0 * bare / loaded
        );
    }
    Ok(())
}
