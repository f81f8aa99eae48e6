//! The model file: read in place, checked once.

#[doc(hidden)] // for cxr-core, whose files have the same fields
pub mod bytes;
mod check;
pub mod desc;
pub(crate) mod layout;
mod parse;
mod shape;
mod sizes;

use bytes::{f32_at, i8_at, record, slice, u8_at, u16_at, u32_at};
pub(crate) use check::MAX_KERNEL_ROWS;
use desc::{Element, External, Form, Op, Operator, Pads, Rescale, Shape, Storage, Value, ValueId, Window};
use layout::{NONE, code, header, operator, value};
#[cfg(feature = "encode")]
pub(crate) use parse::graph;
pub use sizes::ScaleCount;
pub(crate) use sizes::filter_stride;

/// A checked network, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    pub(crate) bytes: &'m [u8],
    values: &'m [u8],
    operators: &'m [u8],
    outputs: &'m [u8],
    segments: &'m [u8],
}

impl<'m> Model<'m> {
    /// Tables of a file; what is not there is empty.
    pub(crate) const fn new(bytes: &'m [u8]) -> Self {
        let operators = u16_at(bytes, header::OPERATOR_COUNT) as usize;
        Self {
            bytes,
            values: slice(bytes, u32_at(bytes, header::VALUES) as usize, (operators + 1) * value::SIZE),
            operators: slice(bytes, u32_at(bytes, header::OPERATORS) as usize, operators * operator::SIZE),
            outputs: slice(bytes, u32_at(bytes, header::OUTPUTS) as usize, 2 * u16_at(bytes, header::OUTPUT_COUNT) as usize),
            segments: slice(bytes, u32_at(bytes, header::SEGMENTS) as usize, 2 * u16_at(bytes, header::SEGMENT_COUNT) as usize),
        }
    }

    /// Bytes of arena that an inference needs, exactly.
    pub const fn arena_bytes(&self) -> usize {
        u32_at(self.bytes, header::ARENA) as usize
    }

    /// CRC-32 of the file.
    pub const fn checksum(&self) -> u32 {
        u32_at(self.bytes, header::CRC)
    }

    /// Operators; there is one value more.
    pub const fn operator_count(&self) -> usize {
        self.operators.len() / operator::SIZE
    }

    /// Outputs.
    pub const fn output_count(&self) -> usize {
        self.outputs.len() / 2
    }

    /// Segments of the plan.
    pub const fn segment_count(&self) -> usize {
        self.segments.len() / 2
    }

    /// First operator of segment `i` and one past its last.
    pub const fn segment(&self, i: usize) -> (u16, u16) {
        let first = match i.checked_sub(1) {
            Some(before) => u16_at(self.segments, 2 * before),
            None => 0,
        };
        (first, u16_at(self.segments, 2 * i))
    }

    /// Value `id` of the file that output `i` is.
    pub const fn output(&self, i: usize) -> Option<ValueId> {
        if i < self.output_count() { Some(u16_at(self.outputs, 2 * i)) } else { None }
    }

