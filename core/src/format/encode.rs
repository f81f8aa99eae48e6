//! Writing a model file, beside its reader.

use super::bytes::crc32;
use super::layer::{Op, filter_len, gray_len, weights_len};
use super::layout::{MAGIC, VERSION, header, record};
use super::layout::{OP_AVERAGE_POOL_2D, OP_CONV_2D, OP_DENSE, OP_DEPTHWISE_CONV_2D};
use super::layout::{OP_GLOBAL_AVERAGE_POOL_2D, OP_GLOBAL_MAX_POOL_2D, OP_MAX_POOL_2D};
use super::model::{Doubt, Model};
use super::refusal::RefusalSpec;
use crate::error::Error;
use crate::plan;
use crate::shape::{Padding, Shape, Window2d};

/// A layer to write. Its input shape is the output of the one before.
#[derive(Clone, Copy, Debug)]
pub struct LayerSpec<'a> {
    /// Operator.
    pub op: Op,
    /// Output shape.
    pub output: Shape,
    /// Zero point of the input.
    pub input_zero_point: i8,
    /// Zero point of the output.
    pub output_zero_point: i8,
    /// Groups of a convolution; 1 otherwise.
    pub groups: u16,
    /// Weights: `[out][ky][kx][in / groups]` of a convolution, without padding, `[ky][kx][channel]` of a depthwise one,
    /// `[class][y][x][channel]` of a dense layer (`[class][channel]` if `groups` is the number of cells), empty for pooling.
    pub weights: &'a [i8],
    /// Biases with `zx * sum(w)` subtracted; a mean has one, a maximum none.
    pub bias: &'a [i32],
    /// Scales, as many as biases.
    pub scales: &'a [f32],
}

/// A model to write.
#[derive(Clone, Copy, Debug)]
pub struct ModelSpec<'a> {
    /// Shape of the input image.
    pub input: Shape,
    /// Layers in execution order, a dense one last.
    pub layers: &'a [LayerSpec<'a>],
    /// Class names, without line breaks.
    pub class_names: &'a [&'a str],
    /// Provenance, a JSON object.
    pub metadata: &'a str,
    /// Softmax temperature, above 0.
    pub temperature: f32,
    /// Top probability under which the verdict is withheld.
    pub abstain_below: f32,
    /// The class that is named only of pictures like those that the model knows, if there is one; it takes a refusal head.
    pub doubt: Option<Doubt>,
    /// The out-of-distribution score, if there is one.
    pub refusal: Option<RefusalSpec<'a>>,
}

const fn align(n: usize) -> usize {
    n.next_multiple_of(16)
}

fn names_len(spec: &ModelSpec<'_>) -> usize {
    spec.class_names.iter().map(|name| name.len() + 1).sum::<usize>().saturating_sub(1)
}

/// The first layer if gray images can take the short way through it: more than one channel, all of them summed.
fn gray_layer<'s>(spec: &ModelSpec<'s>) -> Option<&'s LayerSpec<'s>> {
    spec.layers.first().filter(|l| matches!(l.op, Op::Conv2d(_)) && l.groups == 1 && (2..=256).contains(&spec.input.channels))
}

/// Length of the encoded file, in bytes.
pub fn encoded_len(spec: &ModelSpec<'_>) -> usize {
    let mut input = spec.input;
    let mut blobs = gray_layer(spec).map_or(0, |l| align(gray_len(l.op, l.output)));
    for l in spec.layers {
        blobs += align(weights_len(l.op, l.groups, input, l.output)) + align(4 * l.bias.len()) + align(4 * l.scales.len());
        input = l.output;
    }
    blobs += spec.refusal.map_or(0, |r| align(r.encoded_len()));
    align(header::SIZE + spec.layers.len() * record::SIZE) + blobs + align(names_len(spec)) + align(spec.metadata.len())
}

