//! Strips and offsets, tried until they take no more than they must.

use super::planner::{Draft, Placement, Planner, set_over};
use super::strips::{AT_A_TIME, are_roles_right, choose_strips, reads, set_strip, strip_of};
use crate::error::Error;
use crate::model::desc::{Shape, Storage, Value, ValueId};
use crate::plan::strips::pixels;
use alloc::vec::Vec;

/// Steps in an inference from which on a longer strip is worth bytes.
const MANY_STEPS: u32 = 256;

/// Parts of the least bytes that strips leave free, so that buffers fit; the last leaves all it can.
const ROOM: [usize; 3] = [16, 4, 1];

impl<'a> Planner<'a> {
    /// [`place`](Self::place), where up to so many bytes more make strips longer that take many steps.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn place_with(&self, segments: &[u16], recomputed: &[ValueId], spare: usize) -> Result<Placement<'a>, Error> {
        let draft = self.draft(segments, recomputed, None)?;
        // Strips take more time: no more and no shorter ones than the greatest segment asks for.
        let ways = [None, Some(AT_A_TIME[0]), Some(AT_A_TIME[1]), Some(AT_A_TIME[2]), Some(AT_A_TIME[3])];
        let bytes: Vec<Vec<usize>> = ways.iter().map(|way| self.bytes(&draft, segments, *way)).collect();
        let of = |way: usize, segment: usize| bytes.get(way).and_then(|all| all.get(segment)).copied().unwrap_or(usize::MAX);
        let least_of = |segment: usize| (0..ways.len()).map(|way| of(way, segment)).min().unwrap_or(0);
        let least = (0..segments.len()).map(least_of).max().unwrap_or(0);
        let fast = |most: usize| {
            let way = |segment: usize| {
                let most = most.max(least_of(segment));
                (0..ways.len()).find(|way| of(*way, segment) <= most).and_then(|way| ways[way])
            };
            let mut values = draft.values.clone();
            choose_strips(&mut values, &draft.operators, &draft.lives, &draft.needs, &way);
            self.widen(&draft, &mut values, segments, most, 0);
            values
        };
        if spare > 0 {
            let mut values = fast(least);
            self.widen(&draft, &mut values, segments, least + spare, MANY_STEPS);
            return Ok(self.finish_either(&draft, values, segments, least + spare));
        }
        let mut tried = fast(least);
        let mut best = self.finish_either(&draft, tried.clone(), segments, least);
        // Buffers that fill their segments to the last byte fit badly: others are left room.
        for part in ROOM {
            if best.arena <= best.least {
                break;
            }
            let values = fast(least - least / part);
            if values == tried {
                continue;
            }
            tried.clone_from(&values);
            let other = self.finish_either(&draft, values, segments, least);
            if other.arena < best.arena {
                best = other;
            }
        }
        Ok(best)
    }

    /// Offsets for all buffers, with all that may lie over another or without what need not.
    fn finish_either(&self, draft: &Draft<'a>, mut values: Vec<Value>, segments: &[u16], most: usize) -> Placement<'a> {
        let mut draft = draft.clone();
        let first = self.finish(&draft, values.clone(), segments);
        // What need not lie over another is easier to place by itself.
        let all = draft.overs.clone();
        for over in all {
            let before = draft.overs.clone();
            draft.overs.retain(|other| other.value != over.value);
            let segment = draft.lives.get(over.value).map_or(0, |life| life.from);
            if self.pool(&draft, &values, segments, Some(segment)).live(segment) > most {
                draft.overs = before;
            } else {
                set_over(&mut values, over.value, None);
            }
        }
        let second = self.finish(&draft, values, segments);
        if second.arena < first.arena { second } else { first }
    }

    /// [`place`](Self::place) with strips of so many pixels wherever they are allowed, asked for or not: for tests.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn place_in_strips(&self, segments: &[u16], recomputed: &[ValueId], at_a_time: u32) -> Result<Placement<'a>, Error> {
        let draft = self.draft(segments, recomputed, None)?;
        let mut values = draft.values.clone();
        choose_strips(&mut values, &draft.operators, &draft.lives, &draft.needs, &|_| Some(at_a_time.max(1)));
        Ok(self.finish(&draft, values, segments))
    }

    /// Offsets for all buffers.
    fn finish(&self, draft: &Draft<'a>, mut values: Vec<Value>, segments: &[u16]) -> Placement<'a> {
        let pool = self.pool(draft, &values, segments, None);
        let mut operators = draft.operators.clone();
        let segment_bytes = pool.per_segment();
        let (least, arena) = pool.assign(&mut values, &mut operators);
        Placement { values, operators, arena, least, segment_bytes }
    }

    /// Makes strips longer, or rows whole, that take so many steps or more, where a segment then takes no more than `most`.
    fn widen(&self, draft: &Draft<'a>, values: &mut [Value], segments: &[u16], most: usize, steps: u32) {
        for id in 1..values.len() {
            let before = strip_of(values, id);
            let (true, Some(life)) = (before > 0, draft.lives.get(id)) else { continue };
            let Some(reader) = draft.operators.iter().skip(id).find(|op| reads(op, id)) else { continue };
            // A step makes anew what the window before did not reach.
            let overlap = (2 * pixels(&reader.op, 1)).saturating_sub(pixels(&reader.op, 2));
            let fresh = u32::from(before).saturating_sub(overlap).max(1);
            let steps_of = |shape: Shape| u32::from(shape.height) * u32::from(shape.width).div_ceil(fresh);
            if values.get(id).is_some_and(|value| steps_of(value.shape) < steps) {
                continue;
            }
            let widths = AT_A_TIME.map(|made| pixels(&reader.op, made) as u16);
            let is_recomputed = matches!(values.get(id).map(|value| value.storage), Some(Storage::Recomputed { .. }));
            let whole = if is_recomputed { None } else { Some(0) };
            for wider in whole.into_iter().chain(widths).take_while(|wider| *wider == 0 || *wider > before) {
                if wider >= values.get(id).map_or(0, |value| value.shape.width) {
                    continue;
                }
                set_strip(values, &draft.operators, id, wider);
                let fits = || self.pool(draft, values, segments, Some(life.from)).live(life.from) <= most;
                if are_roles_right(values, &draft.operators) && fits() {
                    break;
                }
                set_strip(values, &draft.operators, id, before);
            }
        }
    }
}
