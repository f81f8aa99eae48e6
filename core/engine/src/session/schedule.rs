//! Which operator goes next, and what it does: makes a row, or takes one.

use super::memory::{Memory, Place, is_waiting, row_at, slot};
use super::{Observer, Session};
use crate::model::desc::{Form, Op, Storage, ValueId};
use crate::ops::{self, Step};
use crate::plan::columns::{cutter, is_appended, is_given};
use crate::plan::reads::state_bytes;
use crate::plan::recompute::{is_recomputed, takes};
use crate::plan::schedule::{Cursor, Segment};
use crate::plan::strips::strip;
use crate::plan::{Counters, increment};
use crate::prepared::filters;

impl<'m> Session<'m, '_> {
    /// Copies a row of the input into the arena; where to go on, and what waits.
    pub(super) fn take_row(&mut self, values: impl Iterator<Item = i8>) -> Option<(Cursor, Option<ValueId>)> {
        let (storage, len) = (self.model.storage(0), self.model.row_bytes(0));
        let at = row_at(storage, self.segment.input_rows, len);
        self.arena.get_mut(at..at + len)?.iter_mut().zip(values).for_each(|(to, q)| *to = q);
        Some((self.segment.given(), is_waiting(storage).then_some(0)))
    }

    /// Copies columns of a row of the input: all that any operator of the segment wants of it.
    pub(super) fn cut(
        &mut self,
        values: impl Iterator<Item = i8>,
        observe: &mut Observer<'_>,
    ) -> Option<(Cursor, Option<ValueId>)> {
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
    pub(super) fn begin(&mut self) {
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
    pub(super) fn go_on(&mut self, mut cursor: Cursor, mut fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<()> {
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
    pub(super) fn operator(&self, i: u16) -> Option<Step<'m>> {
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
    pub(super) fn place(&self, id: ValueId, fresh: Option<ValueId>, counters: Counters<'_>) -> Place {
        let rows = self.segment.rows_of(&self.model, counters, id);
        let newest = fresh.filter(|fresh| *fresh == id).and(rows.checked_sub(1));
        Place { storage: self.model.storage(id), len: self.model.row_bytes(id), fresh: newest }
    }
}
