//! Checking a model file.

use super::bytes::{crc32, f32_at, shape_at, slice, u8_at, u16_at, u32_at, window_at};
use super::{MAGIC, MAX_CLASSES, MAX_LAYERS, Model, OP_CONV_2D, OP_DENSE, OP_MAX_POOL_2D, Op, VERSION, header, record};
use crate::error::Error;
use crate::plan;
use crate::quant::ROUND_LIMIT;
use crate::shape::{Padding, Window2d};

/// Most elements in one row of a feature map; keeps every offset far from overflow.
const MAX_ROW: usize = 1 << 20;

const fn invalid<T>(offset: usize, field: &'static str) -> Result<T, Error> {
    Err(Error::InvalidField { offset: offset as u32, field })
}

/// `?` for `const fn`.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

pub const fn parse(b: &[u8]) -> Result<Model<'_>, Error> {
    if b.len() >= 4 && !(b[0] == MAGIC[0] && b[1] == MAGIC[1] && b[2] == MAGIC[2] && b[3] == MAGIC[3]) {
        return Err(Error::BadMagic);
    }
    if b.len() < header::SIZE {
        return Err(Error::Truncated { offset: 0, needed: header::SIZE as u32 });
    }
    if u16_at(b, header::VERSION) != VERSION {
        return Err(Error::UnsupportedVersion { found: u16_at(b, header::VERSION) });
    }
    if u16_at(b, header::LEN) as usize != header::SIZE {
        return invalid(header::LEN, "header length");
    }
    let file_len = u32_at(b, header::FILE_LEN) as usize;
    if b.len() < file_len {
        return Err(Error::Truncated { offset: b.len() as u32, needed: (file_len - b.len()) as u32 });
    }
    if b.len() != file_len {
        return invalid(header::FILE_LEN, "file length");
    }
    let (stored, computed) = (u32_at(b, header::CRC), crc32(b, header::INPUT));
    if stored != computed {
        return Err(Error::BadChecksum { stored, computed });
    }
    let layer_count = u16_at(b, header::LAYER_COUNT) as usize;
    if layer_count == 0 || layer_count > MAX_LAYERS {
        return invalid(header::LAYER_COUNT, "layer count");
    }
    let layers = u32_at(b, header::LAYERS) as usize;
    if slice(b, layers, layer_count * record::SIZE).len() != layer_count * record::SIZE {
        return invalid(header::LAYERS, "layer table");
    }
    attempt!(check_header(b));
    let mut model = Model { bytes: b, layers, layer_count, arena: 0 };
    let mut i = 0;
    while i < layer_count {
        attempt!(check_layer(&model, i));
        i += 1;
    }
    model.arena = plan::arena_bytes(&model);
    if u32_at(b, header::ARENA) as usize != model.arena {
        return invalid(header::ARENA, "arena length");
    }
    Ok(model)
}

const fn check_header(b: &[u8]) -> Result<(), Error> {
    let input = shape_at(b, header::INPUT);
    if input.is_empty() || input.row_len() > MAX_ROW {
        return invalid(header::INPUT, "input shape");
    }
    let classes = u16_at(b, header::CLASS_COUNT) as usize;
    if classes == 0 || classes > MAX_CLASSES {
        return invalid(header::CLASS_COUNT, "class count");
    }
    let temperature = f32_at(b, header::TEMPERATURE);
    if !(temperature >= 1e-3 && temperature <= 1e3) {
        return invalid(header::TEMPERATURE, "temperature");
    }
    let abstain_below = f32_at(b, header::ABSTAIN_BELOW);
    if !(abstain_below >= 0.0 && abstain_below <= 1.0) {
        return invalid(header::ABSTAIN_BELOW, "abstention threshold");
    }
    let (names, names_len) = (u32_at(b, header::NAMES) as usize, u32_at(b, header::NAMES_LEN) as usize);
    let names = slice(b, names, names_len);
    let (mut newlines, mut i) = (0, 0);
    while i < names.len() {
        newlines += (names[i] == b'\n') as usize;
        i += 1;
    }
    if names.is_empty() || names.len() != names_len || newlines + 1 != classes || core::str::from_utf8(names).is_err() {
        return invalid(header::NAMES, "class names");
    }
    let (metadata, metadata_len) = (u32_at(b, header::METADATA) as usize, u32_at(b, header::METADATA_LEN) as usize);
    let metadata = slice(b, metadata, metadata_len);
    if metadata.len() != metadata_len || core::str::from_utf8(metadata).is_err() {
        return invalid(header::METADATA, "metadata");
    }
    Ok(())
}

