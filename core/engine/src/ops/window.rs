//! Convolutions and dense layers.

use super::step::Step;
use crate::kernels::general::{Columns, ConvRow, DepthwiseRow};
use crate::kernels::{Kernel, edges};
use crate::model::MAX_KERNEL_ROWS;
use crate::model::desc::{Element, Op};
use crate::model::filter_stride;
use crate::session::memory::Source;

/// Pixels of input rows of which no more exist.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The first row.
    pub row: u32,
    /// How many.
    pub rows: u32,
    /// Their first pixel here.
    pub from: usize,
    /// The pixels.
    pub cells: &'a [i8],
    /// Values from a row to the next.
    pub pitch: usize,
}

/// What part of a row is made.
#[derive(Clone, Copy)]
pub struct Pixels {
    /// The first pixel that is made; as many as there is room for.
    pub first: usize,
    /// Pixels that the input rows have so far, all where they are whole.
    pub end: usize,
}

/// A whole row of a convolution or depthwise convolution.
pub fn row(step: &Step<'_>, kernel: &Kernel, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let pixels = Pixels { first: 0, end: usize::from(step.inputs[0].shape.width) };
    self::pixels(step, kernel, y, source, None, pixels, out)
}

/// Pixels of row `y` of a convolution or depthwise convolution.
pub fn pixels(
    step: &Step<'_>,
    kernel: &Kernel,
    y: u32,
    source: &Source<'_>,
    part: Option<Part<'_>>,
    pixels: Pixels,
    out: &mut [i8],
) -> Option<()> {
    let (Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window }) = step.operator.op else { return None };
    let input = step.inputs[0].shape;
    let channels = usize::from(input.channels);
    let (at, left) = (pixels.first * usize::from(window.stride[1]), usize::from(window.pads.left));
    let from = at.saturating_sub(left);
    // Empty rows are padding.
    let mut rows: [&[i8]; MAX_KERNEL_ROWS] = [&[]; MAX_KERNEL_ROWS];
    let rows = rows.get_mut(..usize::from(window.kernel[0]))?;
    for (ky, row) in rows.iter_mut().enumerate() {
        let below = y * u32::from(window.stride[0]) + ky as u32 * u32::from(window.dilation[0]);
        let Some(y) = below.checked_sub(u32::from(window.pads.top)).filter(|y| *y < u32::from(input.height)) else { continue };
        let (cells, before) = match part {
            Some(part) if (part.row..part.row + part.rows).contains(&y) => {
                (part.cells.get((y - part.row) as usize * part.pitch..)?, part.from)
            }
            _ => (source.row(y)?, 0),
        };
        *row = cells.get(from.checked_sub(before)? * channels..(pixels.end - before) * channels)?;
    }
    let columns = Columns {
        width: pixels.end - from,
        channels,
        kernel: usize::from(window.kernel[1]),
        stride: usize::from(window.stride[1]),
        dilation: usize::from(window.dilation[1]),
        left: left.saturating_sub(at),
    };
    let filters = step.filters();
    match step.operator.op {
        Op::Conv2d { groups, .. } => {
            let args = ConvRow { rows, columns, groups: usize::from(groups), filters };
            if !edges::conv_row(kernel, &args, step.packed, out) {
                (kernel.general().conv_row)(&args, out);
            }
        }
        _ => {
            let args = DepthwiseRow { rows, columns, filters };
            if !edges::depthwise_row(kernel, &args, out) {
                (kernel.general().depthwise_row)(&args, out);
            }
        }
    }
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
pub fn add_dense_row(step: &Step<'_>, kernel: &Kernel, shared: bool, y: u32, row: &[i8], first: usize, sums: &mut [i32]) {
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
