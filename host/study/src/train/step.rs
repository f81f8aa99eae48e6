//! One training step and one validation pass.

use super::data::{Data, ImageSet};
use super::gradient::pixel_values;
use super::loader::Batch;
use super::loss::{Targets, log_probabilities};
use super::metrics::Validation;
use super::parallel::Workers;
use crate::augment;
use crate::dataset::OTHER_FINDING;
use crate::network::Network;
use anyhow::{Result, anyhow, ensure};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use cxr_app::classes::{CLASSES, COVID};
use rayon::prelude::*;

/// Images in a validation batch.
const VALIDATION_BATCH: usize = 64;

/// What a step measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Sum of the losses of the images.
    pub loss_sum: f64,
    /// Right answers.
    pub correct: usize,
}

/// Forward, backward, update: returns the new network. A loss that is not a number is an error.
pub fn train_step(
    network: Network,
    optimizer: &mut ModuleOptimizer,
    batch: Batch,
    rate: f64,
    workers: &Workers,
) -> Result<(Network, Outcome)> {
    let targets = Targets::new(&batch);
    let (gradients, logits) = workers.gradients(&network, batch)?;
    let network = optimizer.step(rate, network, gradients);

    let logits = logits.into_iter().map(rows).collect::<Result<Vec<_>>>()?.concat();
    let mut outcome = Outcome::default();
    for (i, logits) in logits.iter().enumerate() {
        outcome.loss_sum += targets.of(i, logits);
        outcome.correct += usize::from(targets.admits(i, top(logits)));
    }
    ensure!(
        outcome.loss_sum.is_finite(),
        "the loss is not a number any more: lower the learning rate in the recipe (it was {rate:.1e})"
    );
    Ok((network, outcome))
}

/// Loss and confusion of `network`, which must not train, on all validation images at `size` x `size`.
pub fn validate(network: &Network, data: &Data, size: usize, device: &Device, done: impl FnMut(usize)) -> Result<Validation> {
    let set = &data.val;
    let mut result = Validation::default();
    let mut labelled = 0;
    for (index, logits) in infer(network, set, size, device, done)?.iter().enumerate() {
        let (class, answer) = (set.classes[index], top(logits));
        if class == OTHER_FINDING {
            let [called, of] = &mut result.other_finding_called_covid;
            (*called, *of) = (*called + usize::from(answer == COVID), *of + 1);
            continue;
        }
        labelled += 1;
        result.loss -= log_probabilities(logits)[class];
        result.confusion.add(class, answer);
        result.by_source.entry(data.sources[set.sources[index]].clone()).or_default().add(class, answer);
    }
    result.loss /= f64::from(labelled.max(1));
    Ok(result)
}

/// Logits of all images of `set` at `size` x `size`, in order.
pub fn infer(
    network: &Network,
    set: &ImageSet,
    size: usize,
    device: &Device,
    mut done: impl FnMut(usize),
) -> Result<Vec<[f32; CLASSES.len()]>> {
    let mut all = Vec::with_capacity(set.len());
    let indices: Vec<usize> = (0..set.len()).collect();
    for chunk in indices.chunks(VALIDATION_BATCH) {
        let images: Vec<u8> = chunk.par_iter().flat_map_iter(|&index| augment::plain(set.pixels(index), size)).collect();
        all.extend(rows(network.forward(pixel_values(images, [chunk.len(), 1, size, size], device)))?);
        done(chunk.len());
    }
    Ok(all)
}

fn rows(logits: Tensor<2>) -> Result<Vec<[f32; CLASSES.len()]>> {
    let values = logits.into_data().try_into_vec::<f32>().map_err(|error| anyhow!("reading logits: {error:?}"))?;
    Ok(values.as_chunks().0.to_vec())
}

fn top(logits: &[f32; CLASSES.len()]) -> usize {
    (0..logits.len()).fold(0, |best, k| if logits[k] > logits[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_class_is_the_first_of_the_greatest() {
        assert_eq!((top(&[3.0, 3.5, -1.0]), top(&[1.0, 1.0, 0.0])), (1, 0));
    }
}
