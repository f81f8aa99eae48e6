//! A model file, read.

use super::bytes::{self, f32_at, i8_at, slice, u8_at, u16_at, u32_at};
use super::layer::{Layer, Op, gray_len, scale_count, weights_len};
use super::layout::{OP_AVERAGE_POOL_2D, OP_CONV_2D, OP_DEPTHWISE_CONV_2D};
use super::layout::{OP_GLOBAL_AVERAGE_POOL_2D, OP_GLOBAL_MAX_POOL_2D, OP_MAX_POOL_2D, header, record};
use crate::shape::Shape;

/// A checked model file. Small and `Copy`: it borrows the bytes, which may lie in flash.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layers: usize,
    pub(super) layer_count: usize,
    pub(super) arena: usize,
}

/// A class that is named only of pictures like those that the model knows: of others, from places that it does not know, it is said too often.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// if let Some(doubt) = model.doubt() {
///     assert_eq!(model.class_name(doubt.class.into()), "Pneumonia/COVID-19");
/// }
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Index of the class.
    pub class: u16,
    /// [Distance](crate::format::Refusal::measure) above which a verdict of this class is withheld.
    pub above: f32,
}

impl<'a> Model<'a> {
    /// Exact length of the arena that [`crate::session::Session`] needs, in bytes.
    pub const fn arena_bytes(&self) -> usize {
        self.arena
    }

    /// Shape of the input image.
    pub const fn input(&self) -> Shape {
        bytes::shape_at(self.bytes, header::INPUT)
    }

    /// Number of layers, the dense one included.
    pub const fn layer_count(&self) -> usize {
        self.layer_count
    }

    /// Layer `i`, in execution order.
    pub const fn layer(&self, i: usize) -> Option<Layer<'a>> {
        if i >= self.layer_count {
            return None;
        }
        let at = self.layers + i * record::SIZE;
        let b = self.bytes;
        let window = bytes::window_at(b, at + record::KERNEL);
        let input = bytes::shape_at(b, at + record::INPUT);
        let output = bytes::shape_at(b, at + record::OUTPUT);
        let op = match u8_at(b, at + record::OP) {
            OP_CONV_2D => Op::Conv2d(window),
            OP_MAX_POOL_2D => Op::MaxPool2d(window),
            OP_DEPTHWISE_CONV_2D => Op::DepthwiseConv2d(window),
            OP_AVERAGE_POOL_2D => Op::AveragePool2d(window),
            OP_GLOBAL_AVERAGE_POOL_2D => Op::GlobalAveragePool2d,
            OP_GLOBAL_MAX_POOL_2D => Op::GlobalMaxPool2d,
            _ => Op::Dense,
        };
        let groups = u16_at(b, at + record::GROUPS);
        let scales = 4 * scale_count(op, output);
        Some(Layer {
            op,
            input,
            output,
            input_zero_point: i8_at(b, at + record::INPUT_ZERO_POINT),
            output_zero_point: i8_at(b, at + record::OUTPUT_ZERO_POINT),
            groups,
            weights: slice(b, u32_at(b, at + record::WEIGHTS) as usize, weights_len(op, groups, input, output)),
            bias: slice(b, u32_at(b, at + record::BIAS) as usize, scales),
            scales: slice(b, u32_at(b, at + record::SCALES) as usize, scales),
        })
    }

    /// Weights of the first convolution summed over its input channels, for gray images: i16, little-endian,
    /// `[out][ky][kx]`, each filter padded with a zero to an even count. Empty if the model has none.
    pub const fn gray_weights(&self) -> &'a [u8] {
        let at = u32_at(self.bytes, header::GRAY) as usize;
        match self.layer(0) {
            Some(first) if at != 0 => slice(self.bytes, at, gray_len(first.op, first.output)),
            _ => &[],
        }
    }

    /// Number of classes, at most [`MAX_CLASSES`](super::MAX_CLASSES).
    pub const fn class_count(&self) -> usize {
        u16_at(self.bytes, header::CLASS_COUNT) as usize
    }

    /// Name of class `i`, empty beyond the last.
    pub fn class_name(&self, i: usize) -> &'a str {
        let (at, len) = (u32_at(self.bytes, header::NAMES) as usize, u32_at(self.bytes, header::NAMES_LEN) as usize);
        text(slice(self.bytes, at, len).split(|byte| *byte == b'\n').nth(i).unwrap_or_default())
    }

    /// Provenance: a JSON object written by the exporter.
    pub fn metadata(&self) -> &'a str {
        let (at, len) = (u32_at(self.bytes, header::METADATA) as usize, u32_at(self.bytes, header::METADATA_LEN) as usize);
        text(slice(self.bytes, at, len))
    }

    /// Softmax temperature fitted on validation images; above 0.
    pub const fn temperature(&self) -> f32 {
        f32_at(self.bytes, header::TEMPERATURE)
    }

    /// Calibrated top probability under which the verdict is withheld; 0 withholds none.
    pub const fn abstain_below(&self) -> f32 {
        f32_at(self.bytes, header::ABSTAIN_BELOW)
    }

    /// The class that the model says too readily of pictures from places that it does not know, if it has one.
    pub const fn doubt(&self) -> Option<Doubt> {
        match u16_at(self.bytes, header::DOUBT_CLASS) {
            0 => None,
            number => Some(Doubt { class: number - 1, above: f32_at(self.bytes, header::DOUBT_ABOVE) }),
        }
    }

    /// Multiply-accumulates for one inference.
    pub const fn macs(&self) -> u64 {
        let (mut total, mut i) = (0, 0);
        while let Some(layer) = self.layer(i) {
            total += layer.macs();
            i += 1;
        }
        total
    }

    /// The file's checksum.
    pub const fn checksum(&self) -> u32 {
        u32_at(self.bytes, header::CRC)
    }

    /// The file.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

fn text(bytes: &[u8]) -> &str {
    // `parse` has checked that it is UTF-8.
    core::str::from_utf8(bytes).unwrap_or("")
}
