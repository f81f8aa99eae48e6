//! 2-D convolution (ONNX `QLinearConv`), one output row.

use super::Rows;
use crate::format::Layer;
use crate::kernels::{ConvRow, Filters, Kernel};
use crate::shape::Window2d;

/// Computes one output row into `out` (`output width * output channels`) from the padded input rows.
pub fn row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, out: &mut [i8]) {
    let channels = layer.input.channels as usize;
    let args = ConvRow {
        rows,
        filters: Filters { weights: layer.weights, bias: layer.bias, scales: layer.scales, zero_point: layer.output_zero_point },
        span: window.kernel[1] as usize * channels,
        step: window.stride[1] as usize * channels,
        channels: layer.output.channels as usize,
    };
    Kernel::best().conv_row(&args, out);
}
