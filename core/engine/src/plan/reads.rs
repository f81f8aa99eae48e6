//! Which input rows an output row is made from.

use crate::model::desc::{Op, Shape};

/// Rows from `first` to below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// First row.
    pub first: u32,
    /// One past the last.
    pub end: u32,
}

/// Rows of an input that output row `y` needs, all at once; `second` of the two inputs of an operator.
#[inline]
pub const fn rows_read(op: &Op, y: u32, input: Shape, output: Shape, second: bool) -> Rows {
    let height = input.height as u32;
    if let Some((reach, stride, top)) = op.vertical(input) {
        let (first, end) = ((y * stride).saturating_sub(top), (y * stride + reach).saturating_sub(top));
        return Rows { first, end: if end < height { end } else { height } };
    }
    match op {
        Op::Pad { pads, .. } => {
            let first = y.wrapping_sub(pads.top as u32);
            // Above and below there is nothing to read; what is read next is not lost.
            if first < height {
                Rows { first, end: first + 1 }
            } else if y < pads.top as u32 {
                Rows { first: 0, end: 0 }
            } else {
                Rows { first: height, end: height }
            }
        }
        Op::ResizeNearest => {
            let factor = output.height / if input.height == 0 { 1 } else { input.height };
            let first = y / if factor == 0 { 1 } else { factor as u32 };
            Rows { first, end: first + 1 }
        }
        Op::Reshape => {
            let (out, row) = (output.row_len() as u64, input.row_len() as u64);
            let row = if row == 0 { 1 } else { row };
            Rows { first: (y as u64 * out / row) as u32, end: ((y as u64 + 1) * out).div_ceil(row) as u32 }
        }
        // One pixel for all rows.
        _ if second && height == 1 => Rows { first: 0, end: 1 },
        _ => Rows { first: y, end: y + 1 },
    }
}

/// Output rows that are finished once `taken` rows, padding below included, were accumulated.
#[inline]
pub const fn finished(op: &Op, taken: u32, input: Shape, output: Shape) -> u32 {
    let Some((reach, stride, top)) = op.vertical(input) else { return 0 };
    match (taken + top).checked_sub(reach) {
        Some(rest) => {
            let made = rest / if stride == 0 { 1 } else { stride } + 1;
            if made < output.height as u32 { made } else { output.height as u32 }
        }
        None => 0,
    }
}

/// Output rows that an accumulating operator has begun and not finished, at most; the one that the last row finishes is not
/// among them where it is a maximum, which can be taken where the row goes.
const fn open_rows(op: &Op, output: Shape) -> usize {
    match op {
        Op::MaxPool2d { window } | Op::AveragePool2d { window } => {
            let stride = if window.stride[0] == 0 { 1 } else { window.stride[0] as usize };
            let height = window.kernel[0] as usize;
            let open = match op {
                Op::MaxPool2d { .. } => height.saturating_sub(1).div_ceil(stride),
                _ => height.div_ceil(stride),
            };
            if open < output.height as usize { open } else { output.height as usize }
        }
        _ => 1,
    }
}

/// Output rows that [`state_bytes`] has room for.
#[inline]
pub const fn state_rows(op: &Op, output: Shape) -> usize {
    open_rows(op, output)
}

/// Bytes of a maximum or a sum: two where they are enough for as many cells.
#[inline]
pub const fn state_size(op: &Op) -> usize {
    let cells = match op {
        Op::MaxPool2d { .. } => return 1,
        Op::AveragePool2d { window } => (window.kernel[0] as u32).saturating_mul(window.kernel[1] as u32),
        Op::Mean { kernel } => (kernel[0] as u32).saturating_mul(kernel[1] as u32),
        _ => return 4,
    };
    if cells <= 255 { 2 } else { 4 }
}

/// Bytes that an operator takes where it accumulates.
pub const fn state_bytes(op: &Op, output: Shape) -> usize {
    open_rows(op, output) * output.row_len() * state_size(op)
}
