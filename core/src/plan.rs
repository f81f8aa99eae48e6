//! Row buffers: how much of the arena each layer's input takes, and where.
//!
//! A layer keeps the rows that its kernel covers, in a ring. The rings lie one after another in
//! execution order, so that a layer reads on the left of a split and writes on the right.

use crate::format::{Model, Op};
use crate::shape::Shape;

/// Ring of input rows of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Rows kept.
    pub rows: usize,
    /// Elements in a row, left and right padding included.
    pub row_len: usize,
    /// Where the pixels start in a row: elements of left padding.
    pub left: usize,
}

impl Ring {
    /// Bytes that the ring takes.
    pub const fn bytes(&self) -> usize {
        self.rows * self.row_len
    }
}

/// The ring of a layer's input.
pub const fn ring(op: Op, input: Shape) -> Ring {
    match op {
        Op::Conv2d(w) => {
            let left = w.pad.left as usize * input.channels as usize;
            let right = w.pad.right as usize * input.channels as usize;
            Ring { rows: w.kernel[0] as usize, row_len: left + input.row_len() + right, left }
        }
        Op::MaxPool2d(w) => Ring { rows: w.kernel[0] as usize, row_len: input.row_len(), left: 0 },
        Op::Dense => Ring { rows: 1, row_len: input.row_len(), left: 0 },
    }
}

/// Bytes of arena that a layer takes.
pub const fn layer_bytes(op: Op, input: Shape) -> usize {
    ring(op, input).bytes()
}

/// Bytes of arena that a model takes: the sum over its layers.
pub const fn arena_bytes(model: &Model<'_>) -> usize {
    let (mut total, mut i) = (0, 0);
    while let Some(layer) = model.layer(i) {
        total += layer_bytes(layer.op, layer.input);
        i += 1;
    }
    total
}
