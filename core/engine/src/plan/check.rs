//! A plan that would lose a row, or whose buffers overlap, is refused.

use super::MAX_SEGMENT;
use super::columns::{cutter, is_appended, stored};
use super::lifetime::{Life, Span, kept, waiting};
use super::reads::{Rows, state_bytes};
use super::recompute::{rows_taken, sources, window_rows};
use super::simulate::{Event, Run};
use super::strips::{Role, reader, role, strip};
use crate::error::{Error, attempt};
use crate::model::Model;
use crate::model::desc::{Form, IN_PLACE, Storage, ValueId};

/// Most rows times operators of their segment: a bound on the time to check a plan.
const MAX_STEPS: u64 = 1 << 26;

const fn wrong<T>(value: ValueId, field: &'static str) -> Result<T, Error> {
    Err(Error::InvalidPlan { value, field })
}

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

/// What a value's storage must satisfy by itself.
const fn storage(model: &Model<'_>, id: ValueId) -> Result<(), Error> {
    let life = Life::of(model, id);
    let (from, to) = model.segments_of(id);
    if from as usize != life.from || to as usize != life.to {
        return wrong(id, "segments that it lives in");
    }
    if life.readers == 0 && !life.is_output {
        return wrong(id, "nobody reads it");
    }
    match model.storage(id) {
        Storage::Waiting { at: IN_PLACE, rows, strip: 0, .. } => {
            if id > 0 || rows > 0 || life.is_output {
                return wrong(id, "it lies nowhere");
            }
            let mut index = 0;
            while index < model.segment_count() {
                if cutter(model, model.segment(index)).is_err() {
                    return wrong(0, "its rows lie with the caller, but are not only cut, once in a segment");
                }
                index += 1;
            }
        }
        Storage::Waiting { strip, .. } => {
            if strip > 0 && matches!(role(model, id), Role::Whole) {
                return wrong(id, "strips (its operators cannot make or take them)");
            }
            if life.readers != 1 || life.is_output || life.from != life.to {
                return wrong(id, "it waits, but has not one reader in its segment");
            }
        }
        Storage::Recomputed { rows, .. } => {
            let is_window = match reader(model, id) {
                Some(taker) => match model.op(taker) {
                    Some(op) => matches!(window_rows(&op), Some(kernel) if kernel == rows),
                    None => false,
                },
                None => false,
            };
            if !is_window || !matches!(role(model, id), Role::First) {
                return wrong(id, "recomputation (its operators cannot make or take it in strips)");
            }
            if life.readers != 1 || life.is_output || life.from != life.to {
                return wrong(id, "it is recomputed, but has not one reader in its segment");
            }
        }
        Storage::Ring { rows, over, .. } => {
            if rows == 0 {
                return wrong(id, "a ring without rows");
            }
            // Rows of the input are given again.
            let is_again = id == 0 && !life.is_output;
            if (life.is_output || life.from != life.to) && rows < model.shape(id).height && !is_again {
                return wrong(id, "it is read later, but not stored");
            }
            attempt!(below(model, id, life, over));
        }
        Storage::Columns { pitch, over, .. } => {
            if id == 0 || life.is_output || (pitch as usize) < model.row_bytes(id) {
                return wrong(id, "columns (it is no part of a wider map)");
            }
            attempt!(below(model, id, life, over));
        }
    }
    Ok(())
}

/// What a value may lie over.
const fn below(model: &Model<'_>, id: ValueId, life: Life, over: Option<ValueId>) -> Result<(), Error> {
    let Some(over) = over else { return Ok(()) };
    if over as usize > model.operator_count() {
        return wrong(id, "it lies over no value");
    }
    let below = Life::of(model, over);
    if stored(model, over).is_none() || below.is_output || below.from >= life.from || below.to != life.from {
        return wrong(id, "it lies over a value that is not stored, or not used up in its segment");
    }
    Ok(())
}

