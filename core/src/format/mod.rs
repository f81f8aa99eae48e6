//! The model file (`.cxr`): one table of offsets, read by [`Model::parse`] and written by [`encode`].
//!
//! Little-endian. `parse` checks every byte that later code relies on, once, in a `const fn`: a firmware
//! that embeds a bad file does not compile. After that, reads cannot fail. `docs/model-format.md` lists the bytes.

mod bytes;
mod check;
mod encode;
mod parse;
mod refusal;

pub use encode::{LayerSpec, ModelSpec, encode, encoded_len};
pub use refusal::{Refusal, RefusalSpec};

use crate::error::Error;
use crate::shape::{Shape, Window2d};
use bytes::{f32_at, i8_at, slice, u8_at, u16_at, u32_at};

/// First four bytes of a model file.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// assert!(model.as_bytes().starts_with(&cxr_core::format::MAGIC));
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub const MAGIC: [u8; 4] = *b"CXRM";
/// Format version that this library reads and writes.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// assert_eq!(model.as_bytes()[4..6], cxr_core::format::VERSION.to_le_bytes());
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub const VERSION: u16 = 2;
/// Most layers in a model.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// assert!(model.layer_count() <= cxr_core::format::MAX_LAYERS);
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub const MAX_LAYERS: usize = 32;
/// Most classes in a model.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// assert!(model.class_count() <= cxr_core::format::MAX_CLASSES);
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub const MAX_CLASSES: usize = 8;

/// Offsets in the header.
mod header {
    pub const VERSION: usize = 4;
    pub const LEN: usize = 6;
    pub const FILE_LEN: usize = 8;
    pub const CRC: usize = 12;
    /// The checksum covers everything from here on.
    pub const INPUT: usize = 16;
    pub const LAYER_COUNT: usize = 22;
    pub const CLASS_COUNT: usize = 24;
    pub const TEMPERATURE: usize = 28;
    pub const ABSTAIN_BELOW: usize = 32;
    pub const ARENA: usize = 36;
    pub const LAYERS: usize = 40;
    pub const NAMES: usize = 44;
    pub const NAMES_LEN: usize = 48;
    pub const METADATA: usize = 52;
    pub const METADATA_LEN: usize = 56;
    pub const GRAY: usize = 60;
    pub const REFUSAL: usize = 64;
    pub const REFUSAL_RANK: usize = 68;
    pub const REFUSE_ABOVE: usize = 72;
    pub const SIZE: usize = 80;
}

/// Offsets in a layer record.
mod record {
    pub const OP: usize = 0;
    pub const KERNEL: usize = 1;
    pub const STRIDE: usize = 3;
    pub const PAD: usize = 5;
    pub const INPUT_ZERO_POINT: usize = 9;
    pub const OUTPUT_ZERO_POINT: usize = 10;
    pub const INPUT: usize = 12;
    pub const OUTPUT: usize = 18;
    pub const WEIGHTS: usize = 24;
    pub const BIAS: usize = 28;
    pub const SCALES: usize = 32;
    pub const GROUPS: usize = 36;
    pub const SIZE: usize = 40;
}

const OP_CONV_2D: u8 = 1;
const OP_MAX_POOL_2D: u8 = 2;
const OP_DENSE: u8 = 3;
const OP_DEPTHWISE_CONV_2D: u8 = 4;
const OP_AVERAGE_POOL_2D: u8 = 5;
const OP_GLOBAL_AVERAGE_POOL_2D: u8 = 6;
const OP_GLOBAL_MAX_POOL_2D: u8 = 7;

/// An operator and its window.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// use cxr_core::format::Op;
/// assert!(matches!(model.layer(0).map(|layer| layer.op), Some(Op::Conv2d(window)) if window.stride == [2, 2]));
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// 2-D convolution with requantisation (ONNX `QLinearConv`), in [`Layer::groups`] groups;
    /// weights `[out][ky][kx][in / groups]`, each filter padded with zeros to a multiple of 4 bytes.
    Conv2d(Window2d),
    /// One filter a channel (ONNX `QLinearConv` with as many groups as channels); weights `[ky][kx][channel]`.
    DepthwiseConv2d(Window2d),
    /// Mean over a window, without padding, requantised (as `QLinearConv` with weights of 1); one bias, one scale.
    AveragePool2d(Window2d),
    /// Mean over the whole map, requantised; one bias, one scale.
    GlobalAveragePool2d,
    /// Maximum over the whole map (ONNX `GlobalMaxPool`); scale and zero point pass through.
    GlobalMaxPool2d,
    /// Maximum over a window, without padding (ONNX `MaxPool`); scale and zero point pass through.
    MaxPool2d(Window2d),
    /// Fully connected over the whole map, to f32 logits; weights `[class][y][x][channel]`. Always last, only last.
    Dense,
}

