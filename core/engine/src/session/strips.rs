//! Rows that are made and taken in strips, from left to right.
//!
//! A convolution makes a strip, a window takes as much of it as it can and makes a strip, from which a 1x1 convolution makes
//! pixels of a whole row. What the window has used up of the first strip goes to the rows kept, over the oldest, of which these
//! pixels are used up too.

use super::memory::row_at;
use super::{Observer, Session};
use crate::model::desc::{Form, Op, ValueId};
use crate::ops::Step;
use crate::plan::reads::rows_read;
use crate::plan::recompute;
use crate::plan::strips::{Role, reader, role, strip, works_by_value};
use crate::plan::{Counters, increment};
use pixels::{Strip, Worker};

mod pixels;

/// Who makes first strips, and of which rows: the newest, or all under the window where none is kept.
#[derive(Clone, Copy)]
struct Feed<'m> {
    maker: Worker<'m>,
    row: u32,
    rows: u32,
    /// Rows below this one were made before.
    seen: u32,
}

impl<'m> Session<'m, '_> {
    /// Operator `i`, whose row exists in strips, makes it, and with it go those that take the strips; the last of them, and
    /// whether that made a row.
    pub(super) fn strips(&mut self, i: u16, fresh: Option<ValueId>, observe: &mut Observer<'_>) -> Option<(u16, bool)> {
        let first = self.worker(i, fresh)?;
        if let Some(maker) = recompute::maker(&self.model, self.model.inputs(i).0) {
            return self.pass_anew(maker, &first, fresh, observe);
        }
        if role(&self.model, i + 1) == Role::Second {
            return self.pass_on(None, &first, observe);
        }
        self.count(i);
        let next = self.segment.next(&self.model, Counters(self.arena), self.segment.after(i, true));
        let Some(taker) = next.filter(|next| self.model.reads(*next, i + 1)) else {
            self.keep_strips(&first, observe)?;
            return Some((i, true));
        };
        let window = self.worker(taker, None)?;
        let feed = Feed { row: first.y, rows: 1, seen: 0, maker: first };
        self.pass_on(Some(&feed), &window, observe)
    }

    /// A row of `window`, for which operator `maker` makes all rows under it anew.
    fn pass_anew(
        &mut self,
        maker: u16,
        window: &Worker<'m>,
        fresh: Option<ValueId>,
        observe: &mut Observer<'_>,
    ) -> Option<(u16, bool)> {
        let first = self.worker(maker, fresh)?;
        let rows = rows_read(&window.step.operator.op, window.y, first.step.output.shape, window.step.output.shape, false);
        // The maker's counter says which rows were made at least once: observers see these once.
        let feed = Feed { row: rows.first, rows: rows.end.checked_sub(rows.first)?, seen: first.y, maker: first };
        let last = self.pass_on(Some(&feed), window, observe)?;
        for _ in feed.seen..rows.end {
            self.count(maker);
        }
        Some(last)
    }

    /// A row of `window`, and of what takes its strips, if it has any; the last of them, and whether that made a row.
    fn pass_on(&mut self, feed: Option<&Feed<'m>>, window: &Worker<'m>, observe: &mut Observer<'_>) -> Option<(u16, bool)> {
        let last = match strip(&self.model, window.index + 1) {
            0 => None,
            _ => Some(self.worker(reader(&self.model, window.index + 1)?, None)?),
        };
        self.pass(feed, window, last.as_ref(), observe)?;
        self.count(window.index);
        let Some(last) = last else { return Some((window.index, true)) };
        let made = match last.step.operator.form {
            Form::Rows => true,
            Form::Accumulate { .. } => self.summed(last.index, &last.step, observe)?,
        };
        self.count(last.index);
        Some((last.index, made))
    }

    fn count(&mut self, i: u16) {
        increment(self.arena, self.segment.index(i));
    }

    fn worker(&self, index: u16, fresh: Option<ValueId>) -> Option<Worker<'m>> {
        let counters = Counters(self.arena);
        let input = self.model.inputs(index).0;
        let rows = self.segment.rows_of(&self.model, counters, input);
        let newest = fresh.filter(|fresh| *fresh == input).and(rows.checked_sub(1));
        let y = counters.get(self.segment.index(index));
        Some(Worker { index, step: self.operator(index)?, input, y, newest })
    }

    /// One row of `window`, which takes strips of `feed` or whole rows and gives strips to `last` or a whole row.
    fn pass(
        &mut self,
        feed: Option<&Feed<'m>>,
        window: &Worker<'m>,
        last: Option<&Worker<'m>>,
        observe: &mut Observer<'_>,
    ) -> Option<()> {
        let (width, total) = (usize::from(window.step.inputs[0].shape.width), usize::from(window.step.output.shape.width));
        let Moves { reach, stride, left } = Moves::of(&window.step)?;
        let most = usize::from(strip(&self.model, window.index + 1));
        let (mut from, mut x) = (0, 0);
        let mut to = if feed.is_some() { 0 } else { width };
        while to < width || x < total {
            if let Some(feed) = feed {
                to = self.feed(feed, from, to, width, observe)?;
            }
            let inside = (to + left).checked_sub(reach).and_then(|rest| rest.checked_div(stride));
            let ready = if to == width { total } else { inside.map_or(0, |x| x + 1).min(total) };
            while x < ready {
                let end = if last.is_some() { ready.min(x + most.max(1)) } else { ready };
                let taken = feed.map(|feed| Strip { row: feed.row, rows: feed.rows, from, to });
                match last {
                    Some(last) if works_by_value(&last.step.operator.op) => {
                        self.make_in_place(window, taken, last, x, end, observe)?;
                    }
                    Some(last) if last.step.operator.form != Form::Rows => {
                        self.make_pixels(window, taken, x, end, 0, observe)?;
                        let len = (end - x) * usize::from(window.step.output.shape.channels);
                        let start = row_at(self.model.storage(window.index + 1), window.y, 0);
                        self.sum_pixels(last.index, &last.step, x, start, len)?;
                    }
                    Some(last) => {
                        self.make_pixels(window, taken, x, end, 0, observe)?;
                        let made = Strip { row: last.y, rows: 1, from: x, to: end };
                        self.make_pixels(last, Some(made), x, end, 0, observe)?;
                    }
                    None => self.make_pixels(window, taken, x, end, 0, observe)?,
                }
                x = end;
            }
            let used = if x == total { to } else { (x * stride).saturating_sub(left).min(to) };
            if let Some(feed) = feed {
                self.retire(&feed.maker, Strip { row: feed.row, rows: feed.rows, from, to }, used)?;
            }
            from = used;
        }
        Some(())
    }

    /// Makes strips as long as there is room for, of which the pixels from `from` to below `to` are there; where they end.
    fn feed(&mut self, feed: &Feed<'m>, from: usize, to: usize, width: usize, observe: &mut Observer<'_>) -> Option<usize> {
        let pixels = usize::from(strip(&self.model, feed.maker.index + 1));
        let end = (from + pixels).min(width);
        for i in 0..feed.rows {
            let worker = Worker { y: feed.row + i, ..feed.maker };
            let at = i as usize * pixels + (to - from);
            if worker.y < feed.seen {
                self.make_pixels(&worker, None, to, end, at, &mut |_, _, _| {})?;
            } else {
                self.make_pixels(&worker, None, to, end, at, observe)?;
            }
        }
        Some(end)
    }
}

/// How a window moves along a row.
struct Moves {
    reach: usize,
    stride: usize,
    left: usize,
}

impl Moves {
    fn of(step: &Step<'_>) -> Option<Self> {
        let (Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window }) = step.operator.op else { return None };
        Some(Self { reach: window.reach(1) as usize, stride: usize::from(window.stride[1]), left: usize::from(window.pads.left) })
    }
}
