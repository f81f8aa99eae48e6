//! Operators that take each row as it comes: sums, two or four bytes each, and maxima.

use super::pool::{Average, clamp_max, fold_max, under};
use super::step::{Step, copy};
use super::window::{add_dense_row, finish_dense};
use crate::kernels::Kernel;
use crate::model::desc::{Op, Window};
use crate::plan::reads::{state_rows, state_size};
use core::ops::Range;

/// Output channels of a dense layer whose sums are on the stack together.
const BLOCK: usize = 32;

/// Before the first row.
pub fn reset(op: &Op, state: &mut [i8]) {
    state.fill(if let Op::MaxPool2d { .. } = op { i8::MIN } else { 0 });
}

/// A mean as a window that moves by its own size.
fn window_of(op: &Op) -> Option<Window> {
    match op {
        Op::AveragePool2d { window } | Op::MaxPool2d { window } => Some(*window),
        Op::Mean { kernel } => {
            let stride = kernel.map(|extent| u8::try_from(extent).unwrap_or(u8::MAX));
            Some(Window { kernel: *kernel, stride, dilation: [1, 1], pads: Default::default() })
        }
        _ => None,
    }
}

/// Vertical stride; of a mean its height, which may be above 255.
fn strides(op: &Op, window: &Window) -> [usize; 2] {
    if let Op::Mean { kernel } = op { kernel.map(usize::from) } else { window.stride.map(usize::from) }
}

/// Output rows whose windows hold input row `row`.
fn open(step: &Step<'_>, window: &Window, row: u32) -> Range<u32> {
    let stride = strides(&step.operator.op, window)[0].max(1) as u32;
    let (at, height) = (row + u32::from(window.pads.top), u32::from(window.kernel[0]));
    let first = (at + 1).saturating_sub(height).div_ceil(stride);
    first..(at / stride + 1).min(u32::from(step.output.shape.height))
}

/// The part of the state that belongs to output row `y`.
fn part<'a>(step: &Step<'_>, y: u32, state: &'a mut [i8]) -> Option<&'a mut [i8]> {
    let rows = state_rows(&step.operator.op, step.output.shape) as u32;
    let len = step.output.shape.row_len() * state_size(&step.operator.op);
    let at = y.checked_rem(rows)? as usize * len;
    state.get_mut(at..at + len)
}

/// Takes an input row; `finishing` is the output row that it finishes, which of maxima is written elsewhere already.
pub fn fold(
    step: &Step<'_>,
    kernel: &Kernel,
    row_number: u32,
    row: &[i8],
    finishing: Option<u32>,
    state: &mut [i8],
) -> Option<()> {
    let op = step.operator.op;
    if let Op::Dense { shared } = op {
        let mut sums = [0i32; BLOCK];
        for (i, bytes) in state.chunks_mut(4 * BLOCK).enumerate() {
            let sums = sums.get_mut(..bytes.len() / 4)?;
            load(bytes, sums);
            add_dense_row(step, kernel, shared, row_number, row, i * BLOCK, sums);
            for (sum, to) in sums.iter().zip(bytes.chunks_exact_mut(4)) {
                store(*sum, to);
            }
        }
        return Some(());
    }
    let window = window_of(&op)?;
    for y in open(step, &window, row_number) {
        if let Op::MaxPool2d { .. } = op {
            if finishing != Some(y) {
                fold_max(step, window, row, part(step, y, state)?)?;
            }
        } else {
            let across = [usize::from(window.kernel[1]), strides(&op, &window)[1]];
            fold_sums(step, across, window.pads.left, 0, row, part(step, y, state)?)?;
        }
    }
    Some(())
}

/// Adds the pixels of an input row from `first` on to sums.
pub fn fold_pixels(step: &Step<'_>, row_number: u32, first: usize, pixels: &[i8], state: &mut [i8]) -> Option<()> {
    let op = step.operator.op;
    let window = window_of(&op)?;
    let across = [usize::from(window.kernel[1]), strides(&op, &window)[1]];
    for y in open(step, &window, row_number) {
        fold_sums(step, across, window.pads.left, first, pixels, part(step, y, state)?)?;
    }
    Some(())
}

