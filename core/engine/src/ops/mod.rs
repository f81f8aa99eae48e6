//! Operators, one output row at a time. `None` is an internal fault: a row is not where the plan says.

mod accumulate;
mod copies;
mod elementwise;
mod pool;
pub mod window;

pub use accumulate::{clear, fold, reset, write_finished};

use crate::kernels::{Filters, Kernel};
use crate::model::Model;
use crate::model::desc::{Element, Op, Operator, Shape, ValueId};
use crate::session::memory::Source;

/// An operator and what it needs to know of its values.
#[derive(Clone, Copy)]
pub struct Step<'m> {
    /// The operator.
    pub operator: Operator<'m>,
    /// Its inputs, the second the first where there is one.
    pub inputs: [Side; 2],
    /// Its output.
    pub output: Side,
    /// Type of its output.
    pub element: Element,
}

/// A value as an operator sees it.
#[derive(Clone, Copy)]
pub struct Side {
    /// Extents.
    pub shape: Shape,
    /// What stands for 0.
    pub zero_point: i8,
    /// Step between two values.
    pub scale: f32,
}

impl<'m> Step<'m> {
    /// Operator `i`.
    pub fn of(model: &Model<'m>, i: u16) -> Option<Self> {
        let operator = model.operator(i)?;
        let side = |id: ValueId| {
            let value = model.value(id)?;
            Some(Side { shape: value.shape, zero_point: value.zero_point, scale: value.scale })
        };
        let (a, b) = model.inputs(i);
        let element = model.value(i + 1)?.element;
        Some(Self { operator, inputs: [side(a)?, side(b)?], output: side(i + 1)?, element })
    }

    /// Weights and how sums become int8.
    fn filters(&self) -> Filters<'m> {
        Filters {
            weights: self.operator.weights,
            bias: self.operator.bias,
            rescale: self.operator.rescale,
            input_zero_point: self.inputs[0].zero_point,
            zero_point: self.output.zero_point,
            clamp: self.operator.clamp,
            channels: self.output.shape.channels as usize,
        }
    }

    /// Writes output row `y` from the rows of its inputs.
    pub fn row(&self, kernel: &Kernel, y: u32, sources: [Source<'_>; 2], out: &mut [i8]) -> Option<()> {
        let [a, b] = &sources;
        match self.operator.op {
            Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } => window::row(self, kernel, y, a, out),
            Op::Dense { shared } => window::dense(self, kernel, shared, a, out),
            Op::Add | Op::Mul => elementwise::binary(self, y, a, b, out),
            Op::Table => elementwise::table(self, a.row(y)?, out),
            Op::Softmax { diff_min } => elementwise::softmax(self, diff_min, a.row(y)?, out),
            Op::AveragePool2d { window } => pool::average(self, window, y, a, out),
            Op::MaxPool2d { window } => pool::max(self, window, y, a, out),
            Op::Mean { kernel } => pool::mean(self, kernel, y, a, out),
            Op::Concat => copies::concat(self, a.row(y)?, b.row(y)?, out),
            Op::Pad { pads, value } => copies::pad(self, pads, value, y, a, out),
            Op::ResizeNearest => copies::resize(self, y, a, out),
            Op::Reshape => copies::reshape(self, y, a, out),
        }
    }
}

/// What a value is computed from.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    /// The pixels that were just made: where the output goes, or elsewhere.
    Taken,
    /// As many pixels of another row, or one for all.
    Other(&'a [i8]),
}

impl Step<'_> {
    /// The pixels of input `i` that belong to those from `first` on of row `y`, or the one for all.
    pub fn cells<'a>(&self, i: usize, source: &Source<'a>, y: u32, first: usize, len: usize) -> Option<&'a [i8]> {
        let shape = self.inputs.get(i)?.shape;
        if shape.width != self.output.shape.width {
            return source.row(0);
        }
        let row = source.row(if shape.height == 1 { 0 } else { y })?;
        let at = first * usize::from(shape.channels);
        row.get(at..at + len)
    }

    /// Computes value by value; what was taken is in `out`.
    pub fn in_place(&self, inputs: [Cells<'_>; 2], out: &mut [i8]) -> Option<()> {
        if let Op::Table = self.operator.op {
            return elementwise::table_in_place(self, out);
        }
        elementwise::binary_in_place(self, inputs, out);
        Some(())
    }
}

/// `copy_from_slice` without its panic.
#[inline]
pub fn copy(from: &[i8], to: &mut [i8]) -> Option<()> {
    if from.len() != to.len() {
        return None;
    }
    to.copy_from_slice(from);
    Some(())
}
