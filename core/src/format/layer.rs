//! One layer of a model file.

use super::bytes::{f32_at, u32_at};
use crate::shape::{Shape, Window2d};

/// An operator and its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// 2-D convolution with requantisation (ONNX `QLinearConv`), in [`Layer::groups`] groups;
    /// weights `[out][ky][kx][in / groups]`, each filter padded with zeros to a multiple of 4 bytes.
    Conv2d(Window2d),
    /// One filter a channel (ONNX `QLinearConv` with as many groups as channels); weights `[ky][kx][channel]`.
    DepthwiseConv2d(Window2d),
    /// Mean over a window, without padding, requantised (as `QLinearConv` with weights of 1); one bias, one scale.
    AveragePool2d(Window2d),
    /// Mean over the whole map, requantised; one bias, one scale.
    GlobalAveragePool2d,
    /// Maximum over the whole map (ONNX `GlobalMaxPool`); scale and zero point pass through.
    GlobalMaxPool2d,
    /// Maximum over a window, without padding (ONNX `MaxPool`); scale and zero point pass through.
    MaxPool2d(Window2d),
    /// Fully connected over the whole map, to f32 logits; weights `[class][y][x][channel]`, or `[class][channel]` where all cells
    /// share them (as [`Layer::groups`] says): a mean over the map before a dense layer. Always last, only last.
    Dense,
}

/// One layer of a parsed model.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Operator.
    pub op: Op,
    /// Input shape.
    pub input: Shape,
    /// Output shape; of [`Op::Dense`]: `(1, 1, classes)`.
    pub output: Shape,
    /// int8 value of real zero at the input; fills the padding.
    pub input_zero_point: i8,
    /// int8 value of real zero at the output; -128 makes the clamp a ReLU.
    pub output_zero_point: i8,
    /// Groups of channels that a convolution keeps apart; cells that share their weights in a dense layer, 1 or all; 1 for every other operator.
    pub groups: u16,
    /// int8 weights, in the layout that the kernels read.
    pub weights: &'a [u8],
    /// i32 biases, little-endian, one an output channel (one in all for a mean), `zx * sum(w)` already subtracted.
    pub bias: &'a [u8],
    /// f32 scales, little-endian, as many as biases: `sx * sw / sy` of a convolution, `sx * sw` of a dense layer.
    pub scales: &'a [u8],
}

/// The next multiple of 4, or a number that no file is long enough for.
pub(super) const fn words(n: usize) -> usize {
    n.saturating_add(3) & !3
}

/// Weights of one filter, without padding.
pub(super) const fn filter_len(op: Op, groups: u16, input: Shape) -> usize {
    match op {
        Op::Conv2d(w) if groups > 0 => w.area().saturating_mul(input.channels as usize / groups as usize),
        Op::DepthwiseConv2d(w) | Op::AveragePool2d(w) => w.area(),
        Op::GlobalAveragePool2d => (input.height as usize).saturating_mul(input.width as usize),
        Op::Dense => input.len(),
        _ => 0,
    }
}

/// Bytes of all weights of a layer, padding included.
pub(super) const fn weights_len(op: Op, groups: u16, input: Shape, output: Shape) -> usize {
    let filter = filter_len(op, groups, input);
    match op {
        Op::Conv2d(_) => words(filter).saturating_mul(output.channels as usize),
        Op::DepthwiseConv2d(_) => filter.saturating_mul(output.channels as usize),
        Op::Dense if groups > 0 => (filter / groups as usize).saturating_mul(output.channels as usize),
        _ => 0,
    }
}

/// Biases, and scales, of a layer.
pub(super) const fn scale_count(op: Op, output: Shape) -> usize {
    match op {
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::Dense => output.channels as usize,
        Op::AveragePool2d(_) | Op::GlobalAveragePool2d => 1,
        Op::MaxPool2d(_) | Op::GlobalMaxPool2d => 0,
    }
}

impl Layer<'_> {
    /// Weights of one filter, without padding: what one output is a sum over. 0 where nothing is summed.
    pub const fn filter_len(&self) -> usize {
        filter_len(self.op, self.groups, self.input)
    }

    /// Bias of output channel `c`, 0 beyond the last.
    #[inline(always)]
    pub const fn bias_at(&self, c: usize) -> i32 {
        u32_at(self.bias, 4 * c) as i32
    }

    /// Scale of output channel `c`, 0 beyond the last.
    #[inline(always)]
    pub const fn scale_at(&self, c: usize) -> f32 {
        f32_at(self.scales, 4 * c)
    }

    /// Multiply-accumulates for one inference; additions of a mean count, comparisons do not.
    pub const fn macs(&self) -> u64 {
        self.output.len() as u64 * self.filter_len() as u64
    }
}

/// Bytes of the gray weights of a first layer.
pub(super) const fn gray_len(op: Op, output: Shape) -> usize {
    match op {
        Op::Conv2d(w) => words(2 * w.area()).saturating_mul(output.channels as usize),
        _ => 0,
    }
}
