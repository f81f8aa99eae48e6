//! Push rows, get outputs.

mod accumulate;
pub(crate) mod memory;
mod outputs;
mod strips;

use crate::error::Error;
use crate::kernels::Kernel;
use crate::model::Model;
use crate::model::desc::{Form, Op, Storage, ValueId};
use crate::ops::{self, Step};
use crate::plan::columns::{cutter, is_appended, is_given, is_with_caller};
use crate::plan::reads::state_bytes;
use crate::plan::recompute::{is_recomputed, takes};
use crate::plan::schedule::{Cursor, Segment};
use crate::plan::strips::strip;
use crate::plan::{Counters, increment};
use crate::prepared::{Prepared, filters};
use memory::{Memory, Place, slot};
pub use outputs::Outputs;

/// Receives `(value, row, bytes)` for each row that an operator makes; a row may come in several pieces, from left to right.
/// An operator that took a row and finished none gives an empty piece.
pub type Observer<'f> = dyn FnMut(ValueId, u32, &[i8]) + 'f;

/// One inference in progress: a network, a buffer, and where it stands.
///
/// Dropping or [`reset`](Session::reset)ting it at any row is fine. It holds no locks and never waits.
pub struct Session<'m, 'b> {
    model: Model<'m>,
    arena: &'b mut [i8],
    kernel: Kernel,
    /// Filters that were packed, or nothing.
    packed: &'m [u8],
    segment: Segment,
    /// Number of the running segment; as many as there are when all is done.
    index: usize,
    /// An internal check failed.
    failed: bool,
}

