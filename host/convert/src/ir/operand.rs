//! What operators of the representation have: windows, weights, activations.

/// Zeros around a map: top, left, bottom, right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self { top: 0, left: 0, bottom: 0, right: 0 };
}

/// A sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps down and to the right.
    pub stride: [usize; 2],
    /// Distance between taps; 1 where they touch.
    pub dilation: [usize; 2],
    /// Cells around the map.
    pub padding: Padding,
}

impl Window {
    /// Rows and columns that the window spans.
    pub fn span(&self) -> [usize; 2] {
        [0, 1].map(|i| (self.kernel[i] - 1) * self.dilation[i] + 1)
    }

    /// Extents of the output over a map of `height` x `width`; none where the window does not fit.
    pub fn output(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let [span_h, span_w] = self.span();
        let h = (height + self.padding.top + self.padding.bottom).checked_sub(span_h)?;
        let w = (width + self.padding.left + self.padding.right).checked_sub(span_w)?;
        Some([h / self.stride[0] + 1, w / self.stride[1] + 1])
    }
}

/// What follows an operator's sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// Clamp of real values; an infinite bound does not bind.
    Clip {
        /// Least value.
        low: f32,
        /// Greatest value.
        high: f32,
    },
}

impl Activation {
    /// max(x, 0).
    pub const RELU: Self = Self::Clip { low: 0.0, high: f32::INFINITY };
    /// Clamp to 0 to 6.
    pub const RELU6: Self = Self::Clip { low: 0.0, high: 6.0 };
    /// Clamp to -1 to 1.
    pub const RELU_N1_TO_1: Self = Self::Clip { low: -1.0, high: 1.0 };
}

/// Weights of a convolution, `[out][ky][kx][in / groups]`, or of a dense layer, `[out][in]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Symmetric int8.
    Int8 {
        /// Extents.
        shape: Vec<usize>,
        /// As many as the product of `shape`.
        data: Vec<i8>,
        /// One for all or one for each output.
        scales: Vec<f32>,
    },
    /// Not quantised yet.
    Float {
        /// Extents.
        shape: Vec<usize>,
        /// As many as the product of `shape`.
        data: Vec<f32>,
    },
}

impl Weights {
    /// Extents, outputs first.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Int8 { shape, .. } | Self::Float { shape, .. } => shape,
        }
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there is none: never, in a checked graph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.shape()[0]
    }
}

/// One number for each output, added to its sum.
#[derive(Clone, Debug, PartialEq)]
pub enum Bias {
    /// At the scale of input times weights.
    Int32(Vec<i32>),
    /// Real values.
    Float(Vec<f32>),
}

impl Bias {
    /// Number of outputs.
    pub fn len(&self) -> usize {
        match self {
            Self::Int32(b) => b.len(),
            Self::Float(b) => b.len(),
        }
    }

    /// Whether there is none: never, in a checked graph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Axes of a value, ascending, 0 the batch.
pub type Axes = Vec<usize>;

/// How a value and a number meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetical {
    /// x + number.
    Add,
    /// x - number.
    Subtract,
    /// number - x.
    SubtractFrom,
    /// x * number.
    Multiply,
    /// x / number.
    Divide,
}

impl Arithmetical {
    /// Of an ONNX operator; `first`: the number is its first operand. None where a number is divided.
    pub fn of(kind: &str, first: bool) -> Option<Self> {
        match (kind, first) {
            ("Add", _) => Some(Self::Add),
            ("Sub", false) => Some(Self::Subtract),
            ("Sub", true) => Some(Self::SubtractFrom),
            ("Mul", _) => Some(Self::Multiply),
            ("Div", false) => Some(Self::Divide),
            _ => None,
        }
    }

    /// The result, in f32.
    pub fn apply(self, x: f32, number: f32) -> f32 {
        match self {
            Self::Add => x + number,
            Self::Subtract => x - number,
            Self::SubtractFrom => number - x,
            Self::Multiply => x * number,
            Self::Divide => x / number,
        }
    }
}
