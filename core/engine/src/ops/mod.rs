//! Operators, one output row at a time. `None` is an internal fault: a row is not where the plan says.

mod accumulate;
mod copies;
mod elementwise;
mod pool;
mod step;
pub mod window;

pub use accumulate::{clear, fold, fold_pixels, reset, write_finished};
pub use step::{Cells, Step, copy};

use crate::kernels::Kernel;
use crate::model::desc::Op;
use crate::session::memory::Source;

impl Step<'_> {
    /// Writes output row `y` from the rows of its inputs.
    pub fn row(&self, kernel: &Kernel, y: u32, sources: [Source<'_>; 2], out: &mut [i8]) -> Option<()> {
        let [a, b] = &sources;
        match self.operator.op {
            Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } => window::row(self, kernel, y, a, out),
            Op::Dense { shared } => window::dense(self, kernel, shared, a, out),
            Op::Add | Op::Mul => elementwise::binary(self, kernel, y, a, b, out),
            Op::Table => elementwise::table(self, a.row(y)?, out),
            Op::Softmax { diff_min } => elementwise::softmax(self, diff_min, a.row(y)?, out),
            Op::AveragePool2d { window } => pool::average(self, window, y, a, out),
            Op::MaxPool2d { window } => pool::max(self, window, y, a, out),
            Op::Mean { kernel } => pool::mean(self, kernel, y, a, out),
            Op::Concat => copies::concat(self, a.row(y)?, b.row(y)?, out),
            Op::Pad { pads, value } => copies::pad(self, pads, value, y, a, out),
            Op::ResizeNearest => copies::resize(self, y, a, out),
            Op::Reshape => copies::reshape(self, y, a, out),
            Op::Crop { left } => copies::crop(self, left, a.row(y)?, out),
            Op::ConcatColumns => copies::concat_columns(a.row(y)?, b.row(y)?, out),
        }
    }

    /// Computes value by value; what was taken is in `out`.
    pub fn in_place(&self, kernel: &Kernel, inputs: [Cells<'_>; 2], out: &mut [i8]) -> Option<()> {
        if let Op::Table = self.operator.op {
            return elementwise::table_in_place(self, out);
        }
        elementwise::binary_in_place(self, kernel, inputs, out);
        Some(())
    }
}
