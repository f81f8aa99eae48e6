//! The schedule without data.

use super::MAX_SEGMENT;
use super::columns::is_given;
use super::counters::{Counters, increment};
use super::recompute::{rows_taken, sources, takes};
use super::schedule::{Cursor, Segment};
use super::strips::feeds_strips;
use crate::model::Model;
use crate::model::desc::{Form, Storage, ValueId};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Operator makes a row, or takes one.
    Step {
        /// Which.
        operator: u16,
        /// Its counter before.
        count: u32,
        /// A value whose newest row still waits for it.
        fresh: Option<ValueId>,
        /// True if a row is made.
        makes: bool,
    },
    /// The caller gives a row of the input.
    Given,
    /// All is made.
    Done,
    /// An operator lacks rows that never come.
    Stuck,
}

/// A segment that is run step by step.
pub struct Run<'m> {
    model: Model<'m>,
    /// Its operators.
    pub segment: Segment,
    counters: [i8; 2 * MAX_SEGMENT],
    cursor: Cursor,
    fresh: Option<ValueId>,
}

impl<'m> Run<'m> {
    /// From the start of segment `index`.
    pub const fn new(model: Model<'m>, index: usize) -> Self {
        let (first, end) = model.segment(index);
        let input_rows = if is_given(&model, index) { 0 } else { model.shape(0).height as u32 };
        let segment = Segment { first, end, input_rows };
        Self { model, segment, counters: [0; 2 * MAX_SEGMENT], cursor: segment.begin(), fresh: None }
    }

    /// Rows of a value, one that waits included.
    pub const fn rows_of(&self, id: ValueId) -> u32 {
        self.segment.rows_of(&self.model, Counters(&self.counters), id)
    }

    /// Who goes next; [`step`](Self::apply) then does it.
    pub const fn next(&self) -> Event {
        let counters = Counters(&self.counters);
        if let Some(operator) = self.segment.next(&self.model, counters, self.cursor) {
            let fresh = match self.fresh {
                Some(id) if takes(&self.model, operator, id) => Some(id),
                _ => None,
            };
            let count = counters.get(self.segment.index(operator));
            return Event::Step { operator, count, fresh, makes: makes_row(&self.model, operator, count) };
        }
        if self.segment.input_rows < self.model.shape(0).height as u32 {
            return Event::Given;
        }
        let mut i = self.segment.first;
        while i < self.segment.end {
            if self.segment.made_by(&self.model, counters, i) < self.model.shape(i + 1).height as u32 {
                return Event::Stuck;
            }
            i += 1;
        }
        Event::Done
    }

    /// Does what [`next`](Self::next) said.
    pub const fn apply(&mut self, event: Event) {
        let made = match event {
            Event::Step { operator, makes, .. } => {
                increment(&mut self.counters, self.segment.index(operator));
                self.cursor = self.segment.after(operator, makes);
                if makes { Some(operator + 1) } else { None }
            }
            Event::Given => {
                self.segment.input_rows += 1;
                self.cursor = self.segment.given();
                Some(0)
            }
            Event::Done | Event::Stuck => None,
        };
        self.fresh = match made {
            Some(id) => match self.model.storage(id) {
                Storage::Waiting { .. } => Some(id),
                Storage::Ring { .. } | Storage::Columns { .. } | Storage::Recomputed { .. } => None,
            },
            None => None,
        };
    }

    /// First row of `id` that any operator still needs while `maker` makes a row; a great number where none needs one. `may`: also
    /// if some values were in strips that are not.
    pub const fn first_needed(&self, id: ValueId, maker: u16, may: bool) -> u32 {
        let (mut least, mut i) = (u32::MAX, self.segment.first);
        while i < self.segment.end {
            if takes(&self.model, i, id) {
                let needed = self.needed_by(i, id, feeds_strips(&self.model, i, maker, may));
                if needed < least {
                    least = needed;
                }
            }
            i += 1;
        }
        least
    }

    /// The same of operator `i`, which is `behind` by a row.
    const fn needed_by(&self, i: u16, id: ValueId, behind: bool) -> u32 {
        let (input, output) = (self.model.shape(id), self.model.shape(i + 1));
        let count = Counters(&self.counters).get(self.segment.index(i)).saturating_sub(behind as u32);
        if !behind && self.segment.made_by(&self.model, Counters(&self.counters), i) >= output.height as u32 {
            return u32::MAX;
        }
        if let Form::Accumulate { .. } = self.model.form(i) {
            return if count < input.height as u32 { count } else { u32::MAX };
        }
        let (a, b) = sources(&self.model, i);
        let first = rows_taken(&self.model, i, count, id != a).first;
        // A value read twice, once as rows and once as one pixel.
        let second = if a == b { rows_taken(&self.model, i, count, true).first } else { first };
        if first < second { first } else { second }
    }
}

/// True if a step of operator `i` makes a row.
pub const fn makes_row(model: &Model<'_>, i: u16, count: u32) -> bool {
    match (model.form(i), model.op(i)) {
        (Form::Accumulate { .. }, Some(op)) => {
            let (input, output) = (model.shape(model.inputs(i).0), model.shape(i + 1));
            super::reads::finished(&op, count + 1, input, output) > super::reads::finished(&op, count, input, output)
        }
        _ => true,
    }
}
