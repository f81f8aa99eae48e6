//! Values of which no row is kept: their reader's window has them made anew, so what they are made from is what it reads.
//!
//! The operator that makes such a value never goes by itself. Its reader takes its place: it waits for the rows that the rows under
//! its window are made from.

use super::reads::{Rows, rows_read};
use crate::model::Model;
use crate::model::desc::{Form, Op, Shape, Storage, ValueId};

/// True if no row of value `id` is kept.
#[inline]
pub const fn is_recomputed(model: &Model<'_>, id: ValueId) -> bool {
    matches!(model.storage(id), Storage::Recomputed { .. })
}

/// The operator that makes value `id` for its reader, where no row of it is kept.
#[inline]
pub const fn maker(model: &Model<'_>, id: ValueId) -> Option<u16> {
    if is_recomputed(model, id) { id.checked_sub(1) } else { None }
}

/// The values whose rows a step of operator `i` waits for.
#[inline]
pub const fn sources(model: &Model<'_>, i: u16) -> (ValueId, ValueId) {
    let (a, b) = model.inputs(i);
    match maker(model, a) {
        Some(maker) => {
            let source = model.inputs(maker).0;
            (source, source)
        }
        None => (a, b),
    }
}

/// True if steps of operator `i` wait for rows of `id`.
#[inline]
pub const fn takes(model: &Model<'_>, i: u16, id: ValueId) -> bool {
    let (a, b) = sources(model, i);
    (a == id || b == id) && !is_recomputed(model, i + 1)
}

/// The rows of a source that a step of operator `i` reads, the `count`th.
pub const fn rows_taken(model: &Model<'_>, i: u16, count: u32, second: bool) -> Rows {
    let Some(op) = model.op(i) else { return Rows { first: 0, end: 0 } };
    let (a, b) = model.inputs(i);
    let id = if second { b } else { a };
    let input = model.shape(id);
    if let Form::Accumulate { .. } = model.form(i) {
        // Padding below is not read.
        return Rows { first: count, end: if count < input.height as u32 { count + 1 } else { count } };
    }
    let rows = rows_read(&op, count, input, model.shape(i + 1), second);
    match maker(model, id) {
        Some(maker) => through(model, maker, rows),
        None => rows,
    }
}

/// What operator `maker` makes so many rows from.
const fn through(model: &Model<'_>, maker: u16, rows: Rows) -> Rows {
    let Some(op) = model.op(maker) else { return Rows { first: 0, end: 0 } };
    let (input, output) = (model.shape(model.inputs(maker).0), model.shape(maker + 1));
    if rows.end <= rows.first {
        let at = if rows.first == 0 { 0 } else { input.height as u32 };
        return Rows { first: at, end: at };
    }
    let (first, last) = (rows_read(&op, rows.first, input, output, false), rows_read(&op, rows.end - 1, input, output, false));
    Rows { first: first.first, end: last.end }
}

/// Rows of value `id` that are made in an inference.
pub const fn rows_made(model: &Model<'_>, id: ValueId) -> u64 {
    let height = model.shape(id).height as u64;
    let (true, Some(reader)) = (is_recomputed(model, id), super::strips::reader(model, id)) else { return height };
    let Some(op) = model.op(reader) else { return height };
    let (mut y, mut sum) = (0, 0);
    while y < model.shape(reader + 1).height as u32 {
        let rows = rows_read(&op, y, model.shape(id), model.shape(reader + 1), false);
        sum += rows.end.saturating_sub(rows.first) as u64;
        y += 1;
    }
    sum
}

impl Model<'_> {
    /// Multiply-accumulates of operator `i`, padding and rows that are made anew included.
    pub const fn operator_macs(&self, i: u16) -> u64 {
        let Some(op) = self.op(i) else { return 0 };
        let (input, output) = (self.shape(self.inputs(i).0), self.shape(i + 1));
        let row = Shape { height: 1, ..output };
        op.macs(input, row).saturating_mul(rows_made(self, i + 1))
    }

    /// Multiply-accumulates of an inference, padding and rows that are made anew included.
    pub const fn macs(&self) -> u64 {
        let (mut sum, mut i) = (0u64, 0);
        while (i as usize) < self.operator_count() {
            sum = sum.saturating_add(self.operator_macs(i));
            i += 1;
        }
        sum
    }
}

/// Rows under the window of an operator whose input may be recomputed.
pub const fn window_rows(op: &Op) -> Option<u16> {
    match op {
        Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window } if window.dilation[0] == 1 => Some(window.kernel[0]),
        _ => None,
    }
}
