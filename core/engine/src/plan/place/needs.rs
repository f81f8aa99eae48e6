//! What values need, found by running the schedule: rows, and how far one must lie before another.

use super::super::columns::stored;
use super::super::lifetime::{Life, kept};
use super::super::recompute::{rows_taken, sources, takes};
use super::super::simulate::{Event, Run};
use crate::error::Error;
use crate::model::Model;
use crate::model::desc::{Op, ValueId};
use alloc::{vec, vec::Vec};

/// A stored value whose rows go where those of another one were used up.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// Which.
    pub value: usize,
    /// The one that is used up.
    pub below: usize,
    /// Bytes that it starts before the other one, at least.
    pub before: usize,
}

/// What a value needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Need {
    /// True if a row was made that its reader could not use when it came.
    pub waits_long: bool,
    /// Rows of a ring.
    pub ring: u32,
    /// Rows kept where the newest waits.
    pub kept: u32,
}

/// Runs all segments, or one; how far back each value's readers looked.
pub fn needs(model: &Model<'_>, only: Option<usize>) -> Result<Vec<Need>, Error> {
    let mut needs = vec![Need::default(); model.operator_count() + 1];
    for index in (0..model.segment_count()).filter(|index| only.is_none_or(|only| only == *index)) {
        let mut run = Run::new(*model, index);
        let mut newest: Option<ValueId> = None;
        loop {
            let event = run.next();
            if let Some(id) = newest.take()
                && !matches!(event, Event::Step { operator, .. } if takes(model, operator, id))
                && let Some(need) = needs.get_mut(usize::from(id))
            {
                need.waits_long = true;
            }
            match event {
                Event::Step { operator, count, fresh, makes } => {
                    newest = makes.then_some(operator + 1);
                    let (a, b) = sources(model, operator);
                    for (id, second) in [(a, false), (b, true)] {
                        let rows = rows_taken(model, operator, count, second);
                        if let Some(need) = needs.get_mut(usize::from(id)).filter(|_| rows.end > rows.first) {
                            let back = run.rows_of(id).saturating_sub(rows.first);
                            need.ring = need.ring.max(back);
                            need.kept = need.kept.max(back - u32::from(fresh == Some(id)));
                        }
                    }
                }
                Event::Given => {}
                Event::Done => break,
                Event::Stuck => {
                    return Err(Error::InvalidPlan {
                        value: run.segment.first,
                        field: "an operator of its segment waits for ever",
                    });
                }
            }
            run.apply(event);
        }
    }
    Ok(needs)
}
/// Pairs of stored values of which one can lie over the other, those first that save most; a value is in one pair as either.
pub fn overs(model: &Model<'_>, lives: &[Life], only: Option<usize>) -> Vec<Over> {
    let mut found: Vec<(usize, Over)> = Vec::new();
    let bytes = |id: usize| {
        let span = kept(model, id as ValueId);
        (span.end - span.at) as usize
    };
    for index in (1..model.segment_count()).filter(|index| only.is_none_or(|only| only == *index)) {
        let stored = |life: &Life| life.to > life.from || life.is_output;
        let ids = |keep: &dyn Fn(&Life) -> bool| -> Vec<usize> {
            lives.iter().enumerate().filter(|(_, life)| keep(life)).map(|(id, _)| id).collect()
        };
        let used_up = ids(&|life| life.from < index && life.to == index && !life.is_output);
        for value in ids(&|life| life.from == index && stored(life)) {
            for below in &used_up {
                let before = lag(model, index, value, *below);
                let both = before + bytes(*below).max(bytes(value).saturating_sub(before));
                if let Some(saved) = (bytes(value) + bytes(*below)).checked_sub(both).filter(|saved| *saved > 0) {
                    found.push((saved, Over { value, below: *below, before }));
                }
            }
        }
    }
    found.sort_unstable_by_key(|(saved, over)| (core::cmp::Reverse(*saved), over.value));
    let mut overs: Vec<Over> = Vec::new();
    for (_, over) in found {
        if !overs.iter().any(|other| other.value == over.value || other.below == over.below) {
            overs.push(over);
        }
    }
    overs
}

/// Bytes that `value` must start before `below`, so that no row is written before what was there is used up.
fn lag(model: &Model<'_>, index: usize, value: usize, below: usize) -> usize {
    let (value, below) = (value as ValueId, below as ValueId);
    let (Some((_, own)), Some((_, len))) = (stored(model, value), stored(model, below)) else { return usize::MAX / 4 };
    let (own, len, height) = (own as usize, len as usize, u32::from(model.shape(below).height));
    let made_from = value.checked_sub(1).filter(|i| matches!(model.op(*i), Some(Op::ConcatColumns)));
    if own == len && made_from.is_some_and(|i| model.inputs(i).0 == below) {
        return 0;
    }
    let mut run = Run::new(*model, index);
    let mut lag = 0;
    loop {
        let event = run.next();
        match event {
            Event::Step { operator, makes: true, .. } if operator + 1 == value => {
                let needed = run.first_needed(below, operator, true);
                if needed < height {
                    lag = lag.max(((run.rows_of(value) as usize + 1) * own).saturating_sub(needed as usize * len));
                }
            }
            Event::Done | Event::Stuck => return lag,
            _ => {}
        }
        run.apply(event);
    }
}
