//! What the storage of a value must satisfy by itself.

use crate::error::{Error, attempt, wrong_plan as wrong};
use crate::model::Model;
use crate::model::desc::{IN_PLACE, Storage, ValueId};
use crate::plan::columns::{cutter, stored};
use crate::plan::lifetime::Life;
use crate::plan::recompute::window_rows;
use crate::plan::strips::{Role, reader, role};

/// What a value's storage must satisfy by itself.
pub const fn storage(model: &Model<'_>, id: ValueId) -> Result<(), Error> {
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
