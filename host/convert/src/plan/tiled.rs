//! What the first operators take in parts of columns, found once.

use super::parts::{Parts, Split, can_split, split};
use super::segments::{COUNTER_BYTES, Set, Way, network};
use crate::lower::{Lowered, Operator};
use rownet::plan::Planner;
use std::collections::HashMap;
use std::rc::Rc;

/// Most parts.
const MOST_PARTS: u16 = 12;
/// Most sets of recomputed values that are looked up for each number of parts.
const MOST_SETS: usize = 6;

/// The ways to make the first operators in parts.
pub struct Tiled<'l> {
    lowered: &'l Lowered,
    /// Ends that are worth it: with a smaller map than all before.
    ends: Vec<u16>,
    known: HashMap<u16, Rc<[Way]>>,
}

impl<'l> Tiled<'l> {
    /// None are looked up yet.
    pub fn new(lowered: &'l Lowered) -> Self {
        let bytes = |end: u16| lowered.values[usize::from(end)].shape.len();
        let mut least = u64::MAX;
        let mut ends = Vec::new();
        for end in (1..=lowered.operators.len() as u16).filter(|end| can_split(lowered, *end)) {
            if bytes(end) < least {
                least = bytes(end);
                ends.push(end);
            }
        }
        Self { lowered, ends, known: HashMap::new() }
    }

    /// The way of the least multiply-accumulates in which the first `end` operators take no more than `budget`; `sets` of what may be
    /// recomputed.
    pub fn cheapest(&mut self, end: u16, budget: usize, sets: &dyn Fn() -> Rc<[(u64, usize, Set)]>) -> Option<Way> {
        let map = self.lowered.values[usize::from(end)].shape.len() as usize;
        if !self.ends.contains(&end) || map > budget {
            return None;
        }
        let lowered = self.lowered;
        let ways = self.known.entry(end).or_insert_with(|| ways(lowered, end, &sets())).clone();
        ways.iter().find(|way| way.bytes <= budget).cloned()
    }
}

/// Ways of which none takes less and repeats less, the least multiply-accumulates first.
fn ways(lowered: &Lowered, end: u16, sets: &[(u64, usize, Set)]) -> Rc<[Way]> {
    let (first, _) = lowered.operators.split_at(usize::from(end));
    let prefix = Lowered {
        values: lowered.values[..=usize::from(end)].to_vec(),
        sources: lowered.sources[..=usize::from(end)].to_vec(),
        operators: first.to_vec(),
        outputs: vec![end],
    };
    let width = prefix.values[usize::from(end)].shape.width;
    let mut found: Vec<Way> = Vec::new();
    for count in 2..=MOST_PARTS.min(width) {
        for columns in columns(width, count) {
            let parts = Parts { end, columns };
            let Some(split) = split(&prefix, &parts) else { continue };
            found.extend(measure(&prefix, &split, &parts, sets));
        }
    }
    found.sort_by_key(|way| (way.macs, way.bytes));
    let mut least = usize::MAX;
    found.retain(|way| {
        let is_less = way.bytes < least;
        least = least.min(way.bytes);
        is_less
    });
    found.into()
}

/// Ends of so many parts: those at the edges have fewer neighbours and may be wider.
fn columns(width: u16, count: u16) -> Vec<Vec<u16>> {
    if count == 2 {
        return vec![vec![width.div_ceil(2), width]];
    }
    let even = width / count;
    let of = |middle: u16| {
        let edges = width.checked_sub(middle * (count - 2)).filter(|edges| middle > 0 && *edges >= 2)?;
        let first = edges.div_ceil(2);
        Some((0..count - 1).map(|i| first + i * middle).chain([width]).collect())
    };
    [Some(even), even.checked_sub(1), even.checked_sub(2)].into_iter().flatten().filter_map(of).collect()
}

fn measure(prefix: &Lowered, split: &Split, parts: &Parts, sets: &[(u64, usize, Set)]) -> Vec<Way> {
    let operators: Vec<_> = split.lowered.operators.iter().map(Operator::borrow).collect();
    let Ok(planner) = Planner::new(&network(&split.lowered, &operators, &[])) else { return Vec::new() };
    let repeated = macs(&split.lowered).saturating_sub(macs(prefix));
    let starts = || std::iter::once(0).chain(split.ends.iter().copied());
    // Parts inside are alike. Their maps have rows as far apart as the whole's.
    let last = split.ends.len() - 1;
    let map = prefix.values[usize::from(parts.end)].shape;
    let gaps = |i: usize| usize::from(map.height - 1) * usize::from(map.width - parts.columns[i]) * usize::from(map.channels);
    let all = starts().zip(split.ends.iter().copied()).enumerate().filter(|(i, _)| [0, 1, last].contains(i));
    let looked_up: Vec<(u16, u16, usize)> = all.map(|(i, (first, end))| (first, end, gaps(i))).collect();
    let step = sets.len().div_ceil(MOST_SETS).max(1);
    let some = sets.iter().enumerate().filter(|(i, _)| i % step == 0 || i + 1 == sets.len());
    some.filter_map(|(_, (_, _, set))| {
        let recomputed = split.recomputed(set);
        let bytes = looked_up.iter().map(|&(first, end, gaps)| {
            let found = planner.segment_bytes(first, end, &recomputed).ok()?;
            Some(found.bytes + gaps + COUNTER_BYTES * usize::from(end - first))
        });
        let bytes = bytes.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let again: u64 = recomputed.iter().filter_map(|id| planner.recomputation(*id)).sum();
        Some(Way { macs: repeated + again, bytes, recomputed: set.clone(), parts: Some(parts.clone()) })
    })
    .collect()
}

/// Multiply-accumulates, none recomputed.
pub fn macs(lowered: &Lowered) -> u64 {
    let shape = |id: u16| lowered.values[usize::from(id)].shape;
    lowered.operators.iter().enumerate().map(|(i, o)| o.op.macs(shape(o.a), shape(i as u16 + 1))).sum()
}
