//! Batches prepared beside the training step, in an order that does not depend on timing.

use super::data::{Data, ImageSet, OfSource};
use crate::augment;
use crate::network::Mix;
use crate::recipe::{AugmentSpec, Recipe};
use cxr_app::classes::CLASSES;
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Batches ready before the loader waits.
const AHEAD: usize = 4;

/// Images of one step.
#[derive(Debug)]
pub struct Batch {
    /// Gray levels, `[classes.len(), size, size]`.
    pub images: Vec<u8>,
    /// Class of each image.
    pub classes: Vec<usize>,
    /// Share of each image's target that all classes get alike.
    pub smoothing: Vec<f32>,
    /// What the source tells of the class: added to each image's logits in the loss.
    pub priors: Vec<[f32; CLASSES.len()]>,
    /// Whose statistics the images take a share of.
    pub mix: Mix,
    /// Height and width.
    pub size: usize,
}

/// What an epoch's loader needs to know.
#[derive(Clone, Copy)]
pub struct Epoch<'a> {
    /// Where the images are.
    pub set: &'a ImageSet,
    /// Image indices of the whole epoch.
    pub order: &'a [usize],
    /// Images a batch.
    pub batch: usize,
    /// Height and width to deliver.
    pub size: usize,
    /// Distortions.
    pub augment: &'a AugmentSpec,
    /// Probability of mixed statistics.
    pub mix_style: f32,
    /// What the loss takes from each source.
    pub of_source: &'a [OfSource],
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub epoch: usize,
}

impl<'a> Epoch<'a> {
    /// Epoch `epoch` of a run with `seed`, in this `order`; `of_source` is that of [`Data::of_source`].
    pub fn new(
        recipe: &'a Recipe,
        data: &'a Data,
        order: &'a [usize],
        of_source: &'a [OfSource],
        seed: u64,
        epoch: usize,
    ) -> Self {
        let (batch, size) = (recipe.train.batch, recipe.size_at(epoch));
        let mix_style = recipe.train.mix_style;
        Self { set: &data.train, order, batch, size, augment: &recipe.augment, mix_style, of_source, seed, epoch }
    }

    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }

    /// Prepares batch `number` with all threads of the current pool.
    pub fn prepare(&self, number: usize) -> Batch {
        let first = number * self.batch;
        let indices = &self.order[first..self.order.len().min(first + self.batch)];
        let area = self.size * self.size;
        let mut images = vec![0; indices.len() * area];
        images.par_chunks_mut(area).zip(indices).enumerate().for_each(|(i, (out, &index))| {
            let mut rng = augment::generator(self.seed, self.epoch, first + i);
            out.copy_from_slice(&augment::augment(self.set.pixels(index), self.size, self.augment, &mut rng));
        });
        Batch {
            images,
            classes: indices.iter().map(|&index| self.set.classes[index]).collect(),
            smoothing: indices.iter().map(|&index| self.of_source[self.set.sources[index]].smoothing).collect(),
            priors: indices.iter().map(|&index| self.of_source[self.set.sources[index]].log_prior).collect(),
            mix: self.mix(number, indices.len()),
            size: self.size,
        }
    }

    /// A random other image and share for some of the `count` images of batch `number`; nothing drawn where that is off.
    fn mix(&self, number: usize, count: usize) -> Mix {
        if self.mix_style == 0.0 {
            return Mix { partners: (0..count).collect(), own: vec![1.0; count] };
        }
        let mut rng = augment::generator(self.seed ^ 0x4d49_5854_5545, self.epoch, number);
        let mut partners: Vec<usize> = (0..count).collect();
        partners.shuffle(&mut rng);
        let own = (0..count).map(|_| if rng.random::<f32>() < self.mix_style { rng.random() } else { 1.0 }).collect();
        Mix { partners, own }
    }
}

/// Starts preparing batches `from..` on `pool`; it stops when the receiver is dropped.
pub fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pool: &'scope ThreadPool,
    epoch: Epoch<'scope>,
    from: usize,
) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(AHEAD);
    scope.spawn(move || {
        for number in from..epoch.batches() {
            let batch = pool.install(|| epoch.prepare(number));
            if sender.send(batch).is_err() {
                break;
            }
        }
    });
    receiver
}
