//! The network as a Burn module, built from a recipe, and its way out as a [`FloatModel`].

mod mix;
mod unfold;

pub use mix::Mix;

use crate::recipe::{BatchNormSpec, ConvSpec, Head, Input, LayerSpec, NetworkSpec};
use anyhow::{Context, Result};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use cxr_app::classes::CLASSES;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rownet_convert::chain::float_model::{FloatLayer, FloatModel, Pool, PoolKind};

/// Real value of a gray level: `(pixel - 128) / 64`, as the exported model's input quantisation has it.
pub fn pixel_value(pixel: u8) -> f32 {
    (f32::from(pixel) - 128.0) / 64.0
}

/// Convolution without bias, then batch normalisation.
#[derive(Module, Debug)]
pub struct ConvBlock {
    /// `[out, in / groups, kernel, kernel]`.
    weight: Param<Tensor<4>>,
    norm: BatchNorm,
    stride: usize,
    pad: usize,
    groups: usize,
}

/// The network. Activations are `[batch, channels, height, width]`.
#[derive(Module, Debug)]
pub struct Network {
    blocks: Vec<ConvBlock>,
    /// `[features, classes]`.
    dense_weight: Param<Tensor<2>>,
    /// `[classes]`.
    dense_bias: Param<Tensor<1>>,
    #[module(skip)]
    spec: NetworkSpec,
    #[module(skip)]
    input: Input,
}

impl Network {
    /// A network with random weights (He normal), the same on every backend for the same seed.
    pub fn new(spec: &NetworkSpec, input: Input, norm: BatchNormSpec, seed: u64, device: &Device) -> Result<Self> {
        let shapes = spec.shapes(input)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut blocks = Vec::new();
        for (layer, shape) in spec.layers.iter().zip(&shapes) {
            if let Some(ConvSpec { filters, kernel, stride, groups }) = layer.conv(shape[2]) {
                let inside = shape[2] / groups;
                let fan_in = inside * kernel * kernel;
                blocks.push(ConvBlock {
                    weight: Param::from_data(
                        normal(&mut rng, [filters, inside, kernel, kernel], (2.0 / fan_in as f32).sqrt()),
                        device,
                    ),
                    norm: BatchNormConfig::new(filters).with_momentum(norm.momentum).with_epsilon(norm.epsilon).init(device),
                    stride,
                    pad: (kernel - 1) / 2,
                    groups,
                });
            }
        }
        let [h, w, c] = *shapes.last().context("a network needs layers")?;
        let features = if spec.head == Head::Flatten { h * w * c } else { c };
        Ok(Self {
            blocks,
            dense_weight: Param::from_data(normal(&mut rng, [features, CLASSES.len()], (1.0 / features as f32).sqrt()), device),
            dense_bias: Param::from_data(TensorData::zeros::<f32, _>([CLASSES.len()]), device),
            spec: spec.clone(),
            input,
        })
    }

    /// Logits `[batch, classes]` of images `[batch, 1, height, width]` (see [`pixel_value`]).
    ///
    /// The one gray channel stands for `input.channels` equal ones: the first convolution sums its weights over them.
    pub fn forward(&self, gray: Tensor<4>) -> Tensor<2> {
        self.forward_mixed(gray, None)
    }

    /// [`forward`](Self::forward), with the statistics of the first feature maps mixed between images: for training.
    pub fn forward_mixed(&self, gray: Tensor<4>, mix: Option<&Mix>) -> Tensor<2> {
        let device = gray.device();
        let mut x = gray;
        let mut blocks = self.blocks.iter();
        let mut done = 0;
        for layer in &self.spec.layers {
            x = match layer {
                LayerSpec::Conv { .. } | LayerSpec::DepthwiseConv { .. } => {
                    let block = blocks.next().expect("one block a convolution");
                    let y = relu(block.norm.forward(conv2d(x, block.filters(done == 0), None, block.options())));
                    done += 1;
                    match mix.filter(|_| done <= mix::BLOCKS) {
                        Some(mix) => mix.apply(y, &device),
                        None => y,
                    }
                }
                pool => pooled(pool, x),
            };
        }
        let features: Tensor<2> = match self.spec.head {
            Head::Flatten => x.flatten(1, 3),
            Head::AveragePool => x.flatten::<3>(2, 3).mean_dim(2).flatten(1, 2),
        };
        features.matmul(self.dense_weight.val()) + self.dense_bias.val().unsqueeze()
    }