fn fold_sums(step: &Step<'_>, [kernel, stride]: [usize; 2], left: u8, first: usize, row: &[i8], sums: &mut [i8]) -> Option<()> {
    let input = step.inputs[0].shape;
    let (channels, size) = (usize::from(input.channels).max(1), state_size(&step.operator.op));
    for (x, pixel) in sums.chunks_exact_mut(size * channels).enumerate() {
        let columns = under(x, kernel, stride, left, input.width);
        let (start, end) = (columns.start.max(first) - first, columns.end.saturating_sub(first).min(row.len() / channels));
        for cell in row.get(start * channels..end.max(start) * channels).unwrap_or_default().chunks_exact(channels) {
            for (sum, q) in pixel.chunks_exact_mut(size).zip(cell) {
                store(word(sum).wrapping_add(i32::from(*q)), sum);
            }
        }
    }
    Some(())
}

fn word(bytes: &[i8]) -> i32 {
    match bytes {
        [a, b] => i32::from(i16::from_le_bytes([*a as u8, *b as u8])),
        [a, b, c, d] => i32::from_le_bytes([*a as u8, *b as u8, *c as u8, *d as u8]),
        _ => 0,
    }
}

fn store(sum: i32, to: &mut [i8]) {
    for (to, byte) in to.iter_mut().zip(sum.to_le_bytes()) {
        *to = byte as i8;
    }
}

fn load(bytes: &[i8], sums: &mut [i32]) {
    for (sum, bytes) in sums.iter_mut().zip(bytes.chunks_exact(4)) {
        *sum = word(bytes);
    }
}

/// Writes output row `y`, which is finished; of maxima with `last`, the row that finishes it and was not taken yet.
pub fn write_finished(step: &Step<'_>, y: u32, last: &[i8], state: &[i8], out: &mut [i8]) -> Option<()> {
    let (op, shape) = (step.operator.op, step.output.shape);
    if let Op::Dense { .. } = op {
        let mut sums = [0i32; BLOCK];
        for (i, bytes) in state.chunks(4 * BLOCK).enumerate() {
            let sums = sums.get_mut(..bytes.len() / 4)?;
            load(bytes, sums);
            finish_dense(step, i * BLOCK, sums, out)?;
        }
        return Some(());
    }
    let window = window_of(&op)?;
    let rows = state_rows(&op, shape) as u32;
    if let Op::MaxPool2d { .. } = op {
        match y.checked_rem(rows) {
            Some(slot) => copy(state.get(slot as usize * shape.row_len()..)?.get(..shape.row_len())?, out)?,
            None => out.fill(i8::MIN),
        }
        if !last.is_empty() {
            fold_max(step, window, last, out)?;
        }
        clamp_max(step, out);
        return Some(());
    }
    let [down, across] = strides(&op, &window);
    let average = Average::new(step, window.kernel, matches!(op, Op::Mean { .. }));
    let input = step.inputs[0].shape;
    let height = under(y as usize, usize::from(window.kernel[0]), down, window.pads.top, input.height).len();
    let size = state_size(&op);
    let sums = state.get(y.checked_rem(rows)? as usize * size * shape.row_len()..)?;
    let channels = usize::from(shape.channels).max(1);
    let pixels = sums.chunks_exact(size * channels).zip(out.chunks_exact_mut(channels));
    for (x, (sums, out)) in pixels.enumerate() {
        let width = under(x, usize::from(window.kernel[1]), across, window.pads.left, input.width).len();
        for (sum, to) in sums.chunks_exact(size).zip(out) {
            *to = average.of(word(sum), (height * width) as i32);
        }
    }
    Some(())
}

/// Makes room for a later output row where `y` was.
pub fn clear(step: &Step<'_>, y: u32, state: &mut [i8]) -> Option<()> {
    let op = step.operator.op;
    if state_rows(&op, step.output.shape) > 0 && !matches!(op, Op::Dense { .. }) {
        reset(&op, part(step, y, state)?);
    }
    Some(())
}