impl<'m, 'b> Session<'m, 'b> {
    /// Starts an inference in a buffer of at least [`Model::arena_bytes`] elements; what lies beyond is not touched.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'m>, arena: &'b mut [i8]) -> Result<Self, Error> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let Some(arena) = arena.get_mut(..needed) else {
            return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
        };
        let segment = Segment { first: 0, end: 0, input_rows: 0 };
        let mut session = Self { model: *model, arena, kernel: Kernel::best(), packed: &[], segment, index: 0, failed: false };
        session.reset();
        Ok(session)
    }

    /// Computes with another kernel; the results are the same.
    #[must_use]
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self.packed = &[];
        self
    }

    /// Computes with filters that were packed, and with their kernel; the results are the same.
    ///
    /// # Errors
    /// [`Error::OtherModel`].
    pub const fn with_prepared(mut self, prepared: Prepared<'m>) -> Result<Self, Error> {
        if !prepared.is_of(&self.model) {
            return Err(Error::OtherModel);
        }
        self.kernel = prepared.kernel();
        self.packed = prepared.packed();
        Ok(self)
    }

    /// The network.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Forgets the rows so far.
    pub fn reset(&mut self) {
        self.failed = false;
        self.index = 0;
        self.begin();
    }

    /// Takes the next row of the input, `width * channels` int8 values.
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; the row is not taken.
    pub fn push_row(&mut self, row: &[i8]) -> Result<(), Error> {
        self.push_row_observed(row, &mut |_, _, _| {})
    }

    /// [`push_row`](Self::push_row) of u8 values: 128 is the int8 value 0.
    ///
    /// # Errors
    /// As of [`push_row`](Self::push_row).
    pub fn push_row_u8(&mut self, row: &[u8]) -> Result<(), Error> {
        self.push(row.len(), row.iter().map(|q| (*q ^ 0x80) as i8), &mut |_, _, _| {})
    }

    /// [`push_row`](Self::push_row); the observer sees every row that an operator makes.
    ///
    /// # Errors
    /// As of [`push_row`](Self::push_row).
    pub fn push_row_observed(&mut self, row: &[i8], observe: &mut Observer<'_>) -> Result<(), Error> {
        self.push(row.len(), row.iter().copied(), observe)
    }

    /// A whole input, row after row.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is not that of the input; [`Error::Internal`].
    pub fn run(&mut self, input: &[i8]) -> Result<Outputs<'m, '_>, Error> {
        let shape = self.model.shape(0);
        if input.len() as u64 != shape.len() {
            return Err(Error::RowLength { expected: shape.len() as u32, given: input.len() as u32 });
        }
        self.reset();
        while let Some(y) = self.next_input_row() {
            let at = y as usize * shape.row_len();
            self.push_row(input.get(at..at + shape.row_len()).unwrap_or_default())?;
        }
        self.finish()
    }

    /// The row of the input that [`push_row`](Self::push_row) takes next: from the first to the last, and that as often as
    /// [`Model::input_passes`] says. `None` once all were given.
    pub fn next_input_row(&self) -> Option<u32> {
        let given = self.segment.input_rows;
        (self.index < self.model.segment_count() && given < u32::from(self.model.shape(0).height)).then_some(given)
    }

    /// The outputs, once all rows were given.
    ///
    /// # Errors
    /// [`Error::MissingRows`]; [`Error::Internal`] where a check of the engine's own failed.
    pub fn finish(&self) -> Result<Outputs<'m, '_>, Error> {
        let (given, expected) = (self.segment.input_rows, u32::from(self.model.shape(0).height));
        if given < expected {
            return Err(Error::MissingRows { given, expected });
        }
        if self.failed || self.index < self.model.segment_count() {
            return Err(Error::Internal);
        }
        Ok(Outputs::new(self.model, self.arena))
    }

    fn push(&mut self, given: usize, values: impl Iterator<Item = i8>, observe: &mut Observer<'_>) -> Result<(), Error> {
        let shape = self.model.shape(0);
        if given != shape.row_len() {
            return Err(Error::RowLength { expected: shape.row_len() as u32, given: given as u32 });
        }
        if self.next_input_row().is_none() {
            return Err(Error::TooManyRows);
        }
        // Rows of padding need no input.
        if self.segment.input_rows == 0 && self.go_on(self.segment.begin(), None, observe).is_none() {
            self.failed = true;
        }
        let taken = if is_with_caller(&self.model) { self.cut(values, observe) } else { self.take_row(values) };
        self.segment.input_rows += 1;
        let gone_on = taken.filter(|_| !self.failed).and_then(|(cursor, fresh)| self.go_on(cursor, fresh, observe));
        self.failed |= gone_on.is_none();
        Ok(())
    }

    /// Copies a row of the input into the arena; where to go on, and what waits.
    fn take_row(&mut self, values: impl Iterator<Item = i8>) -> Option<(Cursor, Option<ValueId>)> {
        let (storage, len) = (self.model.storage(0), self.model.row_bytes(0));
        let at = row_at(storage, self.segment.input_rows, len);
        self.arena.get_mut(at..at + len)?.iter_mut().zip(values).for_each(|(to, q)| *to = q);
        Some((self.segment.given(), is_waiting(storage).then_some(0)))
    }

    /// Copies columns of a row of the input: all that any operator of the segment wants of it.
    fn cut(&mut self, values: impl Iterator<Item = i8>, observe: &mut Observer<'_>) -> Option<(Cursor, Option<ValueId>)> {
        let Some(i) = cutter(&self.model, (self.segment.first, self.segment.end)).ok()? else {
            return Some((self.segment.given(), None));
        };
        let Some(Op::Crop { left }) = self.model.op(i) else { return None };
        let (storage, len, y) = (self.model.storage(i + 1), self.model.row_bytes(i + 1), self.segment.input_rows);
        let at = row_at(storage, y, len);
        let out = self.arena.get_mut(at..at + len)?;
        let from = usize::from(left) * usize::from(self.model.shape(0).channels);
        out.iter_mut().zip(values.skip(from)).for_each(|(to, q)| *to = q);
        observe(i + 1, y, out);
        increment(self.arena, self.segment.index(i));
        Some((self.segment.after(i, true), is_waiting(storage).then_some(i + 1)))
    }

    /// Clears what the segment counts and accumulates.
    fn begin(&mut self) {
        let (first, end) = self.model.segment(self.index);
        let input_rows = if is_given(&self.model, self.index) { 0 } else { u32::from(self.model.shape(0).height) };
        self.segment = Segment { first, end, input_rows };
        let counters = 2 * self.segment.index(end);
        match self.arena.get_mut(..counters) {
            Some(counters) => counters.fill(0),
            None => self.failed = true,
        }
        for i in first..end {
            let (Form::Accumulate { at }, Some(op)) = (self.model.form(i), self.model.op(i)) else { continue };
            let len = state_bytes(&op, self.model.shape(i + 1));
            match self.arena.get_mut(at as usize..at as usize + len) {
                Some(state) => ops::reset(&op, state),
                None => self.failed = true,
            }
        }
    }

    /// Makes all rows that can be made. A row of `fresh` waits for its reader.
    fn go_on(&mut self, mut cursor: Cursor, mut fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<()> {
        loop {
            let counters = Counters(self.arena);
            let Some(i) = self.segment.next(&self.model, counters, cursor) else {
                if let Some(id) = fresh.take() {
                    self.keep(id)?;
                }
                if self.segment.input_rows < u32::from(self.model.shape(0).height) {
                    return Some(());
                }
                let counters = Counters(self.arena);
                // What waits for ever would leave old bytes in an output.
                for i in self.segment.first..self.segment.end {
                    if self.segment.made_by(&self.model, counters, i) < u32::from(self.model.shape(i + 1).height) {
                        return None;
                    }
                }
                self.index += 1;
                if self.index >= self.model.segment_count() {
                    return Some(());
                }
                self.begin();
                cursor = self.segment.begin();
                continue;
            };
            // Nobody else reads a row that waits.
            let waits = fresh.filter(|id| takes(&self.model, i, *id));
            if waits.is_none()
                && let Some(id) = fresh.take()
            {
                self.keep(id)?;
            }
            // The last operator of those that step together, and the row that now waits.
            let in_strips = strip(&self.model, i + 1) > 0 || is_recomputed(&self.model, self.model.inputs(i).0);
            let (i, made) = if in_strips { self.strips(i, waits, observe)? } else { (i, self.step(i, waits, observe)?) };
            if let Some(id) = fresh.take() {
                self.keep(id)?;
            }
            cursor = self.segment.after(i, made);
            let waits = matches!(self.model.storage(i + 1), Storage::Waiting { strip: 0, .. });
            fresh = (made && waits).then_some(i + 1);
        }
    }

    /// Copies the newest row of `id`, which waited, to where rows are kept.
    fn keep(&mut self, id: ValueId) -> Option<()> {
        let Storage::Waiting { at, rows, kept, .. } = self.model.storage(id) else { return None };
        if rows == 0 {
            return Some(());
        }
        let y = self.segment.rows_of(&self.model, Counters(self.arena), id).checked_sub(1)?;
        let len = self.model.row_bytes(id);
        let (memory, to) = Memory::lend(self.arena, kept as usize + slot(y, rows) * len, len)?;
        ops::copy(memory.get(at as usize, len)?, to)
    }

    /// Operator `i`.
    fn operator(&self, i: u16) -> Option<Step<'m>> {
        let step = Step::of(&self.model, i)?;
        Some(Step { packed: filters(self.packed, &self.model, i), ..step })
    }

    /// Operator `i` makes a row or takes one; true if it made one. By itself: strips need none of its stack.
    #[inline(never)]
    fn step(&mut self, i: u16, fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<bool> {
        let step = self.operator(i)?;
        let made = match step.operator.form {
            Form::Rows => self.make(i, &step, fresh, observe).map(|()| true)?,
            Form::Accumulate { at } => self.take(i, &step, at as usize, fresh, observe)?,
        };
        increment(self.arena, self.segment.index(i));
        Some(made)
    }

    /// Operator `i` makes a row from rows.
    fn make(&mut self, i: u16, step: &Step<'_>, fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<()> {
        let counters = Counters(self.arena);
        let y = counters.get(self.segment.index(i));
        if is_appended(&self.model, i) {
            return self.append(i, y, fresh, observe);
        }
        let (a, b) = self.model.inputs(i);
        let places = [a, b].map(|id| self.place(id, fresh, counters));
        let len = self.model.row_bytes(i + 1);
        let (memory, out) = Memory::lend(self.arena, row_at(self.model.storage(i + 1), y, len), len)?;
        step.row(&self.kernel, y, places.map(|place| place.within(memory)), out)?;
        observe(i + 1, y, out);
        Some(())
    }

    /// Operator `i` adds columns to row `y` of a map that stays where it is.
    fn append(&mut self, i: u16, y: u32, fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<()> {
        let (a, b) = self.model.inputs(i);
        let (before, added, len) = (self.model.row_bytes(a), self.model.row_bytes(b), self.model.row_bytes(i + 1));
        let (start, place) = (row_at(self.model.storage(i + 1), y, len), self.place(b, fresh, Counters(self.arena)));
        let (memory, to) = Memory::lend(self.arena, start + before, added)?;
        ops::copy(place.within(memory).row(y)?, to)?;
        observe(i + 1, y, self.arena.get(start..start + len)?);
        Some(())
    }

    /// Where the rows of `id` are, of which the newest waits if it is `fresh`.
    fn place(&self, id: ValueId, fresh: Option<ValueId>, counters: Counters<'_>) -> Place {
        let rows = self.segment.rows_of(&self.model, counters, id);
        let newest = fresh.filter(|fresh| *fresh == id).and(rows.checked_sub(1));
        Place { storage: self.model.storage(id), len: self.model.row_bytes(id), fresh: newest }
    }
}

fn is_waiting(storage: Storage) -> bool {
    matches!(storage, Storage::Waiting { .. })
}

/// Where row `y`, of `len` bytes, is written.
fn row_at(storage: Storage, y: u32, len: usize) -> usize {
    match storage {
        Storage::Waiting { at, .. } | Storage::Recomputed { at, .. } => at as usize,
        Storage::Ring { at, rows, .. } => at as usize + slot(y, rows) * len,
        Storage::Columns { at, pitch, .. } => at as usize + y as usize * pitch as usize,
    }
}

#[cfg(test)]
mod tests {
    /// Whatever the network: counters are in the arena.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<super::Session<'_, '_>>() <= 256, "{}", size_of::<super::Session<'_, '_>>());
    }
}
