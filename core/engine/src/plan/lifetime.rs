//! Which segments a value's rows live in.

use crate::model::Model;
use crate::model::desc::{IN_PLACE, Storage, ValueId};

/// Segments, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Segment in which the value is made.
    pub from: usize,
    /// Segment of its last reader; the last of all for an output.
    pub to: usize,
    /// Operators that read it.
    pub readers: usize,
    /// True if the user gets it.
    pub is_output: bool,
}

impl Life {
    /// Where value `id` lives.
    pub const fn of(model: &Model<'_>, id: ValueId) -> Self {
        let from = segment_of(model, id.saturating_sub(1));
        let mut life = Self { from, to: from, readers: 0, is_output: false };
        let mut i = id;
        while (i as usize) < model.operator_count() {
            if model.reads(i, id) {
                life.readers += 1;
                life.to = segment_of(model, i);
            }
            i += 1;
        }
        let mut output = 0;
        while let Some(other) = model.output(output) {
            if other == id {
                life.is_output = true;
                life.to = model.segment_count().saturating_sub(1);
            }
            output += 1;
        }
        life
    }
}

/// The segment of operator `i`.
pub const fn segment_of(model: &Model<'_>, i: u16) -> usize {
    let mut segment = 0;
    while segment < model.segment_count() && model.segment(segment).1 <= i {
        segment += 1;
    }
    segment
}

/// Bytes of a buffer, from `at` to below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub at: u64,
    /// One past the last.
    pub end: u64,
}

impl Span {
    /// So many bytes from `at` on.
    pub const fn new(at: u32, len: u64) -> Self {
        Self { at: at as u64, end: at as u64 + len }
    }

    /// True if they share a byte.
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.at < other.end && other.at < self.end
    }
}

/// The rows that value `id` keeps: a ring, or what a waiting row is copied to.
pub const fn kept(model: &Model<'_>, id: ValueId) -> Span {
    let (at, rows) = match model.storage(id) {
        Storage::Waiting { rows, kept, .. } => (kept, rows),
        Storage::Recomputed { .. } => (0, 0),
        Storage::Ring { at, rows, .. } => (at, rows),
        Storage::Columns { at, pitch, .. } => {
            let rows = (model.shape(id).height as u64).saturating_sub(1);
            return Span::new(at, rows * pitch as u64 + model.row_bytes(id) as u64);
        }
    };
    Span::new(at, rows as u64 * model.row_bytes(id) as u64)
}

/// The row of value `id` that waits, or the strips that are made anew; empty where there are none.
pub const fn waiting(model: &Model<'_>, id: ValueId) -> Span {
    match model.storage(id) {
        Storage::Waiting { at: IN_PLACE, .. } => Span { at: 0, end: 0 },
        Storage::Waiting { at, strip: 0, .. } => Span::new(at, model.row_bytes(id) as u64),
        Storage::Waiting { at, strip, .. } => Span::new(at, strip as u64 * model.shape(id).channels as u64),
        Storage::Recomputed { at, rows, strip } => Span::new(at, rows as u64 * strip as u64 * model.shape(id).channels as u64),
        Storage::Ring { at, .. } | Storage::Columns { at, .. } => Span::new(at, 0),
    }
}
