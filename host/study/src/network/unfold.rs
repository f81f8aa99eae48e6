//! A network from weights into which batch normalisation was folded, ready to be trained on.

use super::{ConvBlock, Network, pooled};
use crate::recipe::{BatchNormSpec, Input, LayerSpec, NetworkSpec};
use anyhow::{Context, Result};
use burn::module::{Param, RunningState};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::{Device, Tensor, TensorData};
use cxr_app::classes::CLASSES;
use rownet_convert::chain::float_model::{Kind, layer_name};
use rownet_convert::chain::onnx::float::Tensors;

impl Network {
    /// The network of `spec` with the weights of a file of [`rownet_convert::chain::onnx::float::write`], on a `device` without gradients.
    ///
    /// Each normalisation gets the statistics that its input has on `gray` (`[batch, 1, height, width]`), and the scale and shift that
    /// undo them: inference is the file's function whatever `gray` is, and training begins near it. Filters get the length of new
    /// ones: normalisation makes a filter's length arbitrary, but Adam's steps are large or small beside it.
    ///
    /// # Errors
    /// The file has not the tensors of `spec`, by name and shape; that their layers do the same is the caller's to know.
    pub fn unfold(
        spec: &NetworkSpec,
        input: Input,
        norm: BatchNormSpec,
        file: &Tensors,
        gray: Tensor<4>,
        device: &Device,
    ) -> Result<Self> {
        let mut network = Self::new(spec, input, norm, 0, device)?;
        let mut blocks = network.blocks.iter_mut();
        let mut x = gray;
        for (index, layer) in spec.layers.iter().enumerate() {
            x = match layer {
                LayerSpec::Conv { .. } | LayerSpec::DepthwiseConv { .. } => {
                    let name = layer_name(index, Kind::Conv);
                    let block = blocks.next().context("one block a convolution")?;
                    let dims = block.weight.dims();
                    let weight = file.get(&format!("{name}_weight"), &dims)?;
                    let bias = file.get(&format!("{name}_bias"), &dims[..1])?;
                    block.unfold(x, weight, bias, index == 0, device)?
                }
                pool => pooled(pool, x),
            };
        }
        let name = layer_name(spec.layers.len(), Kind::Dense);
        let [height, width, channels] = *spec.shapes(input)?.last().context("a network needs layers")?;
        let (inputs, [features, classes]) = (height * width * channels, network.dense_weight.dims());
        let weight = file.get(&format!("{name}_weight"), &[CLASSES.len(), inputs])?;
        // A mean over the map was written as equal shares of its cells.
        let shares = inputs / features;
        let transposed: Vec<f32> = (0..features * classes)
            .map(|at| weight[at % classes * inputs + at / classes * shares..][..shares].iter().sum())
            .collect();
        network.dense_weight = Param::from_data(TensorData::new(transposed, [features, classes]), device);
        let bias = file.get(&format!("{name}_bias"), &[classes])?.to_vec();
        network.dense_bias = Param::from_data(TensorData::new(bias, [classes]), device);
        Ok(network)
    }
}

impl ConvBlock {
    /// Takes the folded `weight` (OIHW) and `bias`; returns the block's output for `x`.
    fn unfold(&mut self, x: Tensor<4>, weight: &[f32], bias: &[f32], first: bool, device: &Device) -> Result<Tensor<4>> {
        let dims = self.weight.dims();
        let [out, rest] = [dims[0], dims[1..].iter().product()];
        // He normal filters have a mean square of 2 / inputs.
        let length = |filter: &[f32]| (filter.iter().map(|w| w * w).sum::<f32>() / 2.0).sqrt();
        let lengths: Vec<f32> = weight.chunks(rest).map(length).map(|l| if l > 0.0 { l } else { 1.0 }).collect();
        let unit: Vec<f32> =
            weight.chunks(rest).zip(&lengths).flat_map(|(filter, l)| filter.iter().map(move |w| w / l)).collect();
        self.weight = Param::from_data(TensorData::new(unit, dims), device);
        let y = conv2d(x, self.filters(first), None, self.options());
        let per_channel = y.clone().swap_dims(0, 1).flatten::<2>(1, 3);
        let (variance, mean) = per_channel.var_mean_bias(1);
        let (variance, mean) = (variance.flatten::<1>(0, 1), mean.flatten::<1>(0, 1));
        let vector = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [out]), device);
        let lengths = vector(&lengths);
        let gamma = (variance.clone() + self.norm.epsilon as f32).sqrt() * lengths.clone();
        let beta = mean.clone() * lengths + vector(bias);
        self.norm.gamma = Param::from_tensor(gamma);
        self.norm.beta = Param::from_tensor(beta);
        self.norm.running_mean = RunningState::new(mean);
        self.norm.running_var = RunningState::new(variance);
        Ok(relu(self.norm.forward(y)))
    }
}
