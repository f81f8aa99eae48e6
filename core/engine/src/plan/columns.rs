//! Maps that are made in parts, one column of parts after the other, each from input rows that are given again.

use crate::model::Model;
use crate::model::desc::{IN_PLACE, Op, Storage, ValueId};

/// Where the stored map of value `id` starts, and bytes from a row to the next.
pub const fn stored(model: &Model<'_>, id: ValueId) -> Option<(u32, u32)> {
    model.storage(id).whole(model.shape(id).height, model.row_bytes(id))
}

/// True if operator `i` adds columns to a map that stays where it is.
pub const fn is_appended(model: &Model<'_>, i: u16) -> bool {
    let Some(Op::ConcatColumns) = model.op(i) else { return false };
    let a = model.inputs(i).0;
    let Some(over) = model.storage(i + 1).over() else { return false };
    match (stored(model, a), stored(model, i + 1)) {
        (Some((at, pitch)), Some((own, own_pitch))) => over == a && at == own && pitch == own_pitch,
        _ => false,
    }
}

/// True if no row of the input is in the arena: who reads it takes columns from the caller's row.
pub const fn is_with_caller(model: &Model<'_>) -> bool {
    matches!(model.storage(0), Storage::Waiting { at: IN_PLACE, .. })
}

/// The operator of so many that cuts columns from the caller's row; `Err` if another one reads it, or two.
pub const fn cutter(model: &Model<'_>, (first, end): (u16, u16)) -> Result<Option<u16>, ()> {
    let (mut i, mut found) = (first, None);
    while i < end {
        if model.reads(i, 0) {
            let is_cut = matches!(model.op(i), Some(Op::Crop { .. }));
            let is_plain = match model.operator(i) {
                Some(operator) => operator.clamp[0] == i8::MIN && operator.clamp[1] == i8::MAX,
                None => false,
            };
            if !is_cut || !is_plain || found.is_some() {
                return Err(());
            }
            found = Some(i);
        }
        i += 1;
    }
    Ok(found)
}

/// True if the caller gives the input's rows while segment `index` runs: always in the first, in others that read rows which are not
/// stored.
pub const fn is_given(model: &Model<'_>, index: usize) -> bool {
    if index == 0 {
        return true;
    }
    if stored(model, 0).is_some() || index >= model.segment_count() {
        return false;
    }
    let (mut i, end) = model.segment(index);
    while i < end {
        if model.reads(i, 0) {
            return true;
        }
        i += 1;
    }
    false
}

impl Model<'_> {
    /// How many times the caller gives the input's rows: once, unless the plan saves memory by it.
    pub const fn input_passes(&self) -> usize {
        let (mut passes, mut index) = (0, 0);
        while index < self.segment_count() {
            passes += is_given(self, index) as usize;
            index += 1;
        }
        passes
    }
}
