//! A plan that would lose a row, or whose buffers overlap, is refused.

use super::MAX_SEGMENT;
use super::columns::{is_appended, stored};
use super::reads::Rows;
use super::recompute::{rows_taken, sources};
use super::simulate::{Event, Run};
use super::strips::{Role, role};
use crate::error::{Error, attempt, wrong_plan as wrong};
use crate::model::Model;
use crate::model::desc::{Storage, ValueId};
use buffers::buffers;
use storage::storage;

pub(super) mod buffers;
mod storage;

/// Most rows times operators of their segment: a bound on the time to check a plan.
const MAX_STEPS: u64 = 1 << 26;

/// Checks the plan; bytes of arena.
pub const fn check(model: &Model<'_>) -> Result<u64, Error> {
    attempt!(segments(model));
    let mut id = 0;
    while (id as usize) <= model.operator_count() {
        attempt!(storage(model, id));
        id += 1;
    }
    let arena = attempt!(buffers(model));
    let mut segment = 0;
    while segment < model.segment_count() {
        attempt!(run(model, segment));
        segment += 1;
    }
    Ok(arena)
}

pub const fn segments(model: &Model<'_>) -> Result<(), Error> {
    let (mut i, mut steps) = (0, 0u64);
    while i < model.segment_count() {
        let (first, end) = model.segment(i);
        if end <= first || (end - first) as usize > MAX_SEGMENT || end as usize > model.operator_count() {
            return wrong(first, "segments (empty, or of more than 512 operators)");
        }
        let mut id = first;
        while id <= end {
            steps += model.shape(id).height as u64 * (end - first) as u64;
            id += 1;
        }
        i += 1;
    }
    if model.segment(model.segment_count() - 1).1 as usize != model.operator_count() {
        return wrong(0, "segments (they do not hold all operators)");
    }
    if steps > MAX_STEPS {
        return wrong(0, "segments (too many rows of too many operators: cut them)");
    }
    Ok(())
}

/// Runs a segment: every row that is read must still be there.
const fn run(model: &Model<'_>, index: usize) -> Result<(), Error> {
    let mut run = Run::new(*model, index);
    let mut pending = None;
    loop {
        let event = run.next();
        // Strips that nobody keeps are taken at once or lost.
        if let Some(id) = pending {
            pending = None;
            if !matches!(event, Event::Step { operator, .. } if model.reads(operator, id)) {
                return wrong(id, "strips (its reader lacks its other input)");
            }
        }
        match event {
            Event::Step { operator, count, fresh, makes } => {
                if makes && matches!(role(model, operator + 1), Role::Second) {
                    pending = Some(operator + 1);
                }
                let (a, b) = sources(model, operator);
                attempt!(is_there(model, &run, a, rows_taken(model, operator, count, false), fresh));
                if a != b {
                    attempt!(is_there(model, &run, b, rows_taken(model, operator, count, true), fresh));
                }
                if makes {
                    attempt!(overwrites(model, &run, operator));
                }
            }
            Event::Given => {}
            Event::Done => return Ok(()),
            Event::Stuck => return wrong(run.segment.first, "an operator of its segment waits for ever"),
        }
        run.apply(event);
    }
}

/// Rows that are read have not been overwritten.
const fn is_there(model: &Model<'_>, run: &Run<'_>, id: ValueId, rows: Rows, fresh: Option<ValueId>) -> Result<(), Error> {
    if rows.end <= rows.first {
        return Ok(());
    }
    let made = run.rows_of(id);
    let oldest = match model.storage(id) {
        Storage::Ring { rows, .. } => made.saturating_sub(rows as u32),
        Storage::Waiting { rows, .. } => {
            let waits = match fresh {
                Some(fresh) => fresh == id,
                None => false,
            };
            made.saturating_sub(rows as u32 + waits as u32)
        }
        Storage::Columns { .. } => 0,
        // Nobody waits for it.
        Storage::Recomputed { .. } => 0,
    };
    if rows.first < oldest { wrong(id, "a row is gone before it is read: it needs more rows") } else { Ok(()) }
}

/// The row that operator `i` makes lies over no row of another value that is still needed.
const fn overwrites(model: &Model<'_>, run: &Run<'_>, i: u16) -> Result<(), Error> {
    let id = i + 1;
    let Some(over) = model.storage(id).over() else { return Ok(()) };
    // What is added lies beside what is there.
    if is_appended(model, i) {
        return Ok(());
    }
    let Some((below, below_pitch)) = stored(model, over) else {
        return wrong(id, "it lies over a value that is not stored");
    };
    let len = model.row_bytes(id) as u64;
    let (at, row, pitch) = match model.storage(id) {
        Storage::Ring { at, rows, .. } => (at, run.rows_of(id) as u64 % if rows == 0 { 1 } else { rows as u64 }, len),
        Storage::Columns { at, pitch, .. } => (at, run.rows_of(id) as u64, pitch as u64),
        _ => return Ok(()),
    };
    let needed = run.first_needed(over, i, false);
    let height = model.shape(over).height as u32;
    if needed >= height {
        return Ok(());
    }
    let limit = below as u64 + needed as u64 * below_pitch as u64;
    if at as u64 + row * pitch + len > limit { wrong(id, "it overwrites rows that are still needed") } else { Ok(()) }
}
