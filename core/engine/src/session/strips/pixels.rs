//! Pixels of a strip are made, and moved once they are used.

use crate::model::desc::{Storage, ValueId};
use crate::ops::window::{self, Part, Pixels};
use crate::ops::{self, Cells, Step};
use crate::plan::Counters;
use crate::plan::strips::strip;
use crate::session::memory::{Memory, Place, row_at, slot};
use crate::session::{Observer, Session};

/// An operator that works on strips.
#[derive(Clone, Copy)]
pub struct Worker<'m> {
    pub index: u16,
    pub step: Step<'m>,
    pub input: ValueId,
    /// The row that it makes.
    pub y: u32,
    /// The newest row of its input, where that waits as a whole.
    pub newest: Option<u32>,
}

/// Pixels of input rows that exist: of `rows` rows from `row` on, from `from` to below `to`.
#[derive(Clone, Copy)]
pub struct Strip {
    pub row: u32,
    pub rows: u32,
    pub from: usize,
    pub to: usize,
}

impl<'m> Session<'m, '_> {
    /// Pixels `x` to below `end` of a worker's row; `at` pixels from the start of its strip, if it has strips.
    pub(super) fn make_pixels(
        &mut self,
        worker: &Worker<'m>,
        taken: Option<Strip>,
        x: usize,
        end: usize,
        at: usize,
        observe: &mut Observer<'_>,
    ) -> Option<()> {
        let id = worker.index + 1;
        let (storage, channels) = (self.model.storage(id), usize::from(self.model.shape(id).channels));
        let start = row_at(storage, worker.y, self.model.row_bytes(id));
        let start = start + channels * if strip(&self.model, id) > 0 { at } else { x };
        self.make_pixels_at(worker, taken, x, end, start, observe)
    }

    /// The same, from byte `start` of the arena on.
    fn make_pixels_at(
        &mut self,
        worker: &Worker<'m>,
        taken: Option<Strip>,
        x: usize,
        end: usize,
        start: usize,
        observe: &mut Observer<'_>,
    ) -> Option<()> {
        let (storage, kernel) = (self.model.storage(worker.input), self.kernel);
        let shape = worker.step.inputs[0].shape;
        let len = usize::from(worker.step.output.shape.channels) * (end - x);
        let (memory, out) = Memory::lend(self.arena, start, len)?;
        let source = Place { storage, len: shape.row_len(), fresh: worker.newest }.within(memory);
        let part = match taken {
            Some(Strip { row, rows, from, to }) => {
                let channels = usize::from(shape.channels);
                let pitch = usize::from(strip(&self.model, worker.input)) * channels;
                let len = rows.saturating_sub(1) as usize * pitch + (to - from) * channels;
                Some(Part { row, rows, from, cells: memory.get(row_at(storage, row, 0), len)?, pitch })
            }
            None => None,
        };
        let pixels = Pixels { first: x, end: taken.map_or(usize::from(shape.width), |strip| strip.to) };
        window::pixels(&worker.step, &kernel, worker.y, &source, part, pixels, out)?;
        observe(worker.index + 1, worker.y, out);
        Some(())
    }

    /// Pixels of `window`, where `last` makes its own of them.
    pub(super) fn make_in_place(
        &mut self,
        window: &Worker<'m>,
        taken: Option<Strip>,
        last: &Worker<'m>,
        x: usize,
        end: usize,
        observe: &mut Observer<'_>,
    ) -> Option<()> {
        let id = last.index + 1;
        let channels = usize::from(self.model.shape(id).channels);
        let start = row_at(self.model.storage(id), last.y, self.model.row_bytes(id)) + x * channels;
        self.make_pixels_at(window, taken, x, end, start, observe)?;
        let len = (end - x) * channels;
        let (kernel, (a, b)) = (self.kernel, self.model.inputs(last.index));
        let made = window.index + 1;
        let places = [a, b].map(|id| self.place(id, None, Counters(self.arena)));
        let (memory, out) = Memory::lend(self.arena, start, len)?;
        let mut inputs = [Cells::Taken; 2];
        for (i, ((input, id), place)) in inputs.iter_mut().zip([a, b]).zip(places).enumerate() {
            if id != made {
                *input = Cells::Other(last.step.cells(i, &place.within(memory), last.y, x, len)?);
            }
        }
        last.step.in_place(&kernel, inputs, out)?;
        observe(id, last.y, out);
        Some(())
    }

    /// Pixels of a strip below `used` go to the rows kept, the others to the strip's start.
    pub(super) fn retire(&mut self, maker: &Worker<'m>, strip: Strip, used: usize) -> Option<()> {
        let id = maker.index + 1;
        let channels = usize::from(self.model.shape(id).channels);
        let (used_len, len) = ((used - strip.from) * channels, (strip.to - strip.from) * channels);
        let (at, rows, kept) = match self.model.storage(id) {
            Storage::Waiting { at, rows, kept, .. } => (at as usize, rows, kept),
            Storage::Recomputed { at, strip: pixels, .. } => {
                for row in 0..strip.rows as usize {
                    let at = at as usize + row * usize::from(pixels) * channels;
                    let cells = self.arena.get_mut(at..at + len)?;
                    if used_len <= len {
                        cells.copy_within(used_len.., 0);
                    }
                }
                return Some(());
            }
            Storage::Ring { .. } | Storage::Columns { .. } => return None,
        };
        if rows > 0 {
            let to = kept as usize + slot(strip.row, rows) * self.model.row_bytes(id) + strip.from * channels;
            let (memory, to) = Memory::lend(self.arena, to, used_len)?;
            ops::copy(memory.get(at, used_len)?, to)?;
        }
        let cells = self.arena.get_mut(at..at + len)?;
        if used_len <= len {
            cells.copy_within(used_len.., 0);
        }
        Some(())
    }

    /// A row that its reader keeps, but does not use yet.
    pub(super) fn keep_strips(&mut self, maker: &Worker<'m>, observe: &mut Observer<'_>) -> Option<()> {
        let id = maker.index + 1;
        let Storage::Waiting { at, rows, kept, strip } = self.model.storage(id) else { return None };
        let (shape, len) = (self.model.shape(id), self.model.row_bytes(id));
        let width = usize::from(shape.width);
        for x in (0..width).step_by(usize::from(strip).max(1)) {
            let start = match rows {
                0 => at as usize,
                _ => kept as usize + slot(maker.y, rows) * len + x * usize::from(shape.channels),
            };
            self.make_pixels_at(maker, None, x, (x + usize::from(strip)).min(width), start, observe)?;
        }
        Some(())
    }
}