/// One layer of a parsed model.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// for layer in (0..model.layer_count()).filter_map(|i| model.layer(i)) {
///     assert!(layer.macs() > 0 && layer.scale_at(0) > 0.0);
/// }
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Operator.
    pub op: Op,
    /// Input shape.
    pub input: Shape,
    /// Output shape; of [`Op::Dense`]: `(1, 1, classes)`.
    pub output: Shape,
    /// int8 value of real zero at the input; fills the padding.
    pub input_zero_point: i8,
    /// int8 value of real zero at the output; -128 makes the clamp a ReLU.
    pub output_zero_point: i8,
    /// Groups of channels that a convolution keeps apart; 1 for every other operator.
    pub groups: u16,
    /// int8 weights, in the layout that the kernels read.
    pub weights: &'a [u8],
    /// i32 biases, little-endian, one an output channel (one in all for a mean), `zx * sum(w)` already subtracted.
    pub bias: &'a [u8],
    /// f32 scales, little-endian, as many as biases: `sx * sw / sy` of a convolution, `sx * sw` of a dense layer.
    pub scales: &'a [u8],
}

/// The next multiple of 4, or a number that no file is long enough for.
const fn words(n: usize) -> usize {
    n.saturating_add(3) & !3
}

/// Weights of one filter, without padding.
const fn filter_len(op: Op, groups: u16, input: Shape) -> usize {
    match op {
        Op::Conv2d(w) if groups > 0 => w.area().saturating_mul(input.channels as usize / groups as usize),
        Op::DepthwiseConv2d(w) | Op::AveragePool2d(w) => w.area(),
        Op::GlobalAveragePool2d => (input.height as usize).saturating_mul(input.width as usize),
        Op::Dense => input.len(),
        _ => 0,
    }
}

/// Bytes of all weights of a layer, padding included.
const fn weights_len(op: Op, groups: u16, input: Shape, output: Shape) -> usize {
    let filter = filter_len(op, groups, input);
    match op {
        Op::Conv2d(_) => words(filter).saturating_mul(output.channels as usize),
        Op::DepthwiseConv2d(_) | Op::Dense => filter.saturating_mul(output.channels as usize),
        _ => 0,
    }
}

/// Biases, and scales, of a layer.
const fn scale_count(op: Op, output: Shape) -> usize {
    match op {
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::Dense => output.channels as usize,
        Op::AveragePool2d(_) | Op::GlobalAveragePool2d => 1,
        Op::MaxPool2d(_) | Op::GlobalMaxPool2d => 0,
    }
}

impl Layer<'_> {
    /// Weights of one filter, without padding: what one output is a sum over. 0 where nothing is summed.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.layer(0).map(|layer| layer.filter_len()), Some(3 * 3 * 3));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn filter_len(&self) -> usize {
        filter_len(self.op, self.groups, self.input)
    }

    /// Bias of output channel `c`, 0 beyond the last.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.layer(0).map(|layer| layer.bias_at(1 << 20)), Some(0));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    #[inline(always)]
    pub const fn bias_at(&self, c: usize) -> i32 {
        u32_at(self.bias, 4 * c) as i32
    }

    /// Scale of output channel `c`, 0 beyond the last.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.layer(0).is_some_and(|layer| layer.scale_at(0) > 0.0));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    #[inline(always)]
    pub const fn scale_at(&self, c: usize) -> f32 {
        f32_at(self.scales, 4 * c)
    }

    /// Multiply-accumulates for one inference; additions of a mean count, comparisons do not.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.layer(0).map(|layer| layer.macs()), Some(128 * 128 * 8 * 27));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn macs(&self) -> u64 {
        self.output.len() as u64 * self.filter_len() as u64
    }
}

/// A checked model file. Small and `Copy`: it borrows the bytes, which may lie in flash.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// let same = model; // a view: copying it copies no weights
/// assert_eq!(same.as_bytes().as_ptr(), model.as_bytes().as_ptr());
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    bytes: &'a [u8],
    layers: usize,
    layer_count: usize,
    arena: usize,
}

