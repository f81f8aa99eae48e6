//! An operator with what it needs to know of its values.

use crate::kernels::general::Filters;
use crate::kernels::{self, Kernel, edges};
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
    /// Its filters as a kernel packed them, or nothing.
    pub packed: &'m [u8],
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
        Some(Self { operator, inputs: [side(a)?, side(b)?], output: side(i + 1)?, element, packed: &[] })
    }

    /// Packs the filters for a kernel if the buffer is long enough; the bytes that they take, none where the kernel does not
    /// compute this operator or reads filters as they are.
    pub fn pack(&self, kernel: &Kernel, out: &mut [u8]) -> usize {
        let Op::Conv2d { window, groups: 1 } = self.operator.op else { return 0 };
        let Some(filters) = edges::filters(&self.filters(), &[]).filter(|_| window.dilation[1] == 1) else { return 0 };
        let channels = usize::from(self.inputs[0].shape.channels);
        let shape = kernels::Shape {
            height: usize::from(window.kernel[0]),
            span: usize::from(window.kernel[1]) * channels,
            step: usize::from(window.stride[1]) * channels,
            channels: usize::from(self.output.shape.channels),
            wide: false,
            fixed: filters.is_fixed(),
        };
        kernels::Covered::new(shape, filters).map_or(0, |layer| kernel.pack(&layer, out))
    }

    /// Weights and how sums become int8.
    pub fn filters(&self) -> Filters<'m> {
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