/// Buffers that live together do not overlap; bytes of arena.
const fn buffers(model: &Model<'_>) -> Result<u64, Error> {
    let (mut longest, mut segment) = (0, 0);
    while segment < model.segment_count() {
        let (first, end) = model.segment(segment);
        if end - first > longest {
            longest = end - first;
        }
        segment += 1;
    }
    let counters = Span { at: 0, end: 2 * longest as u64 };
    let (mut arena, mut id) = (counters.end, 0);
    while (id as usize) <= model.operator_count() {
        let spans = [kept(model, id), waiting(model, id), state(model, id)];
        let mut i = 0;
        while i < spans.len() {
            if spans[i].overlaps(&counters) {
                return wrong(id, "its buffer overlaps the row counters");
            }
            // Empty ones too: nothing that is named lies outside.
            if spans[i].end > arena {
                arena = spans[i].end;
            }
            i += 1;
        }
        if spans[0].overlaps(&spans[1]) || spans[0].overlaps(&spans[2]) || spans[1].overlaps(&spans[2]) {
            return wrong(id, "its own buffers overlap");
        }
        let mut other = 0;
        while other < id {
            let theirs = [kept(model, other), waiting(model, other), state(model, other)];
            // Most share no byte; how long they live takes longer to find out.
            if shares(&spans, &theirs) {
                attempt!(apart(model, id, &spans, other, &theirs));
            }
            other += 1;
        }
        id += 1;
    }
    if arena > u32::MAX as u64 / 2 {
        return wrong(0, "the arena is longer than 2^31 bytes");
    }
    Ok(arena)
}

/// The sums or maxima of the operator that makes value `id`; empty where it does not accumulate.
const fn state(model: &Model<'_>, id: ValueId) -> Span {
    match id.checked_sub(1) {
        Some(i) => match (model.form(i), model.op(i)) {
            (Form::Accumulate { at }, Some(op)) => Span::new(at, state_bytes(&op, model.shape(id)) as u64),
            _ => Span { at: 0, end: 0 },
        },
        None => Span { at: 0, end: 0 },
    }
}

const fn shares(mine: &[Span; 3], theirs: &[Span; 3]) -> bool {
    let mut i = 0;
    while i < 9 {
        if mine[i / 3].overlaps(&theirs[i % 3]) {
            return true;
        }
        i += 1;
    }
    false
}

/// `id` and the earlier `other`, whose spans (kept rows, waiting row, sums) share bytes.
const fn apart(model: &Model<'_>, id: ValueId, mine: &[Span; 3], other: ValueId, theirs: &[Span; 3]) -> Result<(), Error> {
    let ((from, to), (other_from, other_to)) = (model.segments_of(id), model.segments_of(other));
    if other_from > to || from > other_to {
        return Ok(());
    }
    if mine[0].overlaps(&theirs[0]) && !lies_over(model, id, other) {
        return wrong(id, "its buffer overlaps that of a value that lives");
    }
    // Waiting rows and sums live in the segment that makes them, which comes not before that of `other`.
    if from <= other_to && (mine[1].overlaps(&theirs[0]) || mine[2].overlaps(&theirs[0])) {
        return wrong(id, "a waiting row or sums overlap a buffer that lives");
    }
    if from != other_from {
        return Ok(());
    }
    if theirs[1].overlaps(&mine[0]) || theirs[2].overlaps(&mine[0]) {
        return wrong(id, "its buffer overlaps a waiting row or sums");
    }
    if mine[2].overlaps(&theirs[2]) || mine[2].overlaps(&theirs[1]) || mine[1].overlaps(&theirs[2]) {
        return wrong(id, "sums overlap sums or a waiting row");
    }
    if mine[1].overlaps(&theirs[1]) && waits_with(model, id, other) {
        return wrong(id, "its waiting row overlaps one that it is made from");
    }
    Ok(())
}

/// True if row `other` still waits while a row of `id` is made: it is made from it, or from strips that are made from it.
pub const fn waits_with(model: &Model<'_>, id: ValueId, other: ValueId) -> bool {
    let mut id = id;
    while id > 0 {
        let (a, b) = model.inputs(id - 1);
        if a == other || b == other {
            return true;
        }
        let first = strip(model, a) > 0;
        let second = a != b && strip(model, b) > 0;
        id = match (first, second) {
            (false, false) => return false,
            (true, false) => a,
            (false, true) => b,
            // Of two strips that meet both have sources: no row of theirs may be written.
            (true, true) => return true,
        };
    }
    false
}

const fn lies_over(model: &Model<'_>, id: ValueId, other: ValueId) -> bool {
    matches!(model.storage(id).over(), Some(over) if over == other)
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
