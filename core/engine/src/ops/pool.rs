//! Pools and means of rows that are all there.

use super::step::Step;
use crate::model::bytes::{f32_at, i8_at, u32_at};
use crate::model::desc::{Rescale, Window};
use crate::quant::{clamp, multiply_by_quantized_multiplier, round_clamped};
use crate::session::memory::Source;
use core::ops::Range;

/// Channels whose sums are on the stack together.
const BLOCK: usize = 32;

/// Cells of a map along one axis that lie under window `i`.
pub fn under(i: usize, kernel: usize, stride: usize, before: u8, extent: u16) -> Range<usize> {
    let (first, end) = (i * stride, i * stride + kernel);
    first.saturating_sub(usize::from(before))..end.saturating_sub(usize::from(before)).min(usize::from(extent))
}

/// How the sum over the cells of a window becomes int8.
#[derive(Clone, Copy)]
pub struct Average<'m> {
    rescale: Rescale<'m>,
    /// Cells of a whole window.
    whole: i32,
    input_zero_point: i32,
    zero_point: i32,
    clamp: [i8; 2],
    is_mean: bool,
}

impl<'m> Average<'m> {
    pub fn new(step: &Step<'m>, kernel: [u16; 2], is_mean: bool) -> Self {
        Self {
            rescale: step.operator.rescale,
            whole: i32::from(kernel[0]).wrapping_mul(i32::from(kernel[1])),
            input_zero_point: i32::from(step.inputs[0].zero_point),
            zero_point: i32::from(step.output.zero_point),
            clamp: step.operator.clamp,
            is_mean,
        }
    }

    /// The mean of so many cells with this sum.
    #[inline(always)]
    pub fn of(&self, sum: i32, cells: i32) -> i8 {
        let centred = sum.wrapping_sub(cells.wrapping_mul(self.input_zero_point));
        let q = match self.rescale {
            Rescale::Float { scales } => {
                let scale = f32_at(scales, 0);
                let scale = if cells == self.whole { scale } else { scale * self.whole as f32 / cells as f32 };
                round_clamped(centred as f32 * scale) + self.zero_point
            }
            Rescale::Fixed { multipliers, shifts } if self.is_mean => {
                multiply_by_quantized_multiplier(centred, u32_at(multipliers, 0) as i32, i8_at(shifts, 0)) + self.zero_point
            }
            Rescale::Fixed { .. } => {
                let half = if sum > 0 { cells / 2 } else { -(cells / 2) };
                sum.wrapping_add(half).checked_div(cells).unwrap_or(0)
            }
        };
        clamp(q, self.clamp)
    }
}

pub fn average(step: &Step<'_>, window: Window, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let rows = under(
        y as usize,
        usize::from(window.kernel[0]),
        usize::from(window.stride[0]),
        window.pads.top,
        step.inputs[0].shape.height,
    );
    let across = [usize::from(window.kernel[1]), usize::from(window.stride[1])];
    sums(step, Average::new(step, window.kernel, false), rows, across, window.pads.left, source, out)
}

pub fn mean(step: &Step<'_>, kernel: [u16; 2], y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let (height, width) = (usize::from(kernel[0]), usize::from(kernel[1]));
    let rows = under(y as usize, height, height, 0, step.inputs[0].shape.height);
    sums(step, Average::new(step, kernel, true), rows, [width, width], 0, source, out)
}

fn sums(
    step: &Step<'_>,
    average: Average<'_>,
    rows: Range<usize>,
    [kernel, stride]: [usize; 2],
    left: u8,
    source: &Source<'_>,
    out: &mut [i8],
) -> Option<()> {
    let input = step.inputs[0].shape;
    let channels = usize::from(input.channels).max(1);
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let columns = under(x, kernel, stride, left, input.width);
        let cells = (rows.len() * columns.len()) as i32;
        for (block, out) in pixel.chunks_mut(BLOCK).enumerate() {
            let mut sums = [0i32; BLOCK];
            for y in rows.clone() {
                let cells = source.row(y as u32)?.get(columns.start * channels..columns.end * channels)?;
                for cell in cells.chunks_exact(channels) {
                    for (sum, q) in sums.iter_mut().zip(cell.get(block * BLOCK..)?.iter().take(out.len())) {
                        *sum += i32::from(*q);
                    }
                }
            }
            for (to, sum) in out.iter_mut().zip(sums) {
                *to = average.of(sum, cells);
            }
        }
    }
    Some(())
}

pub fn max(step: &Step<'_>, window: Window, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let rows = under(
        y as usize,
        usize::from(window.kernel[0]),
        usize::from(window.stride[0]),
        window.pads.top,
        step.inputs[0].shape.height,
    );
    out.fill(i8::MIN);
    for y in rows {
        fold_max(step, window, source.row(y as u32)?, out)?;
    }
    clamp_max(step, out);
    Some(())
}

/// Raises each output to the greatest cell of this row under its window.
pub fn fold_max(step: &Step<'_>, window: Window, row: &[i8], out: &mut [i8]) -> Option<()> {
    let input = step.inputs[0].shape;
    let channels = usize::from(input.channels).max(1);
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let columns = under(x, usize::from(window.kernel[1]), usize::from(window.stride[1]), window.pads.left, input.width);
        for cell in row.get(columns.start * channels..columns.end * channels)?.chunks_exact(channels) {
            for (best, q) in pixel.iter_mut().zip(cell) {
                *best = (*best).max(*q);
            }
        }
    }
    Some(())
}

pub fn clamp_max(step: &Step<'_>, out: &mut [i8]) {
    for q in out {
        *q = clamp(i32::from(*q), step.operator.clamp);
    }
}
