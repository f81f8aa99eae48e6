//! The network of a recipe.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Input shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels; gray images are replicated to them.
    pub channels: usize,
}

/// Layers and head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// How the last feature map meets the dense layer.
    pub head: Head,
    /// In execution order.
    pub layers: Vec<LayerSpec>,
}

/// One layer of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// 'Same' convolution without bias, batch normalisation, ReLU.
    Conv {
        /// Output channels.
        filters: usize,
        /// Odd kernel height and width.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
        /// Groups of channels that do not mix.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// 'Same' convolution with one filter a channel, batch normalisation, ReLU.
    DepthwiseConv {
        /// Odd kernel height and width.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
    },
    /// Max-pooling without padding.
    MaxPool {
        /// Window height and width.
        size: usize,
        /// Stride in both directions.
        stride: usize,
    },
    /// Average pooling without padding.
    AveragePool {
        /// Window height and width.
        size: usize,
        /// Stride in both directions.
        stride: usize,
    },
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_one(n: &usize) -> bool {
    *n == 1
}

/// A convolution of a recipe with its channels filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Output channels.
    pub filters: usize,
    /// Kernel height and width.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl LayerSpec {
    /// The convolution that this layer is, for an input of `channels`.
    pub fn conv(&self, channels: usize) -> Option<ConvSpec> {
        match *self {
            Self::Conv { filters, kernel, stride, groups } => Some(ConvSpec { filters, kernel, stride, groups }),
            Self::DepthwiseConv { kernel, stride } => Some(ConvSpec { filters: channels, kernel, stride, groups: channels }),
            Self::MaxPool { .. } | Self::AveragePool { .. } => None,
        }
    }
}

/// What precedes the dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Every cell has its own weights.
    Flatten,
    /// Mean over the cells.
    AveragePool,
}

impl NetworkSpec {
    /// Shape `[height, width, channels]` before each layer and after the last: `layers.len() + 1` entries.
    pub fn shapes(&self, input: Input) -> Result<Vec<[usize; 3]>> {
        ensure!(
            matches!(self.layers.first(), Some(LayerSpec::Conv { groups: 1, .. })),
            "network.layers[0]: the first layer must be a conv without groups"
        );
        let mut shape = [input.height, input.width, input.channels];
        let mut shapes = vec![shape];
        for (i, layer) in self.layers.iter().enumerate() {
            let [h, w, c] = shape;
            shape = match *layer {
                LayerSpec::Conv { .. } | LayerSpec::DepthwiseConv { .. } => {
                    let ConvSpec { filters, kernel, stride, groups } = layer.conv(c).context("a convolution")?;
                    ensure!(kernel % 2 == 1 && kernel <= 7, "network.layers[{i}]: kernel {kernel} must be 1, 3, 5 or 7");
                    ensure!((1..=4).contains(&stride), "network.layers[{i}]: stride {stride} must be 1 to 4");
                    ensure!((1..=1024).contains(&filters), "network.layers[{i}]: filters {filters} must be 1 to 1024");
                    ensure!(
                        groups > 0 && c % groups == 0 && filters % groups == 0,
                        "network.layers[{i}]: groups {groups} must divide {c} channels and {filters} filters"
                    );
                    [h.div_ceil(stride), w.div_ceil(stride), filters]
                }
                LayerSpec::MaxPool { size, stride } | LayerSpec::AveragePool { size, stride } => {
                    ensure!((1..=4).contains(&stride), "network.layers[{i}]: stride {stride} must be 1 to 4");
                    ensure!(
                        (1..=8).contains(&size) && size <= h && size <= w,
                        "network.layers[{i}]: a pool of {size} does not fit {h}x{w}"
                    );
                    [(h - size) / stride + 1, (w - size) / stride + 1, c]
                }
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }
}
