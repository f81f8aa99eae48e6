//! Post-training quantisation: float network + calibration statistics to int8.
//!
//! Activations are s8 with one scale a layer, weights s8 symmetric with one scale an output channel, biases i32.
//! Requantisation is f32 with round half to even (docs/quantization.md). Every bound that the arithmetic
//! relies on is checked here, over the worst case of the layer's weights; a network outside is refused.

pub mod calibrate;
mod checks;
pub mod covariance;
pub mod equalize;
mod weights;

use crate::float_model::{FloatLayer, FloatModel, Pool, PoolKind};
use crate::onnx::{Kind, layer_name};
use anyhow::{Result, bail, ensure};
use calibrate::{Range, Statistics};
use covariance::Covariance;
use std::borrow::Cow;
pub use weights::WeightScale;

/// Real value of one input step: `(pixel - 128) / 64`.
pub const INPUT_SCALE: f32 = 1.0 / 64.0;
/// Input zero point; `q = pixel - 128`.
pub const INPUT_ZERO_POINT: i8 = 0;
/// Zero point of every ReLU output, so that the clamp to i8 is the ReLU.
pub const RELU_ZERO_POINT: i8 = -128;

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Options {
    /// How far channels are equalised before, 0 to 1 (see [`equalize`]); [`quantize()`] itself does not.
    pub equalization: f32,
    /// Activation ranges.
    pub range: Range,
    /// Weight scales.
    pub weights: WeightScale,
    /// Round weights together, where the statistics have covariances, instead of each to the nearest.
    pub compensated: bool,
    /// Compensate the mean error of each output channel in its bias.
    pub bias_correction: bool,
}

/// An int8 network.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedModel {
    /// Input height, width, channels.
    pub input: [usize; 3],
    /// Layers in execution order; the last is [`QuantizedLayer::Dense`].
    pub layers: Vec<QuantizedLayer>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution + ReLU.
    Conv(QuantizedConv),
    /// Pooling; scale and zero point pass through.
    Pool(QuantizedPool),
    /// Dense; its logits stay i32 accumulators times a scale.
    Dense(QuantizedDense),
}

/// Convolution + ReLU. Shapes are `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedConv {
    /// Input shape.
    pub input: [usize; 3],
    /// Output shape.
    pub output: [usize; 3],
    /// Kernel height and width.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Padding on each side, filled with the input zero point.
    pub pad: usize,
    /// Groups of channels that do not mix; as many as channels: depthwise.
    pub groups: usize,
    /// Weights, OHWI with `channels / groups` inputs each, in -127..=127.
    pub weight: Vec<i8>,
    /// Real value of a weight step, one an output channel.
    pub weight_scale: Vec<f32>,
    /// Raw bias in units of `input_scale * weight_scale`.
    pub bias: Vec<i32>,
    /// Bias with the input zero point folded in: `bias - input_zero_point * sum(weight)`.
    pub folded_bias: Vec<i32>,
    /// Requantisation factors: `f32(f32(input_scale * weight_scale) / output_scale)`.
    pub scale: Vec<f32>,
    /// Real value of an input step.
    pub input_scale: f32,
    /// Input zero point.
    pub input_zero_point: i8,
    /// Real value of an output step.
    pub output_scale: f32,
    /// Output zero point.
    pub output_zero_point: i8,
}

/// Pooling without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedPool {
    /// Window and shapes.
    pub pool: Pool,
    /// Real value of a step, in and out.
    pub scale: f32,
    /// Zero point, in and out.
    pub zero_point: i8,
    /// The arithmetic of a mean; absent for a maximum.
    pub mean: Option<Mean>,
}

/// A mean as the convolution that it is: weights of 1, `weight_scale` 1 / cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Real value of a weight of 1.
    pub weight_scale: f32,
    /// `-zero_point * cells`.
    pub folded_bias: i32,
    /// Requantisation factor: `f32(f32(scale * weight_scale) / scale)`.
    pub factor: f32,
}

/// Dense layer over the whole feature map.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedDense {
    /// Input shape.
    pub input: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Weights, `[class][y][x][channel]`, in -127..=127.
    pub weight: Vec<i8>,
    /// Raw bias, one a class.
    pub bias: Vec<i32>,
    /// Bias with the input zero point folded in.
    pub folded_bias: Vec<i32>,
    /// Logit of one accumulator step: `f32(input_scale * weight_scale)`.
    pub scale: Vec<f32>,
    /// Real value of an input step.
    pub input_scale: f32,
    /// Input zero point.
    pub input_zero_point: i8,
}

impl QuantizedDense {
    /// The weights that a file stores and how many cells share each: `[class][channel]` if all cells do, else `weight` itself.
    pub fn stored(&self) -> (usize, Cow<'_, [i8]>) {
        let [height, width, channels] = self.input;
        let map = (height * width * channels).max(1);
        let of_cell = |class: &[i8]| class[..channels].to_vec();
        if self.weight.chunks(map).all(|class| class.chunks(channels).all(|cell| *cell == class[..channels])) {
            (height * width, self.weight.chunks(map).flat_map(of_cell).collect())
        } else {
            (1, Cow::Borrowed(&self.weight))
        }
    }
}

impl QuantizedLayer {
    /// Kind, for value names.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Conv(_) => Kind::Conv,
            Self::Pool(pool) => pool.pool.kind.into(),
            Self::Dense(_) => Kind::Dense,
        }
    }
}

