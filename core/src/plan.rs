//! How much of the arena each layer takes, and where.
//!
//! A row waits in one of two scratch buffers until the layer that reads it has used it; only then is it copied to where
//! that layer keeps rows. So a convolution keeps one row less than its kernel is high, and max-pooling keeps not rows of
//! its input but running maxima of its open output rows, which are shorter. Everything is known at compile time.

use crate::format::{Model, Op, refusal};
use crate::shape::Shape;

/// What a layer keeps between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Rows kept: input rows, or open output rows of max-pooling.
    pub rows: usize,
    /// Bytes of a row, left and right padding included.
    pub row_len: usize,
}

impl Ring {
    /// Bytes that the ring takes.
    pub const fn bytes(&self) -> usize {
        self.rows * self.row_len
    }
}

/// The ring of a layer.
pub const fn ring(op: Op, input: Shape, output: Shape) -> Ring {
    match op {
        Op::Conv2d(w) | Op::DepthwiseConv2d(w) | Op::AveragePool2d(w) => {
            Ring { rows: (w.kernel[0] as usize).saturating_sub(1), row_len: waiting(op, input).len }
        }
        Op::MaxPool2d(w) => {
            let stride = if w.stride[0] == 0 { 1 } else { w.stride[0] as usize };
            Ring { rows: (w.kernel[0] as usize).saturating_sub(1).div_ceil(stride), row_len: output.row_len() }
        }
        Op::GlobalAveragePool2d => Ring { rows: 1, row_len: SUM * input.channels as usize },
        Op::GlobalMaxPool2d => Ring { rows: 1, row_len: input.channels as usize },
        Op::Dense => Ring { rows: 0, row_len: 0 },
    }
}

/// Bytes of a running sum.
pub(crate) const SUM: usize = 4;

/// A row that waits for a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Bytes, left and right padding included.
    pub len: usize,
    /// Bytes of left padding.
    pub left: usize,
}

/// How a row waits for a layer.
pub(crate) const fn waiting(op: Op, input: Shape) -> Waiting {
    match op {
        Op::Conv2d(w) | Op::DepthwiseConv2d(w) => {
            let left = w.pad.left as usize * input.channels as usize;
            let right = w.pad.right as usize * input.channels as usize;
            Waiting { len: left + input.row_len() + right, left }
        }
        _ => Waiting { len: input.row_len(), left: 0 },
    }
}

/// Sizes of the arena's parts: the rings in execution order, the channel sums of the refusal head, and the two
/// scratch rows, which even and odd layers read by turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arena {
    layers: usize,
    /// Bytes of all rings.
    pub rings: usize,
    /// Bytes of the channel sums.
    pub features: usize,
    /// Bytes of the scratch rows of even and odd layers.
    pub scratch: [usize; 2],
}

impl Arena {
    /// No layers yet.
    pub(crate) const fn new() -> Self {
        Self { layers: 0, rings: 0, features: 0, scratch: [0; 2] }
    }

    /// Adds the next layer.
    pub(crate) const fn with_layer(mut self, op: Op, input: Shape, output: Shape) -> Self {
        self.rings += ring(op, input, output).bytes();
        let len = waiting(op, input).len;
        if len > self.scratch[self.layers & 1] {
            self.scratch[self.layers & 1] = len;
        }
        self.layers += 1;
        self
    }

    /// Adds the sums over `channels` that the refusal head reads.
    pub(crate) const fn with_features(mut self, channels: usize) -> Self {
        self.features = SUM * channels;
        self
    }

    /// The arena of a model.
    pub const fn of(model: &Model<'_>) -> Self {
        let (mut arena, mut i) = (Self::new(), 0);
        while let Some(layer) = model.layer(i) {
            arena = arena.with_layer(layer.op, layer.input, layer.output);
            i += 1;
        }
        if let (Some(_), Some(map)) = (model.refusal(), refusal::features(model)) {
            arena = arena.with_features(map.channels as usize);
        }
        arena
    }

    /// Bytes in all.
    pub const fn bytes(&self) -> usize {
        self.rings + self.features + self.scratch[0] + self.scratch[1]
    }
}

/// Bytes of arena that a model takes.
pub const fn arena_bytes(model: &Model<'_>) -> usize {
    Arena::of(model).bytes()
}
