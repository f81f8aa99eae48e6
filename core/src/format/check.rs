//! What a layer, the gray weights and the refusal head must satisfy.

use super::bytes::{f32_at, i8_at, magnitudes, slice, u8_at, u16_at, u32_at, window_at};
use super::layer::{Layer, Op, filter_len, scale_count, weights_len};
use super::layout::{MAX_ROW, OP_DENSE, OP_GLOBAL_MAX_POOL_2D, header, record};
use super::model::Model;
use super::refusal;
use crate::error::Error;
use crate::quant::ROUND_LIMIT;
use crate::shape::{Padding, Shape, Window2d};

/// The error of a field.
pub const fn invalid<T>(offset: usize, field: &'static str) -> Result<T, Error> {
    Err(Error::InvalidField { offset: offset as u32, field })
}

/// What no logit reaches: differences of logits, divided by a temperature, stay finite.
const LOGIT_LIMIT: f32 = 1e30;

/// Checks layer `i` against the one before it and the blobs that it names.
pub const fn layer(model: &Model<'_>, i: usize) -> Result<(), Error> {
    let b = model.bytes;
    let at = model.layers + i * record::SIZE;
    let Some(layer) = model.layer(i) else {
        return invalid(at, "layer");
    };
    let code = u8_at(b, at + record::OP);
    if code == 0 || code > OP_GLOBAL_MAX_POOL_2D {
        return invalid(at + record::OP, "operator");
    }
    if (code == OP_DENSE) != (i + 1 == model.layer_count) {
        return invalid(at + record::OP, "operator (dense is the last layer, and only that)");
    }
    let before = match i.checked_sub(1) {
        Some(p) => match model.layer(p) {
            Some(previous) => previous.output,
            None => return invalid(at, "layer"),
        },
        None => model.input(),
    };
    if !layer.input.equals(&before) {
        return invalid(at + record::INPUT, "input shape (it is not what the layer before gives)");
    }
    if layer.output.is_empty() || layer.output.row_len() > MAX_ROW {
        return invalid(at + record::OUTPUT, "output shape");
    }
    let window = window_at(b, at + record::KERNEL);
    let Shape { height, width, channels } = layer.output;
    let same_channels = channels == layer.input.channels;
    let padded = !window.pad.is_none();
    let in_groups = layer.groups > 0 && layer.input.channels % layer.groups == 0 && channels % layer.groups == 0;
    let window_and_channels = match layer.op {
        Op::Conv2d(_) => in_groups && window_fits(&layer.input, &layer.output, window),
        Op::DepthwiseConv2d(_) => same_channels && window_fits(&layer.input, &layer.output, window),
        Op::MaxPool2d(_) | Op::AveragePool2d(_) => !padded && same_channels && window_fits(&layer.input, &layer.output, window),
        Op::GlobalAveragePool2d | Op::GlobalMaxPool2d => height == 1 && width == 1 && same_channels,
        Op::Dense => height == 1 && width == 1 && channels as usize == model.class_count(),
    };
    if !window_and_channels {
        return match layer.op {
            Op::Conv2d(_) if !in_groups => invalid(at + record::GROUPS, "groups"),
            Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MaxPool2d(_) | Op::AveragePool2d(_) => {
                invalid(at + record::KERNEL, "window")
            }
            _ => invalid(at + record::OUTPUT, "output shape"),
        };
    }
    let cells = layer.input.height as usize * layer.input.width as usize;
    let shared = matches!(layer.op, Op::Dense) && layer.groups as usize == cells;
    if layer.groups != 1 && !shared && !matches!(layer.op, Op::Conv2d(_)) {
        return invalid(at + record::GROUPS, "groups");
    }
    if matches!(layer.op, Op::MaxPool2d(_) | Op::GlobalMaxPool2d) && layer.input_zero_point != layer.output_zero_point {
        return invalid(at + record::OUTPUT_ZERO_POINT, "output zero point");
    }
    check_channels(&layer, at)
}

const fn window_fits(input: &Shape, output: &Shape, w: Window2d) -> bool {
    let Padding { top, left, bottom, right } = w.pad;
    let rows = Window2d::output_extent(input.height, top, bottom, w.kernel[0], w.stride[0]);
    let columns = Window2d::output_extent(input.width, left, right, w.kernel[1], w.stride[1]);
    matches!((rows, columns), (Some(r), Some(c)) if r == output.height && c == output.width)
}

