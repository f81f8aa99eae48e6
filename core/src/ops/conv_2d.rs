//! 2-D convolution (ONNX `QLinearConv`), one output row.

use super::Rows;
use crate::format::Layer;
use crate::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel, Shape};
use crate::quant::requantize;
use crate::shape::Window2d;

/// Filters of a layer and, where a [`crate::prepared::Prepared`] has them, the same packed.
pub const fn filters<'a>(layer: &Layer<'a>, packed: &'a [u8]) -> Filters<'a> {
    Filters {
        weights: layer.weights,
        bias: layer.bias,
        scales: layer.scales,
        shifts: &[],
        zero_point: layer.output_zero_point,
        packed,
    }
}

/// What a kernel packs of a layer whose channels are not grouped; `gray`: for [`gray_row`].
pub const fn packing(layer: &Layer<'_>, window: Window2d, gray: bool) -> Shape {
    let channels = if gray { 1 } else { layer.input.channels as usize };
    Shape {
        height: window.kernel[0] as usize,
        span: window.kernel[1] as usize * channels,
        step: window.stride[1] as usize * channels,
        channels: layer.output.channels as usize,
        wide: gray,
        fixed: false,
    }
}

/// Computes one output row into `out` (`output width * output channels`) from the padded input rows; false where something is short.
pub fn row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, kernel: &Kernel, packed: &[u8], out: &mut [i8]) -> bool {
    if layer.groups != 1 {
        return grouped_row(layer, window, rows, out);
    }
    let Shape { span, step, channels, .. } = packing(layer, window, false);
    kernel.conv_row(&ConvRow { rows, filters: filters(layer, packed), span, step, channels }, out)
}

/// [`row`] of the first layer for rows of one gray value a pixel; `weights` are [`crate::format::Model::gray_weights`].
#[allow(clippy::too_many_arguments)]
pub fn gray_row(
    layer: &Layer<'_>,
    weights: &[u8],
    window: Window2d,
    rows: &Rows<'_>,
    kernel: &Kernel,
    packed: &[u8],
    out: &mut [i8],
) -> bool {
    let Shape { span, step, channels, .. } = packing(layer, window, true);
    let args = GrayRow { rows, filters: Filters { weights, ..filters(layer, packed) }, span, step, channels };
    kernel.gray_row(&args, out)
}

/// Computes one output row of a depthwise convolution; false where something is short.
pub fn depthwise_row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, kernel: &Kernel, out: &mut [i8]) -> bool {
    let channels = layer.input.channels as usize;
    let args = DepthwiseRow {
        rows,
        filters: filters(layer, &[]),
        kernel_width: window.kernel[1] as usize,
        step: window.stride[1] as usize * channels,
        channels,
    };
    kernel.depthwise_row(&args, out)
}

/// Groups other than one and one a channel are rare: plain loops.
fn grouped_row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, out: &mut [i8]) -> bool {
    let (channels, outputs) = (layer.input.channels as usize, (layer.output.channels as usize).max(1));
    let groups = (layer.groups as usize).max(1);
    let (inside, outside) = ((channels / groups).max(1), (outputs / groups).max(1));
    let (columns, step) = (window.kernel[1] as usize, window.stride[1] as usize * channels);
    let stride = layer.filter_len().next_multiple_of(4).max(4);
    for (x, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        for (c, (q, filter)) in pixel.iter_mut().zip(layer.weights.chunks_exact(stride)).enumerate() {
            let mut weights = filter.chunks_exact(inside);
            let mut sum = layer.bias_at(c);
            for row in rows {
                for column in 0..columns {
                    let at = x * step + column * channels + c / outside * inside;
                    let (Some(cell), Some(weights)) = (row.get(at..at + inside), weights.next()) else { return false };
                    sum += crate::kernels::dot(cell, weights);
                }
            }
            *q = requantize(sum, layer.scale_at(c), layer.output_zero_point);
        }
    }
    true
}
