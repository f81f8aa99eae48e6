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

impl Step<'_> {
    /// Pixels from `first` on of row `y` of an operator that works value by value; of input `taken` these pixels are `cells`.
    pub fn pixels(
        &self,
        y: u32,
        sources: [Source<'_>; 2],
        taken: [bool; 2],
        cells: &[i8],
        first: usize,
        out: &mut [i8],
    ) -> Option<()> {
        let channels = usize::from(self.output.shape.channels);
        let part = |i: usize| {
            match (taken[i], self.inputs[i].shape.width == self.output.shape.width) {
                (true, _) => Some(cells),
                (_, true) => {
                    let row = sources[i].row(if self.inputs[i].shape.height == 1 { 0 } else { y })?;
                    row.get(first * channels..first * channels + out.len())
                }
                // One pixel for all.
                _ => sources[i].row(0),
            }
        };
        match self.operator.op {
            Op::Table => elementwise::table(self, cells, out),
            _ => elementwise::binary_cells(self, part(0)?, part(1)?, out),
        }
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
