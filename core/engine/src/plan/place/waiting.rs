//! Where rows that wait lie in their segment's buffer.

use super::super::lifetime::waiting;
use crate::model::Model;
use crate::model::desc::{Storage, Value, ValueId};
use crate::plan::check::buffers::waits_with;
use alloc::{vec, vec::Vec};

/// Waiting rows of a segment: only one and those that are made from it live together, so they lie at both ends by turns. Writes
/// their offsets; bytes of all.
pub fn both_ends(model: &Model<'_>, values: &[Value], segment_of: &[usize], segment: usize, offsets: &mut [usize]) -> usize {
    let waits = |id: ValueId| {
        let id = usize::from(id);
        segment_of.get(id) == Some(&segment)
            && values.get(id).is_some_and(|value| matches!(value.storage, Storage::Waiting { .. } | Storage::Recomputed { .. }))
    };
    let len = |id: ValueId| {
        let span = waiting(model, id);
        (span.end - span.at) as usize
    };
    let rows: Vec<ValueId> = (0..values.len() as ValueId).filter(|id| waits(*id)).collect();
    // Which end each prefers.
    let mut is_upper = vec![false; values.len()];
    let upper = |is_upper: &[bool], id: ValueId| is_upper.get(usize::from(id)).copied().unwrap_or(false);
    for id in &rows {
        let Some(i) = id.checked_sub(1) else { continue };
        let (a, b) = model.inputs(i);
        if a != b && waits(a) && waits(b) && upper(&is_upper, a) != upper(&is_upper, b) {
            flip(model, &mut is_upper, a, &waits);
        }
        if let Some(source) = [a, b].into_iter().find(|source| waits(*source)) {
            let opposite = !upper(&is_upper, source);
            if let Some(to) = is_upper.get_mut(usize::from(*id)) {
                *to = opposite;
            }
        }
    }
    // The rows that wait together with each, and the most bytes that do.
    let together: Vec<Vec<ValueId>> = rows
        .iter()
        .map(|id| rows.iter().copied().filter(|other| other < id && waits_with(model, *id, *other)).collect())
        .collect();
    let most = rows.iter().zip(&together).map(|(id, others)| len(*id) + others.iter().map(|other| len(*other)).sum::<usize>());
    let mut bytes = most.max().unwrap_or(0);
    let lens: Vec<usize> = rows.iter().map(|id| len(*id)).collect();
    let order: Vec<bool> = rows.iter().map(|id| upper(&is_upper, *id)).collect();
    let others: Vec<Vec<usize>> = together
        .iter()
        .map(|others| others.iter().filter_map(|other| rows.iter().position(|id| id == other)).collect())
        .collect();
    let mut search = Search { lens: &lens, others: &others, is_upper: &order, bytes, tries: 0, at: Vec::new() };
    while !search.place() {
        bytes += 16;
        search = Search { bytes, tries: 0, at: Vec::new(), ..search };
    }
    for (id, at) in rows.iter().zip(&search.at) {
        if let Some(offset) = offsets.get_mut(usize::from(*id)) {
            *offset = *at;
        }
    }
    bytes
}

/// Looks for places of waiting rows in so many bytes.
struct Search<'a> {
    lens: &'a [usize],
    /// Earlier rows that wait together with each.
    others: &'a [Vec<usize>],
    /// Which end each prefers.
    is_upper: &'a [bool],
    bytes: usize,
    tries: usize,
    /// Places so far.
    at: Vec<usize>,
}

impl Search<'_> {
    /// Places the next row and all after it, each at the lowest or the highest place that is free; false if none was found.
    fn place(&mut self) -> bool {
        let i = self.at.len();
        let (Some(own), Some(others)) = (self.lens.get(i).copied(), self.others.get(i)) else { return true };
        self.tries += 1;
        if self.tries > 3000 {
            return false;
        }
        let ends = |other: &usize| Some((*self.at.get(*other)?, *self.at.get(*other)? + *self.lens.get(*other)?));
        let taken: Vec<(usize, usize)> = others.iter().filter_map(ends).collect();
        let bytes = self.bytes;
        let is_free = |at: &usize| at + own <= bytes && taken.iter().all(|(start, end)| at + own <= *start || *end <= *at);
        let starts = taken.iter().filter_map(|(start, _)| start.checked_sub(own)).chain(bytes.checked_sub(own));
        let mut places: Vec<usize> = taken.iter().map(|(_, end)| *end).chain([0]).chain(starts).filter(is_free).collect();
        places.sort_unstable();
        places.dedup();
        if self.is_upper.get(i).copied().unwrap_or(false) {
            places.reverse();
        }
        for at in places {
            self.at.push(at);
            if self.place() {
                return true;
            }
            self.at.truncate(i);
        }
        false
    }
}

/// Moves a waiting row to the other end, and what it was made from: a tree, as each has one reader.
fn flip(model: &Model<'_>, is_upper: &mut [bool], id: ValueId, waits: &impl Fn(ValueId) -> bool) {
    if let Some(upper) = is_upper.get_mut(usize::from(id)) {
        *upper = !*upper;
    }
    if let Some(i) = id.checked_sub(1) {
        let (a, b) = model.inputs(i);
        for source in [a, b].into_iter().take(if a == b { 1 } else { 2 }).filter(|source| waits(*source)) {
            flip(model, is_upper, source, waits);
        }
    }
}
