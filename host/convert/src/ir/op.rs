//! Operators of the representation.

use super::operand::{Activation, Arithmetical, Axes, Bias, Weights, Window};

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Convolution in groups; depthwise where there are as many groups as input channels.
    Conv2d {
        /// Kernel, stride, dilation, padding.
        window: Window,
        /// Divides both channel counts.
        groups: usize,
        /// `[out][ky][kx][in / groups]`.
        weights: Weights,
        /// One for each output.
        bias: Bias,
        /// Clamp of the output.
        activation: Activation,
    },
    /// Every output from every input, `[out][in]`; the input is read as a vector.
    Dense {
        /// `[out][in]`.
        weights: Weights,
        /// One for each output.
        bias: Bias,
        /// Clamp of the output.
        activation: Activation,
    },
    /// Sum of two values; the second may be one vector of channels for all cells.
    Add {
        /// Clamp of the output.
        activation: Activation,
    },
    /// Product of two values; the second may be one vector of channels for all cells.
    Mul {
        /// Clamp of the output.
        activation: Activation,
    },
    /// Mean of the cells of the map that lie under the window.
    AveragePool {
        /// Kernel, stride, padding.
        window: Window,
        /// Clamp of the output.
        activation: Activation,
    },
    /// Greatest of the cells of the map that lie under the window.
    MaxPool {
        /// Kernel, stride, padding.
        window: Window,
        /// Clamp of the output.
        activation: Activation,
    },
    /// Mean over axes.
    Mean {
        /// Which.
        axes: Axes,
    },
    /// Maximum over axes.
    Max {
        /// Which.
        axes: Axes,
    },
    /// Values one behind the other along an axis.
    Concat {
        /// Which.
        axis: usize,
    },
    /// The zero point around a value, before and behind each axis.
    Pad {
        /// One pair for each axis.
        pads: Vec<[usize; 2]>,
    },
    /// Each cell as often as the factors say, down and to the right.
    ResizeNearest {
        /// How often.
        factors: [usize; 2],
    },
    /// Clamp of real values.
    Clip {
        /// To what.
        activation: Activation,
    },
    /// x * clip(x + 3, 0, 6) / 6.
    HardSwish,
    /// 1 / (1 + exp(-x)).
    Logistic,
    /// x / (1 + exp(-x)).
    Swish,
    /// clip(alpha x + beta, 0, 1).
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// x and a number.
    Scalar {
        /// How they meet.
        kind: Arithmetical,
        /// The number.
        number: f32,
    },
    /// x where it is positive, else alpha times x.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// exp(beta x) over its sum, along the last axis.
    Softmax {
        /// Sharpness.
        beta: f32,
    },
    /// The same elements in another shape.
    Reshape,
    /// Axes in another order: axis i of the output is axis `permutation[i]` of the input.
    Transpose {
        /// Which.
        permutation: Vec<usize>,
    },
    /// From float to bytes, or from bytes to bytes of another scale.
    Quantize,
    /// From bytes to float.
    Dequantize,
}

impl Op {
    /// Whether it works on each element alone, so that on bytes it is a table.
    pub fn is_table(&self) -> bool {
        matches!(
            self,
            Self::Clip { .. }
                | Self::HardSwish
                | Self::Swish
                | Self::HardSigmoid { .. }
                | Self::Logistic
                | Self::Tanh
                | Self::Scalar { .. }
                | Self::LeakyRelu { .. }
                | Self::Quantize
        )
    }

    /// The operator's name here.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv2d { groups, weights, .. } if *groups > 1 && weights.shape()[3] == 1 => "depthwise_conv_2d",
            Self::Conv2d { .. } => "conv_2d",
            Self::Dense { .. } => "dense",
            Self::Add { .. } => "add",
            Self::Mul { .. } => "mul",
            Self::AveragePool { .. } => "average_pool_2d",
            Self::MaxPool { .. } => "max_pool_2d",
            Self::Mean { .. } => "mean",
            Self::Max { .. } => "max",
            Self::Concat { .. } => "concat",
            Self::Pad { .. } => "pad",
            Self::ResizeNearest { .. } => "resize_nearest",
            Self::Clip { .. } => "clip",
            Self::HardSwish => "hard_swish",
            Self::Logistic => "logistic",
            Self::Swish => "swish",
            Self::HardSigmoid { .. } => "hard_sigmoid",
            Self::Tanh => "tanh",
            Self::Scalar { .. } => "scalar",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Softmax { .. } => "softmax",
            Self::Reshape => "reshape",
            Self::Transpose { .. } => "transpose",
            Self::Quantize => "quantize",
            Self::Dequantize => "dequantize",
        }
    }
}