    /// Folds batch normalisation (running statistics) into the convolutions and lays the weights out as [`FloatModel`] says.
    pub fn to_float_model(&self) -> Result<FloatModel> {
        let shapes = self.spec.shapes(self.input)?;
        let mut layers = Vec::new();
        let mut blocks = self.blocks.iter();
        for (layer, pair) in self.spec.layers.iter().zip(shapes.windows(2)) {
            let (input, output) = (pair[0], pair[1]);
            layers.push(match *layer {
                LayerSpec::Conv { kernel, stride, .. } | LayerSpec::DepthwiseConv { kernel, stride } => {
                    let block = blocks.next().context("one block a convolution")?;
                    let (weight, bias) = block.fold()?;
                    FloatLayer::Conv { input, output, kernel, stride, pad: block.pad, groups: block.groups, weight, bias }
                }
                LayerSpec::MaxPool { size, stride } => {
                    FloatLayer::Pool(Pool { kind: PoolKind::Max, input, output, window: [size; 2], stride })
                }
                LayerSpec::AveragePool { size, stride } => {
                    FloatLayer::Pool(Pool { kind: PoolKind::Average, input, output, window: [size; 2], stride })
                }
            });
        }
        let input = *shapes.last().context("a network needs layers")?;
        let classes = CLASSES.len();
        let dense = floats(self.dense_weight.val())?;
        let [h, w, c] = input;
        let mut weight = Vec::with_capacity(classes * h * w * c);
        for class in 0..classes {
            for cell in 0..h * w {
                for channel in 0..c {
                    weight.push(match self.spec.head {
                        Head::Flatten => dense[(channel * h * w + cell) * classes + class],
                        Head::AveragePool => dense[channel * classes + class] / (h * w) as f32,
                    });
                }
            }
        }
        layers.push(FloatLayer::Dense { input, classes, weight, bias: floats(self.dense_bias.val())? });
        Ok(FloatModel { input: shapes[0], normalization: rownet_convert::chain::float_model::Input::PIXELS, layers })
    }
}

/// The output of a layer that pools; another leaves `x` as it is.
fn pooled(layer: &LayerSpec, x: Tensor<4>) -> Tensor<4> {
    match *layer {
        LayerSpec::MaxPool { size, stride } => max_pool2d(x, MaxPoolOptions::new([size; 2]).with_stride([stride; 2])),
        LayerSpec::AveragePool { size, stride } => avg_pool2d(x, AvgPoolOptions::new([size; 2]).with_stride([stride; 2])),
        LayerSpec::Conv { .. } | LayerSpec::DepthwiseConv { .. } => x,
    }
}

impl ConvBlock {
    /// Weights as the gray channel meets them: those of the `first` convolution are summed over its inputs.
    fn filters(&self, first: bool) -> Tensor<4> {
        let weight = self.weight.val();
        if first { weight.sum_dim(1) } else { weight }
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.pad; 2], [1, 1], self.groups)
    }

    /// Weights OHWI and bias with the batch normalisation in them.
    fn fold(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let [out, channels, kernel, _] = self.weight.val().dims();
        let weight = floats(self.weight.val())?;
        let (gamma, beta) = (floats(self.norm.gamma.val())?, floats(self.norm.beta.val())?);
        let (mean, variance) = (floats(self.norm.running_mean.value_sync())?, floats(self.norm.running_var.value_sync())?);
        let (mut folded, mut bias) = (Vec::with_capacity(weight.len()), Vec::with_capacity(out));
        for o in 0..out {
            let scale = f64::from(gamma[o]) / (f64::from(variance[o]) + self.norm.epsilon).sqrt();
            for cell in 0..kernel * kernel {
                for channel in 0..channels {
                    folded.push((f64::from(weight[(o * channels + channel) * kernel * kernel + cell]) * scale) as f32);
                }
            }
            bias.push((f64::from(beta[o]) - f64::from(mean[o]) * scale) as f32);
        }
        Ok((folded, bias))
    }
}

/// The values of a tensor, row-major.
fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_into_vec::<f32>().map_err(|error| anyhow::anyhow!("reading a tensor: {error:?}"))
}

