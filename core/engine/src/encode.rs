//! Writes network files.

use crate::error::{Error, attempt};
use crate::model::bytes::crc32;
use crate::model::desc::{Element, External, Form, Network, Op, Operator, Pads, Rescale, Storage, Value, Window};
use crate::model::layout::{MAGIC, MAX_OPERATORS, NONE, VERSION, code, header, operator, value};
use crate::model::{Model, graph};
use crate::plan;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes from which on equal blobs are written once: shorter ones are not worth the search.
const SHARED: usize = 16;

/// Writes a network, then reads what it wrote.
///
/// # Errors
/// What [`Model::parse`] refuses.
pub fn encode(network: &Network<'_>) -> Result<Vec<u8>, Error> {
    let mut bytes = write(network)?;
    let arena = plan::check(&attempt!(graph::<false>(&bytes)))?;
    put_u32(&mut bytes, header::ARENA, arena as u32);
    seal(&mut bytes);
    Model::parse(&bytes)?;
    Ok(bytes)
}

/// The file without constants: what a schedule needs to know.
pub(crate) fn tables(network: &Network<'_>) -> Vec<u8> {
    let operators: Vec<Operator<'_>> = network
        .operators
        .iter()
        .map(|op| Operator { weights: &[], bias: &[], rescale: Rescale::Float { scales: &[] }, ..*op })
        .collect();
    let mut file = Writer { bytes: Vec::new(), blobs: BTreeMap::new() };
    write_tables(&mut file, &Network { operators: &operators, labels: "", metadata: "", head: &[], ..*network });
    file.bytes
}

/// The file, with no arena length yet.
pub(crate) fn write(network: &Network<'_>) -> Result<Vec<u8>, Error> {
    let count = network.operators.len();
    if network.values.len() != count + 1 || count > MAX_OPERATORS {
        return Err(Error::InvalidField { offset: header::OPERATOR_COUNT as u32, field: "operator count" });
    }
    for (i, described) in network.operators.iter().enumerate() {
        let wrong = |field| Error::InvalidOperator { operator: i as u16, field };
        if usize::from(described.a) > i || described.b.is_some_and(|b| usize::from(b) > i) {
            return Err(wrong("input (it is not an earlier value)"));
        }
        check_lengths(network, i).map_err(wrong)?;
    }
    let mut file = Writer { bytes: Vec::new(), blobs: BTreeMap::new() };
    write_tables(&mut file, network);
    for (at, bytes) in [
        (header::LABELS, network.labels.as_bytes()),
        (header::METADATA, network.metadata.as_bytes()),
        (header::HEAD, network.head),
    ] {
        file.section(at, bytes);
        file.u32(at + 4, bytes.len() as u32);
    }
    let len = u32::try_from(file.bytes.len());
    file.u32(header::FILE_LEN, len.map_err(|_| Error::InvalidField { offset: header::FILE_LEN as u32, field: "length" })?);
    seal(&mut file.bytes);
    Ok(file.bytes)
}

fn write_tables(file: &mut Writer, network: &Network<'_>) {
    file.bytes.resize(header::SIZE, 0);
    file.put(0, &MAGIC);
    file.u16(header::VERSION, VERSION);
    file.u16(header::LEN, header::SIZE as u16);
    file.u16(header::OPERATOR_COUNT, network.operators.len() as u16);
    file.u16(header::OUTPUT_COUNT, network.outputs.len() as u16);
    file.u16(header::SEGMENT_COUNT, network.segments.len() as u16);
    let values = file.table(header::VALUES, network.values.len() * value::SIZE);
    let operators = file.table(header::OPERATORS, network.operators.len() * operator::SIZE);
    let outputs: Vec<u8> = network.outputs.iter().flat_map(|id| id.to_le_bytes()).collect();
    file.section(header::OUTPUTS, &outputs);
    let segments: Vec<u8> = network.segments.iter().flat_map(|end| end.to_le_bytes()).collect();
    file.section(header::SEGMENTS, &segments);
    let lives = lives(network);
    for (i, (described, (from, to))) in network.values.iter().zip(lives).enumerate() {
        let at = values + i * value::SIZE;
        write_value(file, at, described);
        file.u16(at + value::FROM, from);
        file.u16(at + value::TO, to);
    }
    for (i, described) in network.operators.iter().enumerate() {
        write_operator(file, operators + i * operator::SIZE, described);
    }
}

