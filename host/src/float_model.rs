//! The trained network as plain vectors: what leaves Burn and enters quantisation.

/// A network with batch normalisation folded into its convolutions.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// Input height, width, channels.
    pub input: [usize; 3],
    /// Layers in execution order; the last is [`FloatLayer::Dense`].
    pub layers: Vec<FloatLayer>,
}

/// What pooling makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Its maximum.
    Max,
    /// Its mean.
    Average,
}

/// Pooling without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Maximum or mean.
    pub kind: PoolKind,
    /// Input shape.
    pub input: [usize; 3],
    /// Output shape.
    pub output: [usize; 3],
    /// Window height and width.
    pub window: [usize; 2],
    /// Stride in both directions.
    pub stride: usize,
}

impl Pool {
    /// True if the window is the whole map.
    pub fn is_global(&self) -> bool {
        self.window == self.input[..2]
    }
}

/// One layer. Shapes are `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub enum FloatLayer {
    /// 2-D convolution in groups followed by ReLU; zero padding of `pad` cells on each side.
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
        /// Groups of channels that do not mix; as many as channels: depthwise.
        groups: usize,
        /// Weights, OHWI with `channels / groups` inputs each.
        weight: Vec<f32>,
        /// One bias an output channel.
        bias: Vec<f32>,
    },
    /// Pooling without padding.
    Pool(Pool),
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
