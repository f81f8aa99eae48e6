//! Post-training quantisation: float network + calibration statistics to int8.
//!
//! Activations are s8 with one scale a layer, weights s8 symmetric with one scale an output channel, biases i32.
//! Requantisation is f32 with round half to even (docs/quantization.md). Every bound that the arithmetic
//! relies on is checked here, over the worst case of the layer's weights; a network outside is refused.

pub mod calibrate;
mod checks;
pub mod covariance;
pub mod equalize;
mod model;
mod options;
mod weights;

use crate::chain::float_model::{FloatLayer, FloatModel, Kind, Pool, PoolKind, layer_name};
use anyhow::{Result, bail, ensure};
use calibrate::Statistics;
pub use model::{Mean, QuantizedConv, QuantizedDense, QuantizedLayer, QuantizedModel, QuantizedPool};
pub use options::{Options, Range, WeightScale};
use weights::Incoming;

/// Zero point of every ReLU output, so that the clamp to i8 is the ReLU.
const RELU_ZERO_POINT: i8 = -128;

/// Quantises `model`.
///
/// # Errors
/// A layer whose accumulators, requantised values or scales leave the range of the arithmetic contract; the error
/// names the layer and the bound.
pub fn quantize(model: &FloatModel, statistics: &Statistics, options: Options) -> Result<QuantizedModel> {
    let mut layers = Vec::with_capacity(model.layers.len());
    let (mut scale, mut zero_point) = (model.normalization.scale, model.normalization.zero_point);
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

fn conv(index: usize, layer: &FloatLayer, incoming: Incoming<'_>, output_scale: f32, options: Options) -> Result<QuantizedConv> {
    let &FloatLayer::Conv { input, output, kernel, stride, pad, groups, ref weight, ref bias } = layer else {
        bail!("layer {index} is not a convolution");
    };
    let name = layer_name(index, Kind::Conv);
    let q = weights::quantize(&name, weight, bias, groups, incoming, options)?;
    let scale: Vec<f32> = q.scale.iter().map(|&s| requantization_factor(incoming.scale, s, output_scale)).collect();
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

/// What an accumulator step is in output steps, in f32 as the runtimes compute it.
pub fn requantization_factor(input_scale: f32, weight_scale: f32, output_scale: f32) -> f32 {
    input_scale * weight_scale / output_scale
}

fn mean(index: usize, pool: &Pool, scale: f32, zero_point: i8) -> Result<Mean> {
    let name = layer_name(index, Kind::AveragePool);
    let cells = pool.window[0] * pool.window[1];
    let weight_scale = 1.0 / cells as f32;
    let weights = vec![1; cells];
    let folded = checks::fold(&name, &weights, &[0], zero_point)?;
    let factor = requantization_factor(scale, weight_scale, scale);
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
