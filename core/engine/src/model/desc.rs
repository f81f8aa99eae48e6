//! What a network is: shapes, values, operators, and where each value lies. Plain data, no checks.

pub use super::shape::{Pads, Shape, Window};

/// Number of a value: 0 is the input, operator `i` makes value `i + 1`.
pub type ValueId = u16;

/// Type of an element in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// One byte.
    I8,
    /// Four bytes, little-endian: only what a dense layer puts out, and no operator reads it.
    F32,
}

/// Type that the network's user wants to give or get; the engine stores it and converts on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum External {
    /// As in the arena.
    I8,
    /// `u8 = i8 + 128`.
    U8,
    /// `scale * (q - zero_point)`.
    F32,
}

/// A value: what operators read and make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Extents.
    pub shape: Shape,
    /// Type in the arena.
    pub element: Element,
    /// Type outside.
    pub external: External,
    /// What stands for 0.
    pub zero_point: i8,
    /// `real = scale * (q - zero_point)`; finite, above 0.
    pub scale: f32,
    /// Where its rows lie.
    pub storage: Storage,
}

/// An offset that says: the strips of this row lie in the row that its reader makes of them, which works value by value. Of the
/// input, of which no row is kept: rows lie with the caller, and who reads them only cuts columns.
pub const IN_PLACE: u32 = u32::MAX;

/// Where rows lie; offsets are bytes from the start of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The newest row waits at `at` until its only reader has used it, and is then copied to row `y % rows` of `kept`.
    Waiting {
        /// The newest row, or [`IN_PLACE`].
        at: u32,
        /// Rows kept; may be 0.
        rows: u16,
        /// The rows kept, one after another.
        kept: u32,
        /// Pixels of the newest row that exist at a time; 0: all. Only between a convolution and a window over it, or a 1x1 convolution.
        strip: u16,
    },
    /// No row is there: those under the window of its only reader, a convolution, are made anew in strips for each row of that.
    Recomputed {
        /// The strips of the rows under the window, one row after another.
        at: u32,
        /// Rows under the window.
        rows: u16,
        /// Pixels of a row that exist at a time; at least as many as the window reaches over.
        strip: u16,
    },
    /// Row `y` is written at row `y % rows` of `at`. With as many rows as the map has, it is stored.
    Ring {
        /// The rows, one after another.
        at: u32,
        /// Rows; at least 1.
        rows: u16,
        /// A stored value whose used rows this one's rows may overwrite.
        over: Option<ValueId>,
    },
    /// All rows, as columns of a wider map: row `y` lies at `at + y * pitch`.
    Columns {
        /// The first row.
        at: u32,
        /// Bytes from a row to the next.
        pitch: u32,
        /// As of a ring.
        over: Option<ValueId>,
    },
}

impl Storage {
    /// The stored value that this one's rows may overwrite.
    pub const fn over(&self) -> Option<ValueId> {
        match self {
            Self::Ring { over, .. } | Self::Columns { over, .. } => *over,
            Self::Waiting { .. } | Self::Recomputed { .. } => None,
        }
    }

