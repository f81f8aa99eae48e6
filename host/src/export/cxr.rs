//! [`QuantizedModel`] to the bytes of a .cxr file, through `core`'s own writer.

use crate::classes::CLASSES;
use crate::quantize::{QuantizedLayer, QuantizedModel};
use anyhow::{Context, Result, ensure};
use cxr_core::format::{LayerSpec, ModelSpec, Op, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};

/// What a file says beside its layers.
#[derive(Clone, Debug)]
pub struct Header {
    /// Provenance as JSON.
    pub metadata: String,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Top probability under which the verdict is withheld.
    pub abstain_below: f32,
}

impl Default for Header {
    fn default() -> Self {
        Self { metadata: "{}".to_owned(), temperature: 1.0, abstain_below: 0.0 }
    }
}

/// Encodes a model file.
///
/// # Errors
/// A layer that the format cannot hold, named.
pub fn write(model: &QuantizedModel, header: &Header) -> Result<Vec<u8>> {
    let mut layers = Vec::with_capacity(model.layers.len());
    for (index, layer) in model.layers.iter().enumerate() {
        let name = crate::onnx::layer_name(index, layer.kind());
        layers.push(layer_spec(layer).with_context(|| format!("{name}: the device cannot hold this layer"))?);
    }
    let spec = ModelSpec {
        input: shape(model.input)?,
        layers: &layers,
        class_names: &CLASSES,
        metadata: &header.metadata,
        temperature: header.temperature,
        abstain_below: header.abstain_below,
        refusal: None,
    };
    let mut bytes = vec![0; encoded_len(&spec)];
    let length = encode(&spec, &mut bytes).context("core refuses this network; change its recipe")?;
    ensure!(length == bytes.len(), "core wrote {length} bytes, {} announced", bytes.len());
    Ok(bytes)
}

fn layer_spec(layer: &QuantizedLayer) -> Result<LayerSpec<'_>> {
    Ok(match layer {
        QuantizedLayer::Conv(conv) => LayerSpec {
            op: Op::Conv2d(window(conv.kernel, conv.stride, conv.pad)?),
            groups: 1,
            output: shape(conv.output)?,
            input_zero_point: conv.input_zero_point,
            output_zero_point: conv.output_zero_point,
            weights: &conv.weight,
            bias: &conv.folded_bias,
            scales: &conv.scale,
        },
        QuantizedLayer::MaxPool(pool) => LayerSpec {
            op: Op::MaxPool2d(window(pool.size, pool.stride, 0)?),
            groups: 1,
            output: shape(pool.output)?,
            input_zero_point: pool.zero_point,
            output_zero_point: pool.zero_point,
            weights: &[],
            bias: &[],
            scales: &[],
        },
        QuantizedLayer::Dense(dense) => LayerSpec {
            op: Op::Dense,
            groups: 1,
            output: shape([1, 1, dense.classes])?,
            input_zero_point: dense.input_zero_point,
            output_zero_point: 0,
            weights: &dense.weight,
            bias: &dense.folded_bias,
            scales: &dense.scale,
        },
    })
}

fn window(kernel: usize, stride: usize, pad: usize) -> Result<Window2d> {
    let byte = |value: usize, what: &str| u8::try_from(value).ok().with_context(|| format!("{what} {value} is over 255"));
    let (kernel, stride, pad) = (byte(kernel, "kernel")?, byte(stride, "stride")?, byte(pad, "padding")?);
    Ok(Window2d { kernel: [kernel; 2], stride: [stride; 2], pad: Padding { top: pad, left: pad, bottom: pad, right: pad } })
}

fn shape([height, width, channels]: [usize; 3]) -> Result<Shape> {
    let extent = |value: usize| u16::try_from(value).ok().with_context(|| format!("extent {value} is over 65535"));
    Ok(Shape::new(extent(height)?, extent(width)?, extent(channels)?))
}