/// Writes the file into `out` and returns its length.
///
/// ```
/// # use cxr_core::format::{LayerSpec, Model, ModelSpec, Op, encode, encoded_len};
/// # use cxr_core::shape::Shape;
/// # let dense = LayerSpec {
/// #     op: Op::Dense,
/// #     output: Shape::new(1, 1, 2),
/// #     input_zero_point: 0,
/// #     output_zero_point: 0,
/// #     groups: 1,
/// #     weights: &[1, -1, 2, -2],
/// #     bias: &[0, 5],
/// #     scales: &[0.5, 0.25],
/// # };
/// # let spec = ModelSpec {
/// #     input: Shape::new(2, 1, 1),
/// #     layers: &[dense],
/// #     class_names: &["yes", "no"],
/// #     metadata: "{}",
/// #     temperature: 1.0,
/// #     abstain_below: 0.0,
/// #     doubt: None,
/// #     refusal: None,
/// # };
/// let mut file = [0; 512];
/// let len = encode(&spec, &mut file)?;
/// assert_eq!(Model::parse(&file[..len])?.class_name(1), "no");
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
///
/// # Errors
/// [`Error::BufferTooSmall`], or whatever [`Model::parse`] says of the result: what would not run is not written.
pub fn encode(spec: &ModelSpec<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let needed = encoded_len(spec);
    let given = out.len();
    let Some(out) = out.get_mut(..needed) else {
        return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
    };
    out.fill(0);
    let mut w = Writer { out, end: align(header::SIZE + spec.layers.len() * record::SIZE) };
    w.put(0, &MAGIC);
    w.u16(header::VERSION, VERSION);
    w.u16(header::LEN, header::SIZE as u16);
    w.u32(header::FILE_LEN, needed as u32);
    w.shape(header::INPUT, spec.input);
    w.u16(header::LAYER_COUNT, spec.layers.len().min(u16::MAX as usize) as u16);
    w.u16(header::CLASS_COUNT, spec.class_names.len() as u16);
    w.u32(header::TEMPERATURE, spec.temperature.to_bits());
    w.u32(header::ABSTAIN_BELOW, spec.abstain_below.to_bits());
    if let Some(doubt) = spec.doubt {
        w.u16(header::DOUBT_CLASS, doubt.class.saturating_add(1));
        w.u32(header::DOUBT_ABOVE, doubt.above.to_bits());
    }
    w.u32(header::LAYERS, header::SIZE as u32);
    let mut input = spec.input;
    let mut arena = plan::Arena::new();
    for (i, layer) in spec.layers.iter().enumerate() {
        if layer.weights.len() != spec_weights(layer, input) {
            let field = "weights (their number does not fit the shapes)";
            return Err(Error::InvalidField { offset: (header::SIZE + i * record::SIZE + record::WEIGHTS) as u32, field });
        }
        w.layer(header::SIZE + i * record::SIZE, input, layer);
        arena = arena.with_layer(layer.op, input, layer.output);
        input = layer.output;
    }
    if let Some(first) = gray_layer(spec) {
        let gray = w.gray(first, spec.input);
        w.u32(header::GRAY, gray);
    }
    if let Some(refusal) = &spec.refusal {
        let Some(map) = spec.layers.iter().rev().nth(1 + usize::from(refusal.back)) else {
            let field = "refusal head (no such feature map)";
            return Err(Error::InvalidField { offset: header::REFUSAL_BACK as u32, field });
        };
        let features = map.output.channels as usize;
        let rows = refusal.coefficients.len();
        let whole = refusal.scales.len() == rows && refusal.bias.len() == rows && refusal.weights.len() == rows * features;
        if rows == 0 || !whole {
            return Err(Error::InvalidField { offset: header::REFUSAL as u32, field: "refusal head" });
        }
        let at = w.append(refusal.bytes(), refusal.encoded_len());
        w.u32(header::REFUSAL, at);
        w.u16(header::REFUSAL_RANK, (rows - 1) as u16);
        w.u16(header::REFUSAL_BACK, refusal.back);
        w.u32(header::REFUSE_ABOVE, refusal.refuse_above.to_bits());
        arena = arena.with_features(features);
    }
    w.u32(header::ARENA, arena.bytes() as u32);
    let names = w.end;
    w.u32(header::NAMES, names as u32);
    w.u32(header::NAMES_LEN, names_len(spec) as u32);
    let mut at = names;
    for (i, name) in spec.class_names.iter().enumerate() {
        if i > 0 {
            w.put(at, b"\n");
            at += 1;
        }
        w.put(at, name.as_bytes());
        at += name.len();
    }
    w.end = align(at);
    let metadata = w.append(spec.metadata.bytes(), spec.metadata.len());
    w.u32(header::METADATA, metadata);
    w.u32(header::METADATA_LEN, spec.metadata.len() as u32);
    let crc = crc32(w.out.get(header::INPUT..).unwrap_or_default(), 0);
    w.u32(header::CRC, crc);
    Model::parse(w.out).map(|_| needed)
}

