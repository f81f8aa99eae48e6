//! A trained network as plain vectors, and the names of its values: what enters quantisation.

/// A network with batch normalisation folded into its convolutions.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// Input height, width, channels.
    pub input: [usize; 3],
    /// What the network takes a pixel for.
    pub normalization: Input,
    /// Layers in execution order; the last is [`FloatLayer::Dense`].
    pub layers: Vec<FloatLayer>,
}

impl FloatModel {
    /// Names of the layers' values in the float file, without the dense layer's, which are the logits.
    pub fn observed_names(&self) -> Vec<String> {
        let kind = |layer: &FloatLayer| match layer {
            FloatLayer::Conv { .. } => Some(Kind::Conv),
            FloatLayer::Pool(pool) => Some(pool.kind.into()),
            FloatLayer::Dense { .. } => None,
        };
        self.layers.iter().enumerate().filter_map(|(index, layer)| Some(layer_name(index, kind(layer)?))).collect()
    }
}

/// What a network takes an input byte `q = pixel - 128` for: `(q - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Real value of a step.
    pub scale: f32,
    /// What zero is.
    pub zero_point: i8,
}

impl Input {
    /// `(pixel - 128) / 64`: of the study's networks.
    pub const PIXELS: Self = Self { scale: 1.0 / 64.0, zero_point: 0 };

    /// The pixel that is taken for zero.
    pub fn center(self) -> f32 {
        128.0 + f32::from(self.zero_point)
    }

    /// What `pixel` is taken for.
    pub fn real(self, pixel: u8) -> f64 {
        f64::from(f32::from(pixel) - self.center()) * f64::from(self.scale)
    }
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

/// Kinds of layers, as they appear in value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Convolution + ReLU.
    Conv,
    /// Max-pooling.
    MaxPool,
    /// Average pooling.
    AveragePool,
    /// Dense; in the int8 file the value is the i32 accumulator with its bias.
    Dense,
}

impl From<PoolKind> for Kind {
    fn from(kind: PoolKind) -> Self {
        match kind {
            PoolKind::Max => Self::MaxPool,
            PoolKind::Average => Self::AveragePool,
        }
    }
}

/// Name of the output of layer `index`, e.g. `layer03_conv`.
pub fn layer_name(index: usize, kind: Kind) -> String {
    let kind = match kind {
        Kind::Conv => "conv",
        Kind::MaxPool => "maxpool",
        Kind::AveragePool => "averagepool",
        Kind::Dense => "dense",
    };
    format!("layer{index:02}_{kind}")
}