/// First and last segment that each value lives in.
fn lives(network: &Network<'_>) -> Vec<(u16, u16)> {
    let last = network.segments.len().saturating_sub(1) as u16;
    let segment_of = |i: usize| network.segments.partition_point(|end| usize::from(*end) <= i) as u16;
    let mut lives: Vec<(u16, u16)> =
        (0..network.values.len()).map(|id| segment_of(id.saturating_sub(1))).map(|from| (from, from)).collect();
    for (i, operator) in network.operators.iter().enumerate() {
        for id in [Some(operator.a), operator.b].into_iter().flatten() {
            if let Some((_, to)) = lives.get_mut(usize::from(id)) {
                *to = (*to).max(segment_of(i));
            }
        }
    }
    for id in network.outputs {
        if let Some((_, to)) = lives.get_mut(usize::from(*id)) {
            *to = last;
        }
    }
    lives
}

/// Constants that are shorter or longer than shapes say would be read beyond.
fn check_lengths(network: &Network<'_>, i: usize) -> Result<(), &'static str> {
    let (Some(described), Some(output)) = (network.operators.get(i), network.values.get(i + 1)) else { return Err("operator") };
    let input = network.values.get(usize::from(described.a)).ok_or("input")?;
    if described.weights.len() != described.op.weights_len(input.shape, output.shape) {
        return Err("weights (their number)");
    }
    if described.bias.len() != 4 * described.op.bias_count(output.shape) {
        return Err("biases (their number)");
    }
    match described.rescale {
        Rescale::Float { scales } if scales.len() % 4 != 0 => Err("scales (their number)"),
        Rescale::Fixed { multipliers, shifts } if multipliers.len() != 4 * shifts.len() => Err("shifts (their number)"),
        _ => Ok(()),
    }
}

fn seal(bytes: &mut [u8]) {
    let crc = crc32(bytes.get(header::ARENA..).unwrap_or_default(), 0);
    put_u32(bytes, header::CRC, crc);
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(to) = bytes.get_mut(at..at + 4) {
        to.copy_from_slice(&value.to_le_bytes());
    }
}

struct Writer {
    bytes: Vec<u8>,
    /// Where blobs lie: those that are the same are written once.
    blobs: BTreeMap<Vec<u8>, usize>,
}

impl Writer {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.bytes.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    /// Room for a table, whose offset is written at `field`.
    fn table(&mut self, field: usize, len: usize) -> usize {
        let at = self.align();
        self.bytes.resize(at + len, 0);
        self.u32(field, at as u32);
        at
    }

    /// A blob, whose offset is written at `field`.
    fn section(&mut self, field: usize, bytes: &[u8]) {
        if let Some(at) = self.blobs.get(bytes).copied() {
            return self.u32(field, at as u32);
        }
        let at = self.table(field, bytes.len());
        self.put(at, bytes);
        if bytes.len() >= SHARED {
            self.blobs.insert(bytes.to_vec(), at);
        }
    }

    fn align(&mut self) -> usize {
        let at = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(at, 0);
        at
    }
}

fn write_value(file: &mut Writer, at: usize, described: &Value) {
    let shape = described.shape;
    for (i, extent) in [shape.height, shape.width, shape.channels].into_iter().enumerate() {
        file.u16(at + value::SHAPE + 2 * i, extent);
    }
    file.put(at + value::ELEMENT, &[u8::from(described.element == Element::F32), described.zero_point as u8]);
    file.put(at + value::SCALE, &described.scale.to_le_bytes());
    let external = match described.external {
        External::I8 => 0,
        External::U8 => 1,
        External::F32 => 2,
    };
    file.put(at + value::EXTERNAL, &[external]);
    let (kind, rows, start, kept, over, strip) = match described.storage {
        Storage::Waiting { at, rows, kept, strip } => (0, rows, at, kept, NONE, strip),
        Storage::Recomputed { at, rows, strip } => (2, rows, at, 0, NONE, strip),
        Storage::Ring { at, rows, over } => (1, rows, at, 0, over.unwrap_or(NONE), 0),
        Storage::Columns { at, pitch, over } => (3, described.shape.height, at, pitch, over.unwrap_or(NONE), 0),
    };
    file.put(at + value::STORAGE, &[kind]);
    file.u16(at + value::ROWS, rows);
    file.u32(at + value::AT, start);
    file.u32(at + value::KEPT, kept);
    file.u16(at + value::OVER, over);
    file.u16(at + value::STRIP, strip);
}

fn write_operator(file: &mut Writer, at: usize, described: &Operator<'_>) {
    let plain = Window { kernel: [0; 2], stride: [0; 2], dilation: [0; 2], pads: Pads::default() };
    let (kind, window, groups, mut flags, pad_value, diff_min) = match described.op {
        Op::Conv2d { window, groups } => (code::CONV_2D, window, groups, 0, 0, 0),
        Op::DepthwiseConv2d { window } => (code::DEPTHWISE_CONV_2D, window, 0, 0, 0, 0),
        Op::Dense { shared } => (code::DENSE, plain, 0, if shared { operator::SHARED } else { 0 }, 0, 0),
        Op::Add => (code::ADD, plain, 0, 0, 0, 0),
        Op::Mul => (code::MUL, plain, 0, 0, 0, 0),
        Op::AveragePool2d { window } => (code::AVERAGE_POOL_2D, window, 0, 0, 0, 0),
        Op::MaxPool2d { window } => (code::MAX_POOL_2D, window, 0, 0, 0, 0),
        Op::Mean { kernel } => (code::MEAN, Window { kernel, ..plain }, 0, 0, 0, 0),
        Op::Concat => (code::CONCAT, plain, 0, 0, 0, 0),
        Op::Pad { pads, value } => (code::PAD, Window { pads, ..plain }, 0, 0, value, 0),
        Op::ResizeNearest => (code::RESIZE_NEAREST, plain, 0, 0, 0, 0),
        Op::Table => (code::TABLE, plain, 0, 0, 0, 0),
        Op::Softmax { diff_min } => (code::SOFTMAX, plain, 0, 0, 0, diff_min),
        Op::Reshape => (code::RESHAPE, plain, 0, 0, 0, 0),
        Op::Crop { left } => (code::CROP, Window { kernel: [0, left], ..plain }, 0, 0, 0, 0),
        Op::ConcatColumns => (code::CONCAT_COLUMNS, plain, 0, 0, 0, 0),
    };
    let state = match described.form {
        Form::Rows => 0,
        Form::Accumulate { at } => {
            flags |= operator::ACCUMULATE;
            at
        }
    };
    file.put(at + operator::CODE, &[kind]);
    file.u16(at + operator::A, described.a);
    file.u16(at + operator::B, described.b.unwrap_or(NONE));
    for (i, extent) in window.kernel.into_iter().enumerate() {
        file.u16(at + operator::KERNEL + 2 * i, extent);
    }
    let Pads { top, left, bottom, right } = window.pads;
    file.put(at + operator::STRIDE, &window.stride);
    file.put(at + operator::DILATION, &window.dilation);
    file.put(at + operator::PADS, &[top, left, bottom, right]);
    file.put(at + operator::FLAGS, &[flags, pad_value as u8, described.clamp[0] as u8, described.clamp[1] as u8]);
    file.u16(at + operator::GROUPS, groups);
    file.section(at + operator::WEIGHTS, described.weights);
    file.section(at + operator::BIAS, described.bias);
    let count = match described.rescale {
        Rescale::Float { scales } => {
            file.section(at + operator::SCALES, scales);
            scales.len() / 4
        }
        Rescale::Fixed { multipliers, shifts } => {
            file.put(at + operator::ARITHMETIC, &[1]);
            file.section(at + operator::SCALES, multipliers);
            file.section(at + operator::SHIFTS, shifts);
            shifts.len()
        }
    };
    file.u32(at + operator::SCALE_COUNT, count as u32);
    file.u32(at + operator::STATE, state);
    file.put(at + operator::DIFF_MIN, &diff_min.to_le_bytes());
}