const fn check_layer(model: &Model<'_>, i: usize) -> Result<(), Error> {
    let b = model.bytes;
    let at = model.layers + i * record::SIZE;
    let Some(layer) = model.layer(i) else {
        return invalid(at, "layer");
    };
    let code = u8_at(b, at + record::OP);
    if code != OP_CONV_2D && code != OP_MAX_POOL_2D && code != OP_DENSE {
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
    match layer.op {
        Op::Dense => {
            if layer.output.height != 1 || layer.output.width != 1 || layer.output.channels as usize != model.class_count() {
                return invalid(at + record::OUTPUT, "output shape");
            }
        }
        Op::Conv2d(_) => {
            if !window_fits(&layer.input, &layer.output, window) {
                return invalid(at + record::KERNEL, "window");
            }
        }
        Op::MaxPool2d(_) => {
            let Padding { top, left, bottom, right } = window.pad;
            if top as u16 + left as u16 + bottom as u16 + right as u16 != 0
                || layer.output.channels != layer.input.channels
                || !window_fits(&layer.input, &layer.output, window)
            {
                return invalid(at + record::KERNEL, "window");
            }
            if layer.input_zero_point != layer.output_zero_point {
                return invalid(at + record::OUTPUT_ZERO_POINT, "output zero point");
            }
            return Ok(());
        }
    }
    check_channels(&layer, at)
}

const fn window_fits(input: &crate::shape::Shape, output: &crate::shape::Shape, w: Window2d) -> bool {
    let rows = Window2d::output_extent(input.height, w.pad.top, w.pad.bottom, w.kernel[0], w.stride[0]);
    let columns = Window2d::output_extent(input.width, w.pad.left, w.pad.right, w.kernel[1], w.stride[1]);
    matches!((rows, columns), (Some(r), Some(c)) if r == output.height && c == output.width)
}

/// Weights, biases and scales are all there, and no accumulator can leave i32 or the rounding range.
const fn check_channels(layer: &super::Layer<'_>, at: usize) -> Result<(), Error> {
    let channels = layer.output.channels as usize;
    let taps = match layer.op {
        Op::Conv2d(w) => w.kernel[0] as usize * w.kernel[1] as usize * layer.input.channels as usize,
        _ => layer.input.len(),
    };
    if taps == 0 || layer.weights.len() != taps * channels {
        return invalid(at + record::WEIGHTS, "weights offset");
    }
    if layer.bias.len() != 4 * channels {
        return invalid(at + record::BIAS, "bias offset");
    }
    if layer.scales.len() != 4 * channels {
        return invalid(at + record::SCALES, "scales offset");
    }
    let requantizes = matches!(layer.op, Op::Conv2d(_));
    let mut c = 0;
    while c < channels {
        let (mut bound, mut t) = (0i64, 0);
        while t < taps {
            let w = layer.weights[c * taps + t] as i8 as i64;
            bound += if w < 0 { -w } else { w };
            t += 1;
        }
        let bias = layer.bias_at(c) as i64;
        bound = bound * 128 + if bias < 0 { -bias } else { bias };
        if bound > i32::MAX as i64 {
            return invalid(at + record::WEIGHTS, "weights (an accumulator could overflow)");
        }
        let scale = layer.scale_at(c);
        if !(scale > 0.0 && scale < f32::INFINITY) || (requantizes && bound as f32 * scale >= ROUND_LIMIT) {
            return invalid(at + record::SCALES, "scale");
        }
        c += 1;
    }
    Ok(())
}
