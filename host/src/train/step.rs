//! One training step and one validation pass.

use super::data::Data;
use super::loader::Batch;
use super::metrics::Validation;
use super::parallel::Workers;
use crate::augment;
use crate::classes::CLASSES;
use crate::network::Network;
use anyhow::{Result, anyhow, ensure};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
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
    let classes = batch.classes.clone();
    let targets = targets(&classes, &batch.smoothing);
    let (gradients, logits) = workers.gradients(&network, batch)?;
    let network = optimizer.step(rate, network, gradients);

    let logits = logits.into_iter().map(rows).collect::<Result<Vec<_>>>()?.concat();
    let mut outcome = Outcome::default();
    for ((logits, target), &class) in logits.iter().zip(targets.chunks(CLASSES.len())).zip(&classes) {
        let log_p = log_probabilities(logits);
        outcome.loss_sum -= log_p.iter().zip(target).map(|(l, t)| l * f64::from(*t)).sum::<f64>();
        outcome.correct += usize::from(top(logits) == class);
    }
    ensure!(
        outcome.loss_sum.is_finite(),
        "the loss is not a number any more: lower the learning rate in the recipe (it was {rate:.1e})"
    );
    Ok((network, outcome))
}

/// Forward and backward: gradients of the share that `batch` has in the mean loss over `total` images, and its logits.
pub fn gradients(network: &Network, batch: Batch, total: usize, device: &Device) -> (GradientsParams, Tensor<2>) {
    let Batch { images, classes, smoothing, size } = batch;
    let logits = network.forward(pixel_values(images, [classes.len(), 1, size, size], device));
    let loss = cross_entropy(logits.clone(), &targets(&classes, &smoothing), total, device);
    (GradientsParams::from_grads(loss.backward(), network), logits)
}

/// Loss and confusion of `network`, which must not train, on all validation images at `size` x `size`.
pub fn validate(network: &Network, data: &Data, size: usize, device: &Device, mut done: impl FnMut(usize)) -> Result<Validation> {
    let set = &data.val;
    let mut result = Validation::default();
    let indices: Vec<usize> = (0..set.len()).collect();
    for chunk in indices.chunks(VALIDATION_BATCH) {
        let images: Vec<u8> = chunk.par_iter().flat_map_iter(|&index| augment::plain(set.pixels(index), size)).collect();
        let images = pixel_values(images, [chunk.len(), 1, size, size], device);
        for (logits, &index) in rows(network.forward(images))?.iter().zip(chunk) {
            let (class, answer) = (set.classes[index], top(logits));
            result.loss -= log_probabilities(logits)[class];
            result.confusion.add(class, answer);
            result.by_source.entry(data.sources[set.sources[index]].clone()).or_default().add(class, answer);
        }
        done(chunk.len());
    }
    result.loss /= set.len() as f64;
    Ok(result)
}

/// Gray levels as the network takes them ([`crate::network::pixel_value`]); a quarter of the bytes travels to the device.
pub fn pixel_values(levels: Vec<u8>, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let levels = Tensor::<4, Int>::from_data(TensorData::new(levels, shape), (device, DType::U8));
    (levels.float() - 128.0) / 64.0
}

/// One-hot rows, each smoothed by its own share.
fn targets(classes: &[usize], smoothing: &[f32]) -> Vec<f32> {
    let row = |(&class, &smoothing): (&usize, &f32)| {
        let rest = smoothing / CLASSES.len() as f32;
        (0..CLASSES.len()).map(move |k| if k == class { 1.0 - smoothing + rest } else { rest })
    };
    classes.iter().zip(smoothing).flat_map(row).collect()
}

/// Sum over the batch, divided by `total`.
fn cross_entropy(logits: Tensor<2>, targets: &[f32], total: usize, device: &Device) -> Tensor<1> {
    let shape = logits.dims();
    let targets = Tensor::<2>::from_data(TensorData::new(targets.to_vec(), shape), device);
    (log_softmax(logits, 1) * targets).sum().mul_scalar(-1.0 / total as f32)
}

fn rows(logits: Tensor<2>) -> Result<Vec<[f32; CLASSES.len()]>> {
    let values = logits.into_data().try_into_vec::<f32>().map_err(|error| anyhow!("reading logits: {error:?}"))?;
    Ok(values.as_chunks().0.to_vec())
}

fn log_probabilities(logits: &[f32; CLASSES.len()]) -> [f64; CLASSES.len()] {
    let logits = logits.map(f64::from);
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln() + top;
    logits.map(|l| l - sum)
}

fn top(logits: &[f32; CLASSES.len()]) -> usize {
    (0..logits.len()).fold(0, |best, k| if logits[k] > logits[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_tensor_losses_agree() {
        let device = Device::flex();
        let logits = vec![1.0f32, -2.0, 0.5, 3.0, 3.5, -1.0];
        let classes = [2, 0];
        let smoothed = targets(&classes, &[0.05, 0.3]);
        assert!((smoothed.iter().sum::<f32>() - 2.0).abs() < 1e-6);
        assert!((smoothed[2] - (1.0 - 0.1 / 3.0)).abs() < 1e-6 && (smoothed[3] - 0.8).abs() < 1e-6, "{smoothed:?}");
        let tensor = Tensor::<2>::from_data(TensorData::new(logits.clone(), [2, 3]), &device);
        let loss = f64::from(cross_entropy(tensor, &smoothed, 2, &device).into_data().as_slice::<f32>().unwrap()[0]);
        let mine: f64 = logits
            .as_chunks::<3>()
            .0
            .iter()
            .zip(smoothed.chunks(3))
            .map(|(l, t)| -log_probabilities(l).iter().zip(t).map(|(a, b)| a * f64::from(*b)).sum::<f64>())
            .sum::<f64>()
            / 2.0;
        assert!((loss - mine).abs() < 1e-5, "{loss} {mine}");
        assert_eq!(top(&[3.0, 3.5, -1.0]), 1);
    }
}
