//! What follows from shapes.

use super::desc::{Op, Operator, Rescale, Shape};

/// Bytes of a filter of so many taps in the file.
pub(crate) const fn filter_stride(taps: usize) -> usize {
    match taps.checked_next_multiple_of(4) {
        Some(stride) => stride,
        None => usize::MAX,
    }
}

impl Op {
    /// Weights of one output: of a filter, or of one channel of a depthwise convolution.
    pub const fn taps(&self, input: Shape) -> usize {
        match self {
            Self::Conv2d { window, groups } => {
                let groups = if *groups == 0 { 1 } else { *groups as usize };
                (window.kernel[0] as usize)
                    .saturating_mul(window.kernel[1] as usize)
                    .saturating_mul(input.channels as usize / groups)
            }
            Self::DepthwiseConv2d { window } => (window.kernel[0] as usize).saturating_mul(window.kernel[1] as usize),
            Self::Dense { shared: true } => input.channels as usize,
            Self::Dense { shared: false } => (input.height as usize).saturating_mul(input.row_len()),
            _ => 0,
        }
    }

    /// Bytes of weights, filters padded; of a table 256.
    pub const fn weights_len(&self, input: Shape, output: Shape) -> usize {
        match self {
            Self::Conv2d { .. } | Self::Dense { .. } => filter_stride(self.taps(input)).saturating_mul(output.channels as usize),
            Self::DepthwiseConv2d { .. } => self.taps(input).saturating_mul(output.channels as usize),
            Self::Table => 256,
            _ => 0,
        }
    }

    /// Biases.
    pub const fn bias_count(&self, output: Shape) -> usize {
        match self {
            Self::Conv2d { .. } | Self::DepthwiseConv2d { .. } | Self::Dense { .. } => output.channels as usize,
            _ => 0,
        }
    }

    /// True where `Rescale` has scales, or multipliers and shifts, a channel or one in all; else how many it has.
    pub const fn scale_count(&self, fixed: bool) -> ScaleCount {
        match self {
            Self::Conv2d { .. } | Self::DepthwiseConv2d { .. } | Self::Dense { .. } => ScaleCount::OneOrChannels,
            Self::Mean { .. } => ScaleCount::Exactly(1),
            Self::AveragePool2d { .. } => ScaleCount::Exactly(if fixed { 0 } else { 1 }),
            Self::Add => ScaleCount::Exactly(if fixed { 3 } else { 0 }),
            Self::Mul | Self::Softmax { .. } => ScaleCount::Exactly(if fixed { 1 } else { 0 }),
            _ => ScaleCount::Exactly(0),
        }
    }

    /// True for operators of two inputs.
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::Concat | Self::ConcatColumns)
    }

    /// Rows of a window, its vertical stride and the rows above the map, of operators that have one.
    pub const fn vertical(&self, input: Shape) -> Option<(u32, u32, u32)> {
        match self {
            Self::Conv2d { window, .. }
            | Self::DepthwiseConv2d { window }
            | Self::AveragePool2d { window }
            | Self::MaxPool2d { window } => Some((window.reach(0), window.stride[0] as u32, window.pads.top as u32)),
            Self::Mean { kernel } => Some((kernel[0] as u32, kernel[0] as u32, 0)),
            Self::Dense { .. } => Some((input.height as u32, 1, 0)),
            _ => None,
        }
    }

    /// Multiply-accumulates, padding included.
    pub const fn macs(&self, input: Shape, output: Shape) -> u64 {
        let taps = match self {
            Self::Dense { .. } => input.len(),
            _ => self.taps(input) as u64,
        };
        output.len().saturating_mul(taps)
    }
}

/// How many scales an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleCount {
    /// One, or one an output channel.
    OneOrChannels,
    /// So many.
    Exactly(usize),
}

impl Operator<'_> {
    /// Bytes of weights, biases and scales.
    pub const fn constant_bytes(&self) -> u64 {
        let scales = match self.rescale {
            Rescale::Float { scales } => scales.len(),
            Rescale::Fixed { multipliers, shifts } => multipliers.len() + shifts.len(),
        };
        (self.weights.len() + self.bias.len() + scales) as u64
    }
}
