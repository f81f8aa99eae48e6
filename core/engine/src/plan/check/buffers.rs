//! Buffers that must not overlap.

use crate::error::{Error, attempt, wrong_plan as wrong};
use crate::model::Model;
use crate::model::desc::{Form, ValueId};
use crate::plan::lifetime::{Span, kept, waiting};
use crate::plan::reads::state_bytes;
use crate::plan::strips::strip;

/// Buffers that live together do not overlap; bytes of arena.
pub const fn buffers(model: &Model<'_>) -> Result<u64, Error> {
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
