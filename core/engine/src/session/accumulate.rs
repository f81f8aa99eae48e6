//! Operators that take each row as it comes.

use super::memory::{Memory, Place, row_at};
use super::{Observer, Session};
use crate::model::desc::{Form, Op, ValueId};
use crate::ops::{self, Step};
use crate::plan::Counters;
use crate::plan::reads::{finished, state_bytes};

/// Sums or maxima in the arena.
#[derive(Clone, Copy)]
struct State {
    at: usize,
    len: usize,
}

/// What an output row is made from: the state, and of maxima the last row, with its number.
struct Rest {
    state: State,
    last: Option<(Place, u32)>,
}

impl Session<'_, '_> {
    /// Operator `i`, with sums or maxima at `at`, takes its next input row, or one of padding below; true if that finishes an
    /// output row.
    pub(super) fn take(
        &mut self,
        i: u16,
        step: &Step<'_>,
        at: usize,
        fresh: Option<ValueId>,
        observe: &mut Observer<'_>,
    ) -> Option<bool> {
        let counters = Counters(self.arena);
        let row = counters.get(self.segment.index(i));
        let place = self.place(step.operator.a, fresh, counters);
        let (op, input, output) = (&step.operator.op, step.inputs[0].shape, step.output.shape);
        let before = finished(op, row, input, output);
        let finishing = (finished(op, row + 1, input, output) > before).then_some(before);
        let state = State { at, len: state_bytes(op, output) };
        let (is_max, is_row) = (matches!(op, Op::MaxPool2d { .. }), row < u32::from(input.height));
        // Maxima take the last row where they are written, sums where they are kept.
        if is_row && !is_max {
            self.fold(step, place, row, finishing, state)?;
        }
        if let Some(y) = finishing {
            let last = (is_max && is_row).then_some((place, row));
            self.write(i, step, y, &Rest { state, last }, observe)?;
        } else {
            observe(i + 1, before, &[]);
        }
        if is_row && is_max {
            self.fold(step, place, row, finishing, state)?;
        }
        Some(finishing.is_some())
    }

    /// Operator `i`, with sums at `at`, adds pixels from `first` on of its next input row, which are `len` bytes from `start` on.
    pub(super) fn sum_pixels(&mut self, i: u16, step: &Step<'_>, first: usize, start: usize, len: usize) -> Option<()> {
        let Form::Accumulate { at } = step.operator.form else { return None };
        let row = Counters(self.arena).get(self.segment.index(i));
        let (memory, sums) = Memory::lend(self.arena, at as usize, state_bytes(&step.operator.op, step.output.shape))?;
        ops::fold_pixels(step, row, first, memory.get(start, len)?, sums)
    }

    /// Operator `i` has added a whole row in pixels; true if that finishes an output row, which is then written.
    pub(super) fn summed(&mut self, i: u16, step: &Step<'_>, observe: &mut Observer<'_>) -> Option<bool> {
        let Form::Accumulate { at } = step.operator.form else { return None };
        let (op, input, output) = (&step.operator.op, step.inputs[0].shape, step.output.shape);
        let row = Counters(self.arena).get(self.segment.index(i));
        let y = finished(op, row, input, output);
        if finished(op, row + 1, input, output) == y {
            observe(i + 1, y, &[]);
            return Some(false);
        }
        self.write(i, step, y, &Rest { state: State { at: at as usize, len: state_bytes(op, output) }, last: None }, observe)?;
        Some(true)
    }

    /// Writes output row `y`, which is finished.
    fn write(&mut self, i: u16, step: &Step<'_>, y: u32, rest: &Rest, observe: &mut Observer<'_>) -> Option<()> {
        let (len, state) = (self.model.row_bytes(i + 1), rest.state);
        let (memory, out) = Memory::lend(self.arena, row_at(self.model.storage(i + 1), y, len), len)?;
        let last = match rest.last {
            Some((place, row)) => place.within(memory).row(row)?,
            None => &[],
        };
        ops::write_finished(step, y, last, memory.get(state.at, state.len)?, out)?;
        observe(i + 1, y, out);
        ops::clear(step, y, self.arena.get_mut(state.at..state.at + state.len)?)
    }

    /// Adds input row `row` to sums or maxima.
    fn fold(&mut self, step: &Step<'_>, place: Place, row: u32, finishing: Option<u32>, state: State) -> Option<()> {
        let (memory, part) = Memory::lend(self.arena, state.at, state.len)?;
        ops::fold(step, &self.kernel, row, place.within(memory).row(row)?, finishing, part)
    }
}
