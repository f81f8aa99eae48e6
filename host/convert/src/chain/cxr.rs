//! [`QuantizedModel`] to the bytes of a .cxr file, through `core`'s own writer.

use crate::chain::float_model::PoolKind;
use crate::chain::quantize::{QuantizedLayer, QuantizedModel};
use anyhow::{Context, Result, ensure};
use cxr_core::format::{Doubt, LayerSpec, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};
use std::borrow::Cow;

/// What a file says beside its layers.
#[derive(Clone, Debug)]
pub struct Header {
    /// Provenance as JSON.
    pub metadata: String,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Top probability under which the verdict is withheld.
    pub abstain_below: f32,
    /// The class that is named only of pictures like those that the model knows.
    pub doubt: Option<Doubt>,
    /// The out-of-distribution score.
    pub refusal: Option<RefusalHead>,
}

impl Default for Header {
    fn default() -> Self {
        Self { metadata: "{}".to_owned(), temperature: 1.0, abstain_below: 0.0, doubt: None, refusal: None }
    }
}

/// Resolution of the i16 weights of a refusal head.
const STEPS: f64 = 32_767.0;

/// A refusal head, as [`cxr_core::format::Refusal`] evaluates it: linear functions of channel sums, the first as it is and the
/// others squared, each times a coefficient, add up to the score.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalHead {
    coefficients: Vec<f32>,
    scales: Vec<f32>,
    bias: Vec<i64>,
    weights: Vec<i16>,
    /// Layers between the map that it reads and the dense layer.
    pub back: usize,
    /// Score above which a picture is refused.
    pub refuse_above: f32,
}

impl RefusalHead {
    /// A head without functions on the map `back` layers before the dense one; it refuses nothing.
    pub fn new(back: usize) -> Self {
        Self { coefficients: vec![], scales: vec![], bias: vec![], weights: vec![], back, refuse_above: f32::MAX }
    }

    /// Adds the function `direction * (sums - mean) + offset`.
    pub fn push(&mut self, coefficient: f32, direction: &[f64], mean: &[f64], offset: f64) {
        let largest = direction.iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
        let scale = (largest / STEPS).max(1e-30);
        let weights: Vec<i16> = direction.iter().map(|w| (w / scale).round() as i16).collect();
        let centre: f64 = weights.iter().zip(mean).map(|(w, m)| f64::from(*w) * m).sum();
        self.bias.push((offset / scale - centre).round() as i64);
        self.coefficients.push(coefficient);
        self.scales.push(scale as f32);
        self.weights.extend(weights);
    }

    fn spec(&self) -> RefusalSpec<'_> {
        RefusalSpec {
            coefficients: &self.coefficients,
            scales: &self.scales,
            bias: &self.bias,
            weights: &self.weights,
            back: self.back as u16,
            refuse_above: self.refuse_above,
        }
    }
}

/// Encodes a model file whose classes are called `class_names`.
///
/// # Errors
/// A layer that the format cannot hold, named.
pub fn write(model: &QuantizedModel, class_names: &[&str], header: &Header) -> Result<Vec<u8>> {
    let mut blobs = Vec::with_capacity(model.layers.len());
    for (index, layer) in model.layers.iter().enumerate() {
        let name = crate::chain::float_model::layer_name(index, layer.kind());
        blobs.push(Blob::of(layer).with_context(|| format!("{name}: the device cannot hold this layer"))?);
    }
    let layers: Vec<LayerSpec<'_>> = blobs.iter().map(Blob::spec).collect();
    let spec = ModelSpec {
        input: shape(model.input)?,
        layers: &layers,
        class_names,
        metadata: &header.metadata,
        temperature: header.temperature,
        abstain_below: header.abstain_below,
        doubt: header.doubt,
        refusal: header.refusal.as_ref().map(RefusalHead::spec),
    };
    let mut bytes = vec![0; encoded_len(&spec)];
    let length = encode(&spec, &mut bytes).context("core refuses this network; change its recipe")?;
    ensure!(length == bytes.len(), "core wrote {length} bytes, {} announced", bytes.len());
    Ok(bytes)
}