impl<'a> Model<'a> {
    /// Checks a model file and borrows it.
    ///
    /// ```
    /// use cxr_core::{error::Error, format::Model};
    /// assert_eq!(Model::parse(b"GIF89a").err(), Some(Error::BadMagic));
    /// ```
    ///
    /// # Errors
    /// Names the first field that is wrong and its offset. Never panics, whatever the bytes.
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        parse::parse(bytes)
    }

    /// [`parse`](Self::parse) for constants: a bad file does not compile, and the compiler prints why.
    ///
    /// ```
    /// use cxr_core::format::Model;
    /// # #[allow(long_running_const_eval)]
    /// const MODEL: Model<'static> =
    ///     Model::parse_or_panic(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")));
    /// assert_eq!(MODEL.class_count(), 3);
    /// ```
    ///
    /// # Panics
    /// Where `parse` returns an error; meant for const evaluation, see [`include_model!`](crate::include_model).
    pub const fn parse_or_panic(bytes: &'a [u8]) -> Self {
        match parse::parse(bytes) {
            Ok(model) => model,
            Err(Error::InvalidField { field, .. }) => panic!("{}", field),
            Err(Error::Truncated { .. }) => panic!("the model file is truncated"),
            Err(Error::BadMagic) => panic!("not a .cxr model file"),
            Err(Error::UnsupportedVersion { .. }) => panic!("unsupported model file version: export it again"),
            Err(Error::BadChecksum { .. }) => panic!("the model file is damaged: wrong checksum"),
            Err(_) => panic!("the model file is invalid"),
        }
    }

    /// Exact length of the arena that [`crate::session::Session`] needs, in bytes.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.arena_bytes() < 40_960);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn arena_bytes(&self) -> usize {
        self.arena
    }

    /// Shape of the input image.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.input(), cxr_core::shape::Shape::new(256, 256, 3));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn input(&self) -> Shape {
        bytes::shape_at(self.bytes, header::INPUT)
    }

    /// Number of layers, the dense one included.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.layer(model.layer_count()).is_none());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn layer_count(&self) -> usize {
        self.layer_count
    }

    /// Layer `i`, in execution order.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.layer(0).map(|layer| layer.input), Some(model.input()));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
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
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// // 8 filters of 9 sums, each padded to 10 and 2 bytes wide.
    /// assert_eq!(model.gray_weights().len(), 8 * 10 * 2);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn gray_weights(&self) -> &'a [u8] {
        let at = u32_at(self.bytes, header::GRAY) as usize;
        match self.layer(0) {
            Some(first) if at != 0 => slice(self.bytes, at, gray_len(first.op, first.output)),
            _ => &[],
        }
    }

    /// The out-of-distribution score, if the model has one.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.refusal().is_some_and(|head| head.refuse_above().is_finite()));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn refusal(&self) -> Option<Refusal<'a>> {
        Refusal::of(self)
    }

    /// Number of classes, at most [`MAX_CLASSES`].
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.class_count(), 3);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn class_count(&self) -> usize {
        u16_at(self.bytes, header::CLASS_COUNT) as usize
    }

    /// Name of class `i`, empty beyond the last.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!([0, 1, 2].map(|k| model.class_name(k)), ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"]);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub fn class_name(&self, i: usize) -> &'a str {
        let (at, len) = (u32_at(self.bytes, header::NAMES) as usize, u32_at(self.bytes, header::NAMES_LEN) as usize);
        text(slice(self.bytes, at, len).split(|byte| *byte == b'\n').nth(i).unwrap_or_default())
    }

    /// Provenance: a JSON object written by the exporter.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.metadata().contains("not a medical device"));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub fn metadata(&self) -> &'a str {
        let (at, len) = (u32_at(self.bytes, header::METADATA) as usize, u32_at(self.bytes, header::METADATA_LEN) as usize);
        text(slice(self.bytes, at, len))
    }

    /// Softmax temperature fitted on validation images; above 0.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!(model.temperature() > 0.0);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn temperature(&self) -> f32 {
        f32_at(self.bytes, header::TEMPERATURE)
    }

    /// Calibrated top probability under which the verdict is withheld; 0 withholds none.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!((0.0..=1.0).contains(&model.abstain_below()));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn abstain_below(&self) -> f32 {
        f32_at(self.bytes, header::ABSTAIN_BELOW)
    }

    /// Multiply-accumulates for one inference.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert!((60_000_000..61_000_000).contains(&model.macs()));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn macs(&self) -> u64 {
        let (mut total, mut i) = (0, 0);
        while let Some(layer) = self.layer(i) {
            total += layer.macs();
            i += 1;
        }
        total
    }

    /// The file's checksum.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.as_bytes()[12..16], model.checksum().to_le_bytes());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn checksum(&self) -> u32 {
        u32_at(self.bytes, header::CRC)
    }

    /// The file.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// assert_eq!(model.as_bytes()[..4], cxr_core::format::MAGIC);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Bytes of the gray weights of a first layer.
const fn gray_len(op: Op, output: Shape) -> usize {
    match op {
        Op::Conv2d(w) => words(2 * w.area()).saturating_mul(output.channels as usize),
        _ => 0,
    }
}

/// Embeds a model file as a constant, checked while compiling. The path is as for [`include_bytes!`].
///
/// ```
/// use cxr_core::format::Model;
/// const MODEL: Model<'static> = cxr_core::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr"));
/// let arena = [0i8; MODEL.arena_bytes()];
/// assert!(arena.len() < 40_960);
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        // Summing the weights of a layer takes the evaluator a few seconds, by design.
        #[allow(long_running_const_eval)]
        const MODEL: $crate::format::Model<'static> = $crate::format::Model::parse_or_panic(include_bytes!($path));
        MODEL
    }};
}

fn text(bytes: &[u8]) -> &str {
    // `parse` has checked that it is UTF-8.
    core::str::from_utf8(bytes).unwrap_or("")
}