/// Weights that a layer must come with.
fn spec_weights(layer: &LayerSpec<'_>, input: Shape) -> usize {
    match layer.op {
        Op::Conv2d(_) => filter_len(layer.op, layer.groups, input) * layer.output.channels as usize,
        _ => weights_len(layer.op, layer.groups, input, layer.output),
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    /// Where the next blob goes.
    end: usize,
}

impl Writer<'_> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.out.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn shape(&mut self, at: usize, shape: Shape) {
        self.u16(at, shape.height);
        self.u16(at + 2, shape.width);
        self.u16(at + 4, shape.channels);
    }

    /// Appends a blob, 16-byte aligned; returns its offset.
    fn append(&mut self, bytes: impl Iterator<Item = u8>, len: usize) -> u32 {
        let at = self.end;
        for (to, from) in self.out.iter_mut().skip(at).zip(bytes) {
            *to = from;
        }
        self.end = at + align(len);
        at as u32
    }

    /// Appends the weights of the first layer summed over its input channels.
    fn gray(&mut self, first: &LayerSpec<'_>, input: Shape) -> u32 {
        let taps = filter_len(first.op, first.groups, input);
        let len = gray_len(first.op, first.output);
        let stride = len / (first.output.channels as usize).max(1);
        let filters = first.weights.chunks_exact(taps.max(1)).flat_map(|filter| {
            let sums =
                filter.chunks_exact((input.channels as usize).max(1)).map(|cell| cell.iter().map(|w| i16::from(*w)).sum::<i16>());
            sums.flat_map(i16::to_le_bytes).chain(core::iter::repeat(0)).take(stride)
        });
        self.append(filters, len)
    }

    fn layer(&mut self, at: usize, input: Shape, layer: &LayerSpec<'_>) {
        let none = Window2d { kernel: [0; 2], stride: [0; 2], pad: Padding::default() };
        let (code, window) = match layer.op {
            Op::Conv2d(window) => (OP_CONV_2D, window),
            Op::DepthwiseConv2d(window) => (OP_DEPTHWISE_CONV_2D, window),
            Op::MaxPool2d(window) => (OP_MAX_POOL_2D, window),
            Op::AveragePool2d(window) => (OP_AVERAGE_POOL_2D, window),
            Op::GlobalAveragePool2d => (OP_GLOBAL_AVERAGE_POOL_2D, none),
            Op::GlobalMaxPool2d => (OP_GLOBAL_MAX_POOL_2D, none),
            Op::Dense => (OP_DENSE, none),
        };
        let Padding { top, left, bottom, right } = window.pad;
        self.put(at + record::OP, &[code]);
        self.put(at + record::KERNEL, &window.kernel);
        self.put(at + record::STRIDE, &window.stride);
        self.put(at + record::PAD, &[top, left, bottom, right]);
        self.put(at + record::INPUT_ZERO_POINT, &[layer.input_zero_point as u8, layer.output_zero_point as u8]);
        self.shape(at + record::INPUT, input);
        self.shape(at + record::OUTPUT, layer.output);
        let weights = match layer.op {
            // Filters start at word boundaries.
            Op::Conv2d(_) => {
                let taps = filter_len(layer.op, layer.groups, input).max(1);
                let filters = layer.weights.chunks_exact(taps);
                let padded = filters.flat_map(|f| f.iter().copied().chain(core::iter::repeat(0)).take(taps.next_multiple_of(4)));
                self.append(padded.map(|v| v as u8), weights_len(layer.op, layer.groups, input, layer.output))
            }
            _ => self.append(layer.weights.iter().map(|v| *v as u8), layer.weights.len()),
        };
        self.u16(at + record::GROUPS, layer.groups);
        let bias = self.append(layer.bias.iter().flat_map(|v| v.to_le_bytes()), 4 * layer.bias.len());
        let scales = self.append(layer.scales.iter().flat_map(|v| v.to_bits().to_le_bytes()), 4 * layer.scales.len());
        self.u32(at + record::WEIGHTS, weights);
        self.u32(at + record::BIAS, bias);
        self.u32(at + record::SCALES, scales);
    }
}
