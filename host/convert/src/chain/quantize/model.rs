//! An int8 network as plain vectors: what leaves quantisation and enters the writers.

use crate::chain::float_model::{Kind, Pool};
use std::borrow::Cow;

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
