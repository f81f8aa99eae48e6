//! Forward and backward on one device.

use super::loader::Batch;
use super::loss::Targets;
use crate::network::Network;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Forward and backward: gradients of the share that `batch` has in the mean loss over `total` images, and its logits.
pub fn gradients(network: &Network, batch: Batch, total: usize, device: &Device) -> (GradientsParams, Tensor<2>) {
    let targets = Targets::new(&batch);
    let Batch { images, classes, mix, size, .. } = batch;
    let images = pixel_values(images, [classes.len(), 1, size, size], device);
    let logits = network.forward_mixed(images, Some(&mix).filter(|mix| !mix.is_nothing()));
    let loss = targets.loss(logits.clone(), total, device);
    (GradientsParams::from_grads(loss.backward(), network), logits)
}

/// Gray levels as the network takes them ([`crate::network::pixel_value`]); a quarter of the bytes travels to the device.
pub fn pixel_values(levels: Vec<u8>, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let levels = Tensor::<4, Int>::from_data(TensorData::new(levels, shape), (device, DType::U8));
    (levels.float() - 128.0) / 64.0
}
