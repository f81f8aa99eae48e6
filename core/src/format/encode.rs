//! Writing a model file, beside its reader.

use super::bytes::crc32;
use super::{MAGIC, MAX_LAYERS, Model, OP_CONV_2D, OP_DENSE, OP_MAX_POOL_2D, Op, VERSION, header, record};
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
    /// Weights: `[out][ky][kx][in]` of a convolution, `[class][y][x][channel]` of a dense layer, empty for pooling.
    pub weights: &'a [i8],
    /// Biases with `zx * sum(w)` subtracted; empty for pooling.
    pub bias: &'a [i32],
    /// Scales; empty for pooling.
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
}

const fn align(n: usize) -> usize {
    n.next_multiple_of(16)
}

fn names_len(spec: &ModelSpec<'_>) -> usize {
    spec.class_names.iter().map(|name| name.len() + 1).sum::<usize>().saturating_sub(1)
}

/// Length of the encoded file, in bytes.
pub fn encoded_len(spec: &ModelSpec<'_>) -> usize {
    let blobs: usize =
        spec.layers.iter().map(|l| align(l.weights.len()) + align(4 * l.bias.len()) + align(4 * l.scales.len())).sum();
    align(header::SIZE + spec.layers.len() * record::SIZE) + blobs + align(names_len(spec)) + align(spec.metadata.len())
}

/// Writes the file into `out` and returns its length.
///
/// # Errors
/// [`Error::BufferTooSmall`], or whatever [`Model::parse`] says of the result: what would not run is not written.
pub fn encode(spec: &ModelSpec<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let needed = encoded_len(spec);
    let given = out.len();
    let Some(out) = out.get_mut(..needed) else {
        return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
    };
    if spec.layers.is_empty() || spec.layers.len() > MAX_LAYERS {
        return Err(Error::InvalidField { offset: header::LAYER_COUNT as u32, field: "layer count" });
    }
    out.fill(0);
    let mut w = Writer { out, end: align(header::SIZE + spec.layers.len() * record::SIZE) };
    w.put(0, &MAGIC);
    w.u16(header::VERSION, VERSION);
    w.u16(header::LEN, header::SIZE as u16);
    w.u32(header::FILE_LEN, needed as u32);
    w.shape(header::INPUT, spec.input);
    w.u16(header::LAYER_COUNT, spec.layers.len() as u16);
    w.u16(header::CLASS_COUNT, spec.class_names.len() as u16);
    w.u32(header::TEMPERATURE, spec.temperature.to_bits());
    w.u32(header::ABSTAIN_BELOW, spec.abstain_below.to_bits());
    w.u32(header::LAYERS, header::SIZE as u32);
    let mut input = spec.input;
    let mut arena = 0;
    for (i, layer) in spec.layers.iter().enumerate() {
        w.layer(header::SIZE + i * record::SIZE, input, layer);
        arena += plan::layer_bytes(layer.op, input);
        input = layer.output;
    }
    w.u32(header::ARENA, arena as u32);
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
    let crc = crc32(w.out, header::INPUT);
    w.u32(header::CRC, crc);
    Model::parse(w.out).map(|_| needed)
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

    fn layer(&mut self, at: usize, input: Shape, layer: &LayerSpec<'_>) {
        let none = Window2d { kernel: [0; 2], stride: [0; 2], pad: Padding::default() };
        let (code, window) = match layer.op {
            Op::Conv2d(window) => (OP_CONV_2D, window),
            Op::MaxPool2d(window) => (OP_MAX_POOL_2D, window),
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
        let weights = self.append(layer.weights.iter().map(|v| *v as u8), layer.weights.len());
        let bias = self.append(layer.bias.iter().flat_map(|v| v.to_le_bytes()), 4 * layer.bias.len());
        let scales = self.append(layer.scales.iter().flat_map(|v| v.to_bits().to_le_bytes()), 4 * layer.scales.len());
        self.u32(at + record::WEIGHTS, weights);
        self.u32(at + record::BIAS, bias);
        self.u32(at + record::SCALES, scales);
    }
}