/// Weights, biases and scales are all there, and no accumulator can leave i32 or the rounding range.
const fn check_channels(layer: &Layer<'_>, at: usize) -> Result<(), Error> {
    if layer.weights.len() != weights_len(layer.op, layer.groups, layer.input, layer.output) {
        return invalid(at + record::WEIGHTS, "weights offset");
    }
    let filters = scale_count(layer.op, layer.output);
    if layer.bias.len() != 4 * filters {
        return invalid(at + record::BIAS, "bias offset");
    }
    if layer.scales.len() != 4 * filters {
        return invalid(at + record::SCALES, "scales offset");
    }
    let mut c = 0;
    while c < filters {
        let Some(weights) = magnitude(layer, c) else {
            return invalid(at + record::WEIGHTS, "weights (a filter's padding is not zero)");
        };
        let bias = layer.bias_at(c) as i64;
        let bound = weights * 128 + if bias < 0 { -bias } else { bias };
        if bound > i32::MAX as i64 {
            return invalid(at + record::WEIGHTS, "weights (an accumulator could overflow)");
        }
        let scale = layer.scale_at(c);
        // A result of the last layer is a logit, of the others a number to be rounded.
        let limit = if matches!(layer.op, Op::Dense) { LOGIT_LIMIT } else { ROUND_LIMIT };
        // Infinity times the bound is no number below it, not even times 0.
        if !(scale > 0.0 && bound as f32 * scale < limit) {
            return invalid(at + record::SCALES, "scale");
        }
        c += 1;
    }
    Ok(())
}

/// Sum of the magnitudes of the weights of filter `c`; `None` where the bytes that pad a filter are not zero.
const fn magnitude(layer: &Layer<'_>, c: usize) -> Option<i64> {
    let taps = filter_len(layer.op, layer.groups, layer.input);
    match layer.op {
        Op::Conv2d(_) => {
            let padded = taps.next_multiple_of(4);
            match slice(layer.weights, c * padded, padded).split_at_checked(taps) {
                Some((weights, padding)) if magnitudes(padding) == 0 => Some(magnitudes(weights)),
                _ => None,
            }
        }
        Op::DepthwiseConv2d(_) => {
            let (mut sum, mut at) = (0i64, c);
            while at < layer.weights.len() {
                sum += (layer.weights[at] as i8).unsigned_abs() as i64;
                at += layer.output.channels as usize;
            }
            Some(sum)
        }
        // Groups of a dense layer are cells that share these weights.
        Op::Dense => {
            let cells = if layer.groups == 0 { 1 } else { layer.groups as usize };
            let taps = taps / cells;
            Some(magnitudes(slice(layer.weights, c * taps, taps)).saturating_mul(layer.groups as i64))
        }
        _ => Some(taps as i64),
    }
}

/// The gray weights, where there are any, are the sums of the first layer's.
pub const fn gray(model: &Model<'_>) -> Result<(), Error> {
    if u32_at(model.bytes, header::GRAY) == 0 {
        return Ok(());
    }
    let at = header::GRAY;
    let Some(first) = model.layer(0) else {
        return invalid(at, "gray weights");
    };
    let Op::Conv2d(window) = first.op else {
        return invalid(at, "gray weights (the first layer is not a convolution)");
    };
    let gray = model.gray_weights();
    if gray.is_empty() || first.groups != 1 {
        return invalid(at, "gray weights offset");
    }
    let (taps, channels) = (window.area(), first.input.channels as usize);
    let (filter, stride) = ((taps * channels).next_multiple_of(4), (2 * taps).next_multiple_of(4));
    let mut c = 0;
    while c < first.output.channels as usize {
        let mut tap = 0;
        while 2 * tap < stride {
            let (mut sum, mut i) = (0i32, 0);
            while tap < taps && i < channels {
                sum += i8_at(first.weights, c * filter + tap * channels + i) as i32;
                i += 1;
            }
            if u16_at(gray, c * stride + 2 * tap) as i16 as i32 != sum {
                return invalid(header::GRAY, "gray weights (they are not the sums of the first layer's weights)");
            }
            tap += 1;
        }
        c += 1;
    }
    Ok(())
}

/// The refusal head, where there is one, is whole and its sums cannot overflow.
pub const fn refusal(model: &Model<'_>) -> Result<(), Error> {
    if u32_at(model.bytes, header::REFUSAL) == 0 {
        return Ok(());
    }
    let at = header::REFUSAL;
    let (Some(head), Some(features)) = (model.refusal(), refusal::features(model)) else {
        return invalid(header::REFUSAL_BACK, "refusal head (no such feature map)");
    };
    // A feature is a sum of int8 over the cells of the map, and must fit in i32.
    if features.height as u64 * features.width as u64 > 1 << 23 {
        return invalid(at, "refusal head (the feature map is too large)");
    }
    if !head.is_whole(features.channels as usize) {
        return invalid(at, "refusal head offset");
    }
    let above = f32_at(model.bytes, header::REFUSE_ABOVE);
    if !(above > f32::NEG_INFINITY && above < f32::INFINITY) {
        return invalid(header::REFUSE_ABOVE, "refusal threshold");
    }
    let mut row = 0;
    while row < head.rows() {
        let (coefficient, scale, bias) = (head.coefficient(row), head.scale(row), head.bias(row));
        if !(coefficient > f32::NEG_INFINITY && coefficient < f32::INFINITY && scale > 0.0 && scale < f32::INFINITY) {
            return invalid(at, "refusal head (a coefficient or scale)");
        }
        // |weights . features| < 2^16 * 2^15 * 2^30, so that the sum stays in i64.
        if bias > 1 << 61 || bias < -(1 << 61) {
            return invalid(at, "refusal head (a bias)");
        }
        row += 1;
    }
    Ok(())
}
