//! Who goes next: the deepest operator that can.
//!
//! So a row goes as far down as it can before the next one comes. Parser and session run this same code; nothing here looks at
//! values.

use super::counters::Counters;
use super::reads::finished;
use super::recompute::{is_recomputed, rows_taken, sources, takes};
use crate::model::Model;
use crate::model::desc::{Form, ValueId};

/// Operators of a segment, and the input's rows so far.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// First operator.
    pub first: u16,
    /// One past the last.
    pub end: u16,
    /// Rows of value 0 that were given.
    pub input_rows: u32,
}

/// Where to look for who goes next.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The value that has a new row: its readers first.
    pub made: Option<ValueId>,
    /// Then all operators below this one.
    pub below: u16,
}

impl Segment {
    /// Counter of operator `i`.
    #[inline]
    pub const fn index(&self, i: u16) -> usize {
        i.wrapping_sub(self.first) as usize
    }

    /// At the start: any operator may.
    pub const fn begin(&self) -> Cursor {
        Cursor { made: None, below: self.end }
    }

    /// After a row of the input.
    pub const fn given(&self) -> Cursor {
        Cursor { made: Some(0), below: self.first }
    }

    /// After operator `i`, which made a row or not.
    pub const fn after(&self, i: u16, made: bool) -> Cursor {
        Cursor { made: if made { Some(i + 1) } else { None }, below: i + 1 }
    }

    /// Rows of a value so far: all of those of earlier segments.
    #[inline]
    pub const fn rows_of(&self, model: &Model<'_>, counters: Counters<'_>, id: ValueId) -> u32 {
        match id.checked_sub(1) {
            None => self.input_rows,
            Some(i) if i < self.first => model.shape(id).height as u32,
            Some(i) => self.made_by(model, counters, i),
        }
    }

    /// Rows that operator `i` of this segment made.
    #[inline]
    pub const fn made_by(&self, model: &Model<'_>, counters: Counters<'_>, i: u16) -> u32 {
        // Whoever reads what is made anew has it made in time.
        if is_recomputed(model, i + 1) {
            return model.shape(i + 1).height as u32;
        }
        let count = counters.get(self.index(i));
        match (model.form(i), model.op(i)) {
            (Form::Accumulate { .. }, Some(op)) => finished(&op, count, model.shape(model.inputs(i).0), model.shape(i + 1)),
            _ => count,
        }
    }

    /// True if operator `i` can make a row or take one.
    #[inline]
    pub const fn can_step(&self, model: &Model<'_>, counters: Counters<'_>, i: u16) -> bool {
        let Some(op) = model.op(i) else { return false };
        if is_recomputed(model, i + 1) {
            return false;
        }
        let (a, b) = sources(model, i);
        let (input, output) = (model.shape(a), model.shape(i + 1));
        let count = counters.get(self.index(i));
        if let Form::Accumulate { .. } = model.form(i) {
            if finished(&op, count, input, output) >= output.height as u32 {
                return false;
            }
            // Below the map there is padding to take.
            return count >= input.height as u32 || self.rows_of(model, counters, a) > count;
        }
        if count >= output.height as u32 {
            return false;
        }
        if rows_taken(model, i, count, false).end > self.rows_of(model, counters, a) {
            return false;
        }
        a == b || rows_taken(model, i, count, true).end <= self.rows_of(model, counters, b)
    }

    /// Who goes next.
    pub const fn next(&self, model: &Model<'_>, counters: Counters<'_>, cursor: Cursor) -> Option<u16> {
        if let Some(id) = cursor.made {
            let (mut i, lowest) = (self.end, if id > self.first { id } else { self.first });
            while i > lowest {
                i -= 1;
                if takes(model, i, id) && self.can_step(model, counters, i) {
                    return Some(i);
                }
            }
        }
        let mut i = cursor.below;
        while i > self.first {
            i -= 1;
            if self.can_step(model, counters, i) {
                return Some(i);
            }
        }
        None
    }
}