/// Quantises `model`.
///
/// # Errors
/// A layer whose accumulators, requantised values or scales leave the range of the arithmetic contract; the error
/// names the layer and the bound.
pub fn quantize(model: &FloatModel, statistics: &Statistics, options: Options) -> Result<QuantizedModel> {
    let mut layers = Vec::with_capacity(model.layers.len());
    let (mut scale, mut zero_point) = (INPUT_SCALE, INPUT_ZERO_POINT);
    for (index, layer) in model.layers.iter().enumerate() {
        let covariance = statistics.covariances.get(index).and_then(Option::as_ref).filter(|_| options.compensated);
        let incoming = Incoming { scale, zero_point, channel_mean: &statistics.inputs[index].channel_mean, covariance };
        let quantized = match layer {
            FloatLayer::Conv { .. } => {
                let Some(range) = statistics.outputs[index].range(options.range) else {
                    bail!(
                        "{}: no calibration image makes this layer fire; train longer or calibrate on other images",
                        layer_name(index, Kind::Conv)
                    );
                };
                let conv = conv(index, layer, incoming, range / 255.0, options)?;
                (scale, zero_point) = (conv.output_scale, conv.output_zero_point);
                QuantizedLayer::Conv(conv)
            }
            FloatLayer::Pool(pool) => {
                let mean = match pool.kind {
                    PoolKind::Max => None,
                    PoolKind::Average => Some(mean(index, pool, scale, zero_point)?),
                };
                QuantizedLayer::Pool(QuantizedPool { pool: *pool, scale, zero_point, mean })
            }
            FloatLayer::Dense { .. } => QuantizedLayer::Dense(dense(index, layer, incoming, options)?),
        };
        layers.push(quantized);
    }
    ensure!(
        matches!(layers.last(), Some(QuantizedLayer::Dense(_))),
        "the last layer is not dense: the device needs one for its logits; end the recipe with a head"
    );
    Ok(QuantizedModel { input: model.input, layers })
}

/// What a layer receives.
#[derive(Clone, Copy)]
struct Incoming<'a> {
    scale: f32,
    zero_point: i8,
    channel_mean: &'a [f32],
    covariance: Option<&'a Covariance>,
}

fn conv(index: usize, layer: &FloatLayer, incoming: Incoming<'_>, output_scale: f32, options: Options) -> Result<QuantizedConv> {
    let &FloatLayer::Conv { input, output, kernel, stride, pad, groups, ref weight, ref bias } = layer else {
        bail!("layer {index} is not a convolution");
    };
    let name = layer_name(index, Kind::Conv);
    let mut q = weights::quantize(&name, weight, bias, groups, incoming, options)?;
    let factor = |weight_scale: f32| incoming.scale * weight_scale / output_scale;
    // tract takes another rounding path when all factors of a layer are equal, so they must not be.
    if q.scale.iter().all(|&s| factor(s) == factor(q.scale[0])) {
        ensure!(q.scale.len() > 1, "{name}: one filter only; use at least two, so that requantisation is per channel");
        q.scale[0] *= 1.0 + 4.0 * f32::EPSILON;
        ensure!(factor(q.scale[0]) != factor(q.scale[1]), "{name}: all requantisation factors are equal; train it further");
    }
    let scale: Vec<f32> = q.scale.iter().map(|&s| factor(s)).collect();
    let folded_bias = checks::fold(&name, &q.weight, &q.bias, incoming.zero_point)?;
    checks::requantization(&name, &q.weight, &folded_bias, &scale)?;
    Ok(QuantizedConv {
        input,
        output,
        kernel,
        stride,
        pad,
        groups,
        weight: q.weight,
        weight_scale: q.scale,
        bias: q.bias,
        folded_bias,
        scale,
        input_scale: incoming.scale,
        input_zero_point: incoming.zero_point,
        output_scale,
        output_zero_point: RELU_ZERO_POINT,
    })
}

fn mean(index: usize, pool: &Pool, scale: f32, zero_point: i8) -> Result<Mean> {
    let name = layer_name(index, Kind::AveragePool);
    ensure!(pool.input[2] > 1, "{name}: a mean over one channel is not exported; use at least two channels");
    let cells = pool.window[0] * pool.window[1];
    let weight_scale = 1.0 / cells as f32;
    let weights = vec![1; cells];
    let folded = checks::fold(&name, &weights, &[0], zero_point)?;
    let factor = scale * weight_scale / scale;
    checks::requantization(&name, &weights, &folded, &[factor])?;
    Ok(Mean { weight_scale, folded_bias: folded[0], factor })
}

fn dense(index: usize, layer: &FloatLayer, incoming: Incoming<'_>, options: Options) -> Result<QuantizedDense> {
    let &FloatLayer::Dense { input, classes, ref weight, ref bias } = layer else {
        bail!("layer {index} is not dense");
    };
    let name = layer_name(index, Kind::Dense);
    let q = weights::quantize(&name, weight, bias, 1, incoming, options)?;
    let folded_bias = checks::fold(&name, &q.weight, &q.bias, incoming.zero_point)?;
    Ok(QuantizedDense {
        input,
        classes,
        weight: q.weight,
        bias: q.bias,
        folded_bias,
        scale: q.scale.iter().map(|&s| incoming.scale * s).collect(),
        input_scale: incoming.scale,
        input_zero_point: incoming.zero_point,
    })
}
