//! Which waiting rows are in strips.

use super::super::lifetime::Life;
use super::super::strips::{Role, pixels, role_of, sums_pixels, works_by_value};
use super::needs::Need;
use crate::model::desc::{IN_PLACE, Op, Operator, Storage, Value};
use alloc::vec::Vec;

/// Pixels of a row that are made from strips at a time, the fastest first.
pub const AT_A_TIME: [u32; 4] = [8, 4, 2, 1];

/// Gives strips to values that wait in some segments, for so many pixels at a time, those first that it shortens most.
pub fn choose_strips(
    values: &mut [Value],
    operators: &[Operator<'_>],
    lives: &[Life],
    needs: &[Need],
    at_a_time: &dyn Fn(usize) -> Option<u32>,
) {
    let taker = |id: usize| operators.iter().enumerate().skip(id).find(|(_, op)| reads(op, id));
    let mut candidates: Vec<(usize, usize, u16)> = Vec::new();
    let mut recomputed: Vec<(usize, u16)> = Vec::new();
    for (id, ((value, life), need)) in values.iter().zip(lives).zip(needs).enumerate().skip(1) {
        let Some((_, reader)) = taker(id) else { continue };
        let made = match (value.storage, at_a_time(life.from)) {
            (Storage::Waiting { .. }, Some(made)) => made,
            (Storage::Recomputed { .. }, made) => {
                let made = made.unwrap_or(AT_A_TIME[0]).min(u32::from(value.shape.width));
                recomputed.push((id, pixels(&reader.op, made) as u16));
                continue;
            }
            _ => continue,
        };
        // What no row is kept of is taken at once or lost.
        if need.kept == 0 && need.waits_long {
            continue;
        }
        let pixels = pixels(&reader.op, made);
        if let Some(fewer) = u32::from(value.shape.width).checked_sub(pixels).filter(|fewer| *fewer > 0) {
            candidates.push((fewer as usize * usize::from(value.shape.channels), id, pixels as u16));
        }
    }
    for (id, pixels) in recomputed {
        set_strip(values, operators, id, pixels);
    }
    candidates.sort_unstable_by(|one, other| other.cmp(one));
    for (_, id, pixels) in candidates {
        set_strip(values, operators, id, pixels);
        if !are_roles_right(values, operators) {
            set_strip(values, operators, id, 0);
        }
    }
}

pub fn reads(operator: &Operator<'_>, id: usize) -> bool {
    usize::from(operator.a) == id || operator.b.is_some_and(|b| usize::from(b) == id)
}

pub fn strip_of(values: &[Value], id: usize) -> u16 {
    match values.get(id).map(|value| value.storage) {
        Some(Storage::Waiting { strip, .. } | Storage::Recomputed { strip, .. }) => strip,
        _ => 0,
    }
}

/// Gives value `id` strips of so many pixels, in place where they can be; 0: whole rows.
pub fn set_strip(values: &mut [Value], operators: &[Operator<'_>], id: usize, pixels: u16) {
    let reader = operators.iter().skip(id).find(|op| reads(op, id));
    let is_kept = matches!(values.get(id).map(|value| value.storage), Some(Storage::Waiting { rows: 1.., .. }));
    let is_in_place = pixels > 0 && !is_kept && reader.is_some_and(|reader| works_by_value(&reader.op));
    match values.get_mut(id).map(|value| &mut value.storage) {
        Some(Storage::Waiting { at, strip, .. }) => (*at, *strip) = (if is_in_place { IN_PLACE } else { 0 }, pixels),
        Some(Storage::Recomputed { strip, .. }) => *strip = pixels,
        _ => {}
    }
}

/// True if all strips are where they are allowed.
pub fn are_roles_right(values: &[Value], operators: &[Operator<'_>]) -> bool {
    (1..values.len()).filter(|id| strip_of(values, *id) > 0).all(|id| {
        let reader = operators.iter().enumerate().skip(id).find(|(_, op)| reads(op, id));
        let (Some(maker), Some((i, reader))) = (operators.get(id - 1), reader) else { return false };
        let Some(Storage::Waiting { rows, strip, .. } | Storage::Recomputed { rows, strip, .. }) =
            values.get(id).map(|value| value.storage)
        else {
            return false;
        };
        let (is_fed, feeds) = (strip_of(values, usize::from(maker.a)) > 0, strip_of(values, i + 1) > 0);
        let width = |id: usize| values.get(id).map(|value| value.shape.width);
        if matches!(reader.op, Op::Add | Op::Mul) && width(id) != width(i + 1) {
            return false;
        }
        let sums = sums_pixels(&reader.op, reader.form);
        role_of([&maker.op, &reader.op], sums, rows, strip, is_fed, feeds) != Role::Whole
    })
}
