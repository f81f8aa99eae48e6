//! The trained network as plain vectors: what leaves Burn and enters quantisation.

/// A network with batch normalisation folded into its convolutions.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// Input height, width, channels.
    pub input: [usize; 3],
    /// Layers in execution order; the last is [`FloatLayer::Dense`].
    pub layers: Vec<FloatLayer>,
}

/// One layer. Shapes are `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub enum FloatLayer {
    /// 2-D convolution followed by ReLU; zero padding of `pad` cells on each side.
    Conv {
        /// Input shape.
        input: [usize; 3],
        /// Output shape.
        output: [usize; 3],
        /// Kernel height and width.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
        /// Padding on each side.
        pad: usize,
        /// Weights, OHWI.
        weight: Vec<f32>,
        /// One bias an output channel.
        bias: Vec<f32>,
    },
    /// Max-pooling without padding.
    MaxPool {
        /// Input shape.
        input: [usize; 3],
        /// Output shape.
        output: [usize; 3],
        /// Window height and width.
        size: usize,
        /// Stride in both directions.
        stride: usize,
    },
    /// Fully connected over the whole feature map; average pooling + dense is this with tied weights.
    Dense {
        /// Input shape.
        input: [usize; 3],
        /// Number of classes.
        classes: usize,
        /// Weights, `[class][y][x][channel]`.
        weight: Vec<f32>,
        /// One bias a class.
        bias: Vec<f32>,
    },
}
