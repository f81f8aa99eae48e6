//! Inner loops. One contract, one implementation an instruction set; [`scalar`] is the definition.
//!
//! A kernel computes one output row of a convolution from the input rows under its window, padding
//! already in place. Every implementation gives the bytes of the scalar one.

pub mod scalar;

/// Arguments of a convolution over one output row.
#[derive(Clone, Copy, Debug)]
pub struct ConvRow<'a> {
    /// Input rows under the window, top to bottom, each `(padded width) * channels` int8 values.
    pub rows: &'a [&'a [i8]],
    /// Weights `[out][ky][kx][in]`, int8 bits.
    pub weights: &'a [u8],
    /// i32 biases, little-endian.
    pub bias: &'a [u8],
    /// f32 scales, little-endian.
    pub scales: &'a [u8],
    /// Elements of a row under the window: kernel width * input channels.
    pub span: usize,
    /// Elements between windows: horizontal stride * input channels.
    pub step: usize,
    /// Output channels.
    pub channels: usize,
    /// Zero point of the output.
    pub zero_point: i8,
}