/// A layer in the device's layout.
struct Blob<'a> {
    op: Op,
    groups: u16,
    output: Shape,
    zero_points: [i8; 2],
    weights: Cow<'a, [i8]>,
    bias: Cow<'a, [i32]>,
    scales: Cow<'a, [f32]>,
}

impl<'a> Blob<'a> {
    fn of(layer: &'a QuantizedLayer) -> Result<Self> {
        Ok(match layer {
            QuantizedLayer::Conv(conv) => {
                let window = window([conv.kernel; 2], conv.stride, conv.pad)?;
                let channels = conv.input[2];
                let depthwise = conv.groups > 1 && conv.groups == channels && channels == conv.output[2];
                let (op, groups, weights) = if depthwise {
                    // [channel][ky][kx] to [ky][kx][channel].
                    let area = conv.kernel * conv.kernel;
                    let taps = (0..area).flat_map(|tap| (0..channels).map(move |c| conv.weight[c * area + tap]));
                    (Op::DepthwiseConv2d(window), 1, Cow::Owned(taps.collect()))
                } else {
                    (Op::Conv2d(window), u16::try_from(conv.groups)?, Cow::Borrowed(conv.weight.as_slice()))
                };
                Self {
                    op,
                    groups,
                    output: shape(conv.output)?,
                    zero_points: [conv.input_zero_point, conv.output_zero_point],
                    weights,
                    bias: Cow::Borrowed(&conv.folded_bias),
                    scales: Cow::Borrowed(&conv.scale),
                }
            }
            QuantizedLayer::Pool(pool) => {
                let op = match (pool.pool.kind, pool.pool.is_global()) {
                    (PoolKind::Max, true) => Op::GlobalMaxPool2d,
                    (PoolKind::Average, true) => Op::GlobalAveragePool2d,
                    (PoolKind::Max, false) => Op::MaxPool2d(window(pool.pool.window, pool.pool.stride, 0)?),
                    (PoolKind::Average, false) => Op::AveragePool2d(window(pool.pool.window, pool.pool.stride, 0)?),
                };
                Self {
                    op,
                    groups: 1,
                    output: shape(pool.pool.output)?,
                    zero_points: [pool.zero_point; 2],
                    weights: Cow::Borrowed(&[]),
                    bias: pool.mean.iter().map(|mean| mean.folded_bias).collect(),
                    scales: pool.mean.iter().map(|mean| mean.factor).collect(),
                }
            }
            QuantizedLayer::Dense(dense) => {
                let (cells, weights) = dense.stored();
                Self {
                    op: Op::Dense,
                    groups: u16::try_from(cells).context("a map of more than 65535 cells")?,
                    output: shape([1, 1, dense.classes])?,
                    zero_points: [dense.input_zero_point, 0],
                    weights,
                    bias: Cow::Borrowed(&dense.folded_bias),
                    scales: Cow::Borrowed(&dense.scale),
                }
            }
        })
    }

    fn spec(&self) -> LayerSpec<'_> {
        LayerSpec {
            op: self.op,
            groups: self.groups,
            output: self.output,
            input_zero_point: self.zero_points[0],
            output_zero_point: self.zero_points[1],
            weights: &self.weights,
            bias: &self.bias,
            scales: &self.scales,
        }
    }
}

fn window(kernel: [usize; 2], stride: usize, pad: usize) -> Result<Window2d> {
    let byte = |value: usize, what: &str| u8::try_from(value).ok().with_context(|| format!("{what} {value} is over 255"));
    let (stride, pad) = (byte(stride, "stride")?, byte(pad, "padding")?);
    let kernel = [byte(kernel[0], "kernel")?, byte(kernel[1], "kernel")?];
    Ok(Window2d { kernel, stride: [stride; 2], pad: Padding { top: pad, left: pad, bottom: pad, right: pad } })
}

fn shape([height, width, channels]: [usize; 3]) -> Result<Shape> {
    let extent = |value: usize| u16::try_from(value).ok().with_context(|| format!("extent {value} is over 65535"));
    Ok(Shape::new(extent(height)?, extent(width)?, extent(channels)?))
}
