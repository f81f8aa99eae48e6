//! Convolutions and dense layers.

use super::Step;
use crate::kernels::{Columns, ConvRow, DepthwiseRow, Kernel};
use crate::model::MAX_KERNEL_ROWS;
use crate::model::desc::{Element, Window};
use crate::model::filter_stride;
use crate::session::memory::Source;

/// Rows under a window, empty ones in the padding.
struct UnderWindow<'a> {
    rows: [&'a [i8]; MAX_KERNEL_ROWS],
    height: usize,
}

impl<'a> UnderWindow<'a> {
    fn new(window: Window, y: u32, height: u16, source: &Source<'a>) -> Option<Self> {
        let mut rows: [&[i8]; MAX_KERNEL_ROWS] = [&[]; MAX_KERNEL_ROWS];
        let first = y * u32::from(window.stride[0]);
        for (ky, row) in rows.iter_mut().enumerate().take(usize::from(window.kernel[0])) {
            let at = (first + ky as u32 * u32::from(window.dilation[0])).checked_sub(u32::from(window.pads.top));
            if let Some(at) = at.filter(|at| *at < u32::from(height)) {
                *row = source.row(at)?;
            }
        }
        Some(Self { rows, height: usize::from(window.kernel[0]) })
    }

    fn as_slice(&self) -> &[&'a [i8]] {
        self.rows.get(..self.height).unwrap_or_default()
    }
}

fn columns(step: &Step<'_>, window: Window) -> Columns {
    let input = step.inputs[0].shape;
    Columns {
        width: usize::from(input.width),
        channels: usize::from(input.channels),
        kernel: usize::from(window.kernel[1]),
        stride: usize::from(window.stride[1]),
        dilation: usize::from(window.dilation[1]),
        left: usize::from(window.pads.left),
    }
}

pub fn conv(
    step: &Step<'_>,
    kernel: &Kernel,
    window: Window,
    groups: u16,
    y: u32,
    source: &Source<'_>,
    out: &mut [i8],
) -> Option<()> {
    let rows = UnderWindow::new(window, y, step.inputs[0].shape.height, source)?;
    let (columns, filters) = (columns(step, window), step.filters());
    kernel.conv_row(&ConvRow { rows: rows.as_slice(), columns, groups: usize::from(groups), filters }, out);
    Some(())
}

pub fn depthwise(
    step: &Step<'_>,
    kernel: &Kernel,
    window: Window,
    y: u32,
    source: &Source<'_>,
    out: &mut [i8],
) -> Option<()> {
    let rows = UnderWindow::new(window, y, step.inputs[0].shape.height, source)?;
    let (columns, filters) = (columns(step, window), step.filters());
    kernel.depthwise_row(&DepthwiseRow { rows: rows.as_slice(), columns, filters }, out);
    Some(())
}

/// Output channels whose sums are on the stack together.
const BLOCK: usize = 32;

pub fn dense(step: &Step<'_>, kernel: &Kernel, shared: bool, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let channels = usize::from(step.output.shape.channels);
    for first in (0..channels).step_by(BLOCK) {
        let mut sums = [0; BLOCK];
        let sums = sums.get_mut(..BLOCK.min(channels - first))?;
        for y in 0..u32::from(step.inputs[0].shape.height) {
            add_dense_row(step, kernel, shared, y, source.row(y)?, first, sums);
        }
        finish_dense(step, first, sums, out)?;
    }
    Some(())
}

/// Adds what input row `y` gives to the sums of the channels from `first` on.
pub fn add_dense_row(
    step: &Step<'_>,
    kernel: &Kernel,
    shared: bool,
    y: u32,
    row: &[i8],
    first: usize,
    sums: &mut [i32],
) {
    let input = step.inputs[0].shape;
    let stride = filter_stride(step.operator.op.taps(input));
    let weights = |tap: usize| step.operator.weights.get(first * stride + tap..).unwrap_or_default();
    if shared {
        for pixel in row.chunks_exact(usize::from(input.channels).max(1)) {
            kernel.dots(pixel, weights(0), stride, sums);
        }
    } else {
        kernel.dots(row, weights(y as usize * input.row_len()), stride, sums);
    }
}

/// Writes the outputs of the channels from `first` on.
pub fn finish_dense(step: &Step<'_>, first: usize, sums: &mut [i32], out: &mut [i8]) -> Option<()> {
    let filters = step.filters();
    filters.add_bias(first, sums);
    match step.element {
        Element::I8 => filters.requantize(first, sums, out.get_mut(first..first + sums.len())?),
        Element::F32 => {
            let out = out.get_mut(4 * first..4 * (first + sums.len()))?;
            for (i, (sum, to)) in sums.iter().zip(out.chunks_exact_mut(4)).enumerate() {
                for (to, byte) in to.iter_mut().zip(filters.dequantize(first + i, *sum).to_le_bytes()) {
                    *to = byte as i8;
                }
            }
        }
    }
    Some(())
}