    /// Where a map of so many rows of so many bytes starts, and bytes from a row to the next; `None` where it is not whole.
    pub const fn whole(&self, height: u16, row: usize) -> Option<(u32, u32)> {
        match self {
            Self::Ring { at, rows, .. } if *rows >= height => Some((*at, row as u32)),
            Self::Columns { at, pitch, .. } => Some((*at, *pitch)),
            _ => None,
        }
    }
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Convolution. Weights i8 `[out][ky][kx][in / groups]`, each filter followed by zeros up to a multiple of 4 bytes.
    Conv2d {
        /// At most 16 rows high.
        window: Window,
        /// Divides both channel counts.
        groups: u16,
    },
    /// Channel `c` makes `out / in` channels from `c * out / in` on. Weights i8 `[ky][kx][out]`.
    DepthwiseConv2d {
        /// At most 16 rows high.
        window: Window,
    },
    /// All of the map to one pixel. Weights i8 `[out][y][x][in]`, each filter padded as a convolution's.
    Dense {
        /// All cells share weights `[out][in]`: the sum over the map, then a dense layer.
        shared: bool,
    },
    /// `a + b`; `b` has the shape of `a`, or is 1 x 1 with its channels.
    Add,
    /// `a * b`, shapes as of `Add`.
    Mul,
    /// Mean of the cells of the map under the window; padding is not counted.
    AveragePool2d {
        /// No dilation.
        window: Window,
    },
    /// Greatest cell.
    MaxPool2d {
        /// No dilation.
        window: Window,
    },
    /// Mean over blocks of cells (TFLite's MEAN): `kernel` divides the map.
    Mean {
        /// Rows and pixels of a block.
        kernel: [u16; 2],
    },
    /// The channels of `a`, then those of `b`; equal scales and zero points.
    Concat,
    /// Cells of one value around the map.
    Pad {
        /// How many.
        pads: Pads,
        /// Their value.
        value: i8,
    },
    /// Cell `(y, x)` is `(y * in / out, x * in / out)`; the output's extents are multiples of the input's.
    ResizeNearest,
    /// `table[q + 128]`: activations, quantise, requantise.
    Table,
    /// TFLite's int8 softmax over the channels of each pixel.
    Softmax {
        /// Differences below it count as nothing.
        diff_min: i32,
    },
    /// The same bytes in other extents.
    Reshape,
    /// As many columns as the output has, from `left` on.
    Crop {
        /// The first.
        left: u16,
    },
    /// The columns of `a`, then those of `b`; equal scales and zero points, no activation range. Where the output lies over `a`,
    /// with rows as far apart, `a` stays where it is.
    ConcatColumns,
}

/// How accumulators become int8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescale<'a> {
    /// ONNX: f32 scales, little-endian. Of convolution, depthwise, dense: one, or one an output channel. Of mean and average
    /// pooling: one. Of add and mul: none (the values' scales). Of all others: none.
    Float {
        /// The scales.
        scales: &'a [u8],
    },
    /// TFLite: i32 multipliers, little-endian, and i8 shifts (left if above 0). As many as of `Float`, but: add three
    /// (a, b, output), mul one, softmax one, average pooling none.
    Fixed {
        /// The multipliers.
        multipliers: &'a [u8],
        /// The shifts.
        shifts: &'a [u8],
    },
}

/// When an operator reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// When all rows under its window are there.
    Rows,
    /// Each row as it comes, into sums or maxima: pools, mean, dense.
    Accumulate {
        /// Where they lie in the arena (`plan::state_bytes` long).
        at: u32,
    },
}

/// An operator, its constants and how it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator<'a> {
    /// What it does.
    pub op: Op,
    /// First input, an earlier value.
    pub a: ValueId,
    /// Second input, of add, mul and concat.
    pub b: Option<ValueId>,
    /// Least and greatest output; of an f32 output ignored.
    pub clamp: [i8; 2],
    /// i8 weights; of a table its 256 bytes.
    pub weights: &'a [u8],
    /// i32 biases, little-endian, one an output channel, `zx * sum(w)` subtracted already (of shared dense: times the cells).
    pub bias: &'a [u8],
    /// How accumulators become int8.
    pub rescale: Rescale<'a>,
    /// When it reads its input.
    pub form: Form,
}

/// A network, to be written.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// One more than operators; the first is the input.
    pub values: &'a [Value],
    /// In the order in which they run.
    pub operators: &'a [Operator<'a>],
    /// Values that the user gets; stored until the end.
    pub outputs: &'a [ValueId],
    /// One past the last operator of each segment, ascending; the last is the number of operators.
    pub segments: &'a [u16],
    /// UTF-8, one label a line, or empty.
    pub labels: &'a str,
    /// UTF-8, a JSON object (names of values, provenance), or empty.
    pub metadata: &'a str,
    /// Bytes of whoever reads the outputs; the engine does not look into them.
    pub head: &'a [u8],
}
