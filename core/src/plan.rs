//! How much of the arena each layer takes, and where.
//!
//! A row waits in one of two scratch buffers until the layer that reads it has used it; only then is it copied to where
//! that layer keeps rows. So a convolution keeps one row less than its kernel is high, and max-pooling keeps not rows of
//! its input but running maxima of its open output rows, which are shorter. Everything is known at compile time.

use crate::format::{Model, Op, refusal};
use crate::shape::Shape;

/// What a layer keeps between rows.
///
/// ```
/// let ring = cxr_core::plan::Ring { rows: 2, row_len: 774 };
/// assert_eq!(ring.bytes(), 1548);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Rows kept: input rows, or open output rows of max-pooling.
    pub rows: usize,
    /// Bytes of a row, left and right padding included.
    pub row_len: usize,
}

impl Ring {
    /// Bytes that the ring takes.
    ///
    /// ```
    /// assert_eq!(cxr_core::plan::Ring { rows: 2, row_len: 10 }.bytes(), 20);
    /// ```
    pub const fn bytes(&self) -> usize {
        self.rows * self.row_len
    }
}

/// The ring of a layer.
///
/// ```
/// use cxr_core::{format::Op, plan, shape::{Padding, Shape, Window2d}};
/// let window = Window2d { kernel: [3, 3], stride: [2, 2], pad: Padding { top: 1, left: 1, bottom: 1, right: 1 } };
/// let ring = plan::ring(Op::Conv2d(window), Shape::new(256, 256, 3), Shape::new(128, 128, 8));
/// assert_eq!((ring.rows, ring.row_len), (2, 258 * 3)); // the third row under the kernel waits elsewhere
/// ```
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
///
/// ```
/// assert_eq!(cxr_core::plan::Arena::new().with_features(8).bytes(), 8 * cxr_core::plan::SUM);
/// ```
pub const SUM: usize = 4;

/// A row that waits for a layer.
///
/// ```
/// use cxr_core::{format::Op, plan, shape::{Padding, Shape, Window2d}};
/// let window = Window2d { kernel: [3, 3], stride: [2, 2], pad: Padding { top: 1, left: 1, bottom: 1, right: 1 } };
/// assert_eq!(plan::waiting(Op::Conv2d(window), Shape::new(8, 8, 4)), plan::Waiting { len: 40, left: 4 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Bytes, left and right padding included.
    pub len: usize,
    /// Bytes of left padding.
    pub left: usize,
}

/// How a row waits for a layer.
///
/// ```
/// use cxr_core::{format::Op, plan, shape::Shape};
/// assert_eq!(plan::waiting(Op::Dense, Shape::new(8, 8, 4)).len, 32);
/// ```
pub const fn waiting(op: Op, input: Shape) -> Waiting {
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
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// let arena = cxr_core::plan::Arena::of(&model);
/// assert_eq!(arena.rings + arena.features + arena.scratch[0] + arena.scratch[1], model.arena_bytes());
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
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
    ///
    /// ```
    /// assert_eq!(cxr_core::plan::Arena::new().bytes(), 0);
    /// ```
    pub const fn new() -> Self {
        Self { layers: 0, rings: 0, features: 0, scratch: [0; 2] }
    }

    /// Adds the next layer.
    ///
    /// ```
    /// use cxr_core::{format::Op, plan::Arena, shape::Shape};
    /// let arena = Arena::new().with_layer(Op::Dense, Shape::new(1, 8, 4), Shape::new(1, 1, 3));
    /// assert_eq!(arena.bytes(), 32); // a row on its way
    /// ```
    pub const fn with_layer(mut self, op: Op, input: Shape, output: Shape) -> Self {
        self.rings += ring(op, input, output).bytes();
        let len = waiting(op, input).len;
        if len > self.scratch[self.layers & 1] {
            self.scratch[self.layers & 1] = len;
        }
        self.layers += 1;
        self
    }

    /// Adds the sums over `channels` that the refusal head reads.
    ///
    /// ```
    /// assert_eq!(cxr_core::plan::Arena::new().with_features(128).bytes(), 512);
    /// ```
    pub const fn with_features(mut self, channels: usize) -> Self {
        self.features = SUM * channels;
        self
    }

    /// The arena of a model.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(cxr_core::plan::Arena::of(&model).bytes(), model.arena_bytes());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
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
    ///
    /// ```
    /// assert_eq!(cxr_core::plan::Arena::new().bytes(), 0);
    /// ```
    pub const fn bytes(&self) -> usize {
        self.rings + self.features + self.scratch[0] + self.scratch[1]
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of arena that a model takes.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// assert_eq!(cxr_core::plan::arena_bytes(&model), model.arena_bytes());
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub const fn arena_bytes(model: &Model<'_>) -> usize {
    Arena::of(model).bytes()
}