/// Normally distributed values by the Box-Muller transform.
fn normal<const D: usize>(rng: &mut ChaCha8Rng, shape: [usize; D], std: f32) -> TensorData {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| {
            let (a, b): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
            std * (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
        })
        .collect();
    TensorData::new(values, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain loops over a [`FloatModel`]; `image` is HWC.
    fn evaluate(model: &FloatModel, image: &[f32]) -> Vec<f32> {
        let mut x = image.to_vec();
        for layer in &model.layers {
            x = match layer {
                FloatLayer::Conv { input: [h, w, c], output: [oh, ow, oc], kernel, stride, pad, groups, weight, bias } => {
                    let mut y = Vec::new();
                    for oy in 0..*oh {
                        for ox in 0..*ow {
                            for o in 0..*oc {
                                let mut sum = bias[o];
                                for ky in 0..*kernel {
                                    for kx in 0..*kernel {
                                        let (iy, ix) =
                                            ((oy * stride + ky).wrapping_sub(*pad), (ox * stride + kx).wrapping_sub(*pad));
                                        if iy < *h && ix < *w {
                                            let inside = c / groups;
                                            let first = o / (oc / groups) * inside;
                                            for i in 0..inside {
                                                sum += x[(iy * w + ix) * c + first + i]
                                                    * weight[((o * kernel + ky) * kernel + kx) * inside + i];
                                            }
                                        }
                                    }
                                }
                                y.push(sum.max(0.0));
                            }
                        }
                    }
                    y
                }
                FloatLayer::Pool(Pool { kind, input: [_, w, c], output: [oh, ow, _], window: [size, _], stride }) => {
                    let mut y = Vec::new();
                    for oy in 0..*oh {
                        for ox in 0..*ow {
                            for i in 0..*c {
                                let cells =
                                    (0..size * size).map(|k| x[((oy * stride + k / size) * w + ox * stride + k % size) * c + i]);
                                y.push(match kind {
                                    PoolKind::Max => cells.fold(f32::NEG_INFINITY, f32::max),
                                    PoolKind::Average => cells.sum::<f32>() / (size * size) as f32,
                                });
                            }
                        }
                    }
                    y
                }
                FloatLayer::Dense { classes, weight, bias, .. } => (0..*classes)
                    .map(|k| bias[k] + x.iter().zip(&weight[k * x.len()..]).map(|(a, b)| a * b).sum::<f32>())
                    .collect(),
            };
        }
        x
    }

    fn check(head: Head) {
        let spec = NetworkSpec {
            head,
            layers: vec![
                LayerSpec::Conv { filters: 4, kernel: 3, stride: 2, groups: 1 },
                LayerSpec::MaxPool { size: 2, stride: 2 },
                LayerSpec::Conv { filters: 6, kernel: 3, stride: 1, groups: 2 },
                LayerSpec::DepthwiseConv { kernel: 3, stride: 1 },
                LayerSpec::AveragePool { size: 2, stride: 1 },
                LayerSpec::Conv { filters: 5, kernel: 1, stride: 2, groups: 1 },
            ],
        };
        let input = Input { height: 32, width: 24, channels: 3 };
        let norm = BatchNormSpec { momentum: 0.3, epsilon: 1e-3 };
        let device = Device::flex();
        let training = device.clone().autodiff();
        let network = Network::new(&spec, input, norm, 7, &training).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let pixels: Vec<f32> = (0..4 * 32 * 24).map(|_| pixel_value(rng.random())).collect();
        let batch = |device: &Device| Tensor::<4>::from_data(TensorData::new(pixels.clone(), [4, 1, 32, 24]), device);
        // Two training passes, so that the running statistics are not the initial ones.
        let _ = network.forward(batch(&training));
        let _ = network.forward(batch(&training));
        let network = network.valid();
        let logits = floats(network.forward(batch(&device))).unwrap();
        let model = network.to_float_model().unwrap();
        for (image, expected) in pixels.chunks(32 * 24).zip(logits.chunks(3)) {
            let hwc: Vec<f32> = image.iter().flat_map(|&p| [p; 3]).collect();
            for (a, b) in evaluate(&model, &hwc).iter().zip(expected) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
        unfolds(&network, &model, norm, batch(&device), &logits);
    }

    /// From the exported file again: the same function, whatever the normalisations were measured on; and in training, on the images
    /// that they were measured on, as well.
    fn unfolds(network: &Network, model: &FloatModel, norm: BatchNormSpec, images: Tensor<4>, logits: &[f32]) {
        let device = Device::flex();
        let mut file = rownet_convert::chain::onnx::float::Tensors::read(&rownet_convert::chain::onnx::float::write(
            model,
            &Default::default(),
        ))
        .unwrap();
        let close = |found: Tensor<2>, expected: &[f32]| {
            for (a, b) in floats(found).unwrap().iter().zip(expected) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        };
        for part in [0..2, 0..4] {
            let some = images.clone().slice([part.clone()]);
            let again = Network::unfold(&network.spec, network.input, norm, &file, some.clone(), &device).unwrap();
            close(again.forward(images.clone()), logits);
            let first = again.blocks[0].weight.val();
            let mean_square = (first.clone() * first).mean().into_scalar::<f32>();
            assert!((mean_square - 2.0 / 27.0).abs() < 1e-3, "He normal filters: {mean_square}");
            let training = again.train();
            close(training.forward(Tensor::from_inner(some)), &logits[part.start * 3..part.end * 3]);
        }
        file.shift(2, -1.5).unwrap();
        let shifted = Network::unfold(&network.spec, network.input, norm, &file, images.clone(), &device).unwrap();
        let expected: Vec<f32> = logits.chunks(3).flat_map(|l| [l[0], l[1], l[2] - 1.5]).collect();
        close(shifted.forward(images.clone()), &expected);
        let mut other = network.spec.clone();
        other.layers[0] = LayerSpec::Conv { filters: 8, kernel: 3, stride: 2, groups: 1 };
        let error = Network::unfold(&other, network.input, norm, &file, images, &device).unwrap_err().to_string();
        assert!(error.contains("not the recipe's: layer00_conv_weight is [4, 3, 3, 3], not [8, 3, 3, 3]"), "{error}");
        assert!(rownet_convert::chain::onnx::float::Tensors::read(b"no network").is_err());
    }

    #[test]
    fn float_model_computes_the_same() {
        check(Head::Flatten);
        check(Head::AveragePool);
    }
}