    /// One label a line, or empty.
    pub const fn labels(&self) -> &'m str {
        self.text(header::LABELS)
    }

    /// A JSON object, or empty.
    pub const fn metadata(&self) -> &'m str {
        self.text(header::METADATA)
    }

    /// Bytes that the engine does not look into.
    pub const fn head(&self) -> &'m [u8] {
        self.section(header::HEAD)
    }

    const fn section(&self, at: usize) -> &'m [u8] {
        slice(self.bytes, u32_at(self.bytes, at) as usize, u32_at(self.bytes, at + 4) as usize)
    }

    const fn text(&self, at: usize) -> &'m str {
        match core::str::from_utf8(self.section(at)) {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    /// A value's bytes in the file, zeros where there is none: fields of a record of known length need no check each.
    #[inline(always)]
    const fn value_record(&self, id: ValueId) -> &'m [u8; value::SIZE] {
        record(self.values, id as usize)
    }

    /// As [`value_record`](Self::value_record), of an operator.
    #[inline(always)]
    const fn operator_record(&self, i: u16) -> &'m [u8; operator::SIZE] {
        record(self.operators, i as usize)
    }

    /// Extents of a value, the input's where there is no such value.
    #[inline]
    pub const fn shape(&self, id: ValueId) -> Shape {
        let b = self.value_record(id);
        Shape::new(u16_at(b, value::SHAPE), u16_at(b, value::SHAPE + 2), u16_at(b, value::SHAPE + 4))
    }

    /// Bytes of a row of a value in the arena.
    #[inline]
    pub const fn row_bytes(&self, id: ValueId) -> usize {
        let size = if u8_at(self.value_record(id), value::ELEMENT) == 1 { 4 } else { 1 };
        self.shape(id).row_len() * size
    }

    /// First and last segment that a value lives in.
    #[inline]
    pub(crate) const fn segments_of(&self, id: ValueId) -> (u16, u16) {
        let b = self.value_record(id);
        (u16_at(b, value::FROM), u16_at(b, value::TO))
    }

    /// Where the rows of a value lie.
    #[inline]
    pub const fn storage(&self, id: ValueId) -> Storage {
        let b = self.value_record(id);
        let (rows, start) = (u16_at(b, value::ROWS), u32_at(b, value::AT));
        let strip = u16_at(b, value::STRIP);
        match u8_at(b, value::STORAGE) {
            0 => return Storage::Waiting { at: start, rows, kept: u32_at(b, value::KEPT), strip },
            2 => return Storage::Recomputed { at: start, rows, strip },
            _ => {}
        }
        let is_ring = u8_at(b, value::STORAGE) == 1;
        let over = match u16_at(b, value::OVER) {
            NONE => None,
            over => Some(over),
        };
        if is_ring {
            return Storage::Ring { at: start, rows, over };
        }
        Storage::Columns { at: start, pitch: u32_at(b, value::KEPT), over }
    }

    /// Value `id`.
    pub const fn value(&self, id: ValueId) -> Option<Value> {
        let b = self.value_record(id);
        if id as usize > self.operator_count() {
            return None;
        }
        Some(Value {
            shape: self.shape(id),
            element: if u8_at(b, value::ELEMENT) == 1 { Element::F32 } else { Element::I8 },
            external: match u8_at(b, value::EXTERNAL) {
                1 => External::U8,
                2 => External::F32,
                _ => External::I8,
            },
            zero_point: i8_at(b, value::ZERO_POINT),
            scale: f32_at(b, value::SCALE),
            storage: self.storage(id),
        })
    }

    /// What operator `i` reads; the second is the first where there is one only.
    #[inline]
    pub(crate) const fn inputs(&self, i: u16) -> (ValueId, ValueId) {
        let b = self.operator_record(i);
        let (a, b) = (u16_at(b, operator::A), u16_at(b, operator::B));
        (a, if b == NONE { a } else { b })
    }

    /// True if operator `i` reads `id`.
    #[inline]
    pub(crate) const fn reads(&self, i: u16, id: ValueId) -> bool {
        let (a, b) = self.inputs(i);
        a == id || b == id
    }

    /// When operator `i` reads.
    #[inline]
    pub(crate) const fn form(&self, i: u16) -> Form {
        let b = self.operator_record(i);
        if u8_at(b, operator::FLAGS) & operator::ACCUMULATE != 0 {
            Form::Accumulate { at: u32_at(b, operator::STATE) }
        } else {
            Form::Rows
        }
    }

    /// What operator `i` does.
    #[inline]
    pub const fn op(&self, i: u16) -> Option<Op> {
        let b = self.operator_record(i);
        let window = Window {
            kernel: [u16_at(b, operator::KERNEL), u16_at(b, operator::KERNEL + 2)],
            stride: [u8_at(b, operator::STRIDE), u8_at(b, operator::STRIDE + 1)],
            dilation: [u8_at(b, operator::DILATION), u8_at(b, operator::DILATION + 1)],
            pads: Pads {
                top: u8_at(b, operator::PADS),
                left: u8_at(b, operator::PADS + 1),
                bottom: u8_at(b, operator::PADS + 2),
                right: u8_at(b, operator::PADS + 3),
            },
        };
        Some(match u8_at(b, operator::CODE) {
            code::CONV_2D => Op::Conv2d { window, groups: u16_at(b, operator::GROUPS) },
            code::DEPTHWISE_CONV_2D => Op::DepthwiseConv2d { window },
            code::DENSE => Op::Dense { shared: u8_at(b, operator::FLAGS) & operator::SHARED != 0 },
            code::ADD => Op::Add,
            code::MUL => Op::Mul,
            code::AVERAGE_POOL_2D => Op::AveragePool2d { window },
            code::MAX_POOL_2D => Op::MaxPool2d { window },
            code::MEAN => Op::Mean { kernel: window.kernel },
            code::CONCAT => Op::Concat,
            code::PAD => Op::Pad { pads: window.pads, value: i8_at(b, operator::PAD_VALUE) },
            code::RESIZE_NEAREST => Op::ResizeNearest,
            code::TABLE => Op::Table,
            code::SOFTMAX => Op::Softmax { diff_min: u32_at(b, operator::DIFF_MIN) as i32 },
            code::RESHAPE => Op::Reshape,
            code::CROP => Op::Crop { left: window.kernel[1] },
            code::CONCAT_COLUMNS => Op::ConcatColumns,
            _ => return None,
        })
    }

    /// Operator `i` with its constants.
    pub const fn operator(&self, i: u16) -> Option<Operator<'m>> {
        let Some(op) = self.op(i) else { return None };
        let b = self.operator_record(i);
        let (a, second) = (u16_at(b, operator::A), u16_at(b, operator::B));
        let (input, output) = (self.shape(a), self.shape(i + 1));
        let scales = u32_at(b, operator::SCALE_COUNT) as usize;
        let multipliers = slice(self.bytes, u32_at(b, operator::SCALES) as usize, scales.saturating_mul(4));
        let rescale = if u8_at(b, operator::ARITHMETIC) == 0 {
            Rescale::Float { scales: multipliers }
        } else {
            Rescale::Fixed { multipliers, shifts: slice(self.bytes, u32_at(b, operator::SHIFTS) as usize, scales) }
        };
        Some(Operator {
            op,
            a,
            b: if second == NONE { None } else { Some(second) },
            clamp: [i8_at(b, operator::CLAMP), i8_at(b, operator::CLAMP + 1)],
            weights: slice(self.bytes, u32_at(b, operator::WEIGHTS) as usize, op.weights_len(input, output)),
            bias: slice(self.bytes, u32_at(b, operator::BIAS) as usize, op.bias_count(output).saturating_mul(4)),
            rescale,
            form: self.form(i),
        })
    }

    /// Bytes of weights, biases, scales and tables.
    pub const fn constant_bytes(&self) -> u64 {
        let (mut sum, mut i) = (0u64, 0);
        while (i as usize) < self.operator_count() {
            if let Some(op) = self.operator(i) {
                sum += op.constant_bytes();
            }
            i += 1;
        }
        sum
    }
}
