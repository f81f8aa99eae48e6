//! Batches prepared beside the training step, in an order that does not depend on timing.

use super::data::{Data, ImageSet, OfSource};
use crate::augment;
use crate::classes::CLASSES;
use crate::recipe::{AugmentSpec, Recipe};
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
        Self { set: &data.train, order, batch, size, augment: &recipe.augment, of_source, seed, epoch }
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
            size: self.size,
        }
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
