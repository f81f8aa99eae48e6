//! What each segment takes, found once: by itself, and with values recomputed.

use super::parts::Parts;
use crate::lower::Lowered;
use rownet::model::desc::{Network, Operator};
use rownet::plan::{MAX_SEGMENT, Planner, Segment};
use std::collections::HashMap;
use std::rc::Rc;

/// What the engine is to run in `segments`: one past the last operator of each.
pub(super) fn network<'a>(lowered: &'a Lowered, operators: &'a [Operator<'a>], segments: &'a [u16]) -> Network<'a> {
    Network { values: &lowered.values, operators, outputs: &lowered.outputs, segments, labels: "", metadata: "", head: &[] }
}

/// Most sets of recomputed values that are kept of a segment.
const MOST_SETS: usize = 48;
/// Bound of the work to look up all segments: rows and operators of each, times its operators.
const MOST_WORK: u64 = 1 << 31;
/// Bytes of one row counter; there are as many as the longest segment has operators.
pub const COUNTER_BYTES: usize = 2;

/// Values that may be recomputed together, in ascending order.
pub type Set = Rc<[u16]>;

/// A way to run a segment.
#[derive(Clone, Debug)]
pub struct Way {
    /// Multiply-accumulates that are repeated.
    pub macs: u64,
    /// Bytes that live at once, and its row counters.
    pub bytes: usize,
    /// What is recomputed.
    pub recomputed: Set,
    /// How it is split, if it is.
    pub parts: Option<Parts>,
}

/// A value that may be recomputed.
#[derive(Clone, Copy)]
struct Candidate {
    id: u16,
    /// Operator that reads it.
    reader: u16,
    /// Multiply-accumulates that are repeated.
    macs: u64,
    /// Bytes that this saves, about.
    saved: usize,
}

/// Segments of a network.
pub struct Segments<'p> {
    /// Who knows what a segment takes.
    pub planner: &'p Planner<'p>,
    /// Operators.
    pub count: u16,
    /// Most operators of a segment that is looked up.
    pub longest: u16,
    candidates: Vec<Candidate>,
    known: HashMap<(u16, u16, Set), Option<Segment>>,
    #[allow(clippy::type_complexity)] // of this table alone
    sets: HashMap<(u16, u16), Rc<[(u64, usize, Set)]>>,
}

impl<'p> Segments<'p> {
    /// None are looked up yet.
    pub fn new(planner: &'p Planner<'p>, lowered: &Lowered) -> Self {
        let count = lowered.operators.len() as u16;
        let candidate = |id: u16| {
            let macs = planner.recomputation(id)?;
            let reader = lowered.operators.iter().position(|o| o.a == id || o.b == Some(id))?;
            let row = |id: u16| lowered.values.get(usize::from(id)).map_or(0, |value| value.shape.row_len());
            let rows = match lowered.operators[reader].op {
                rownet::model::desc::Op::Conv2d { window, .. } | rownet::model::desc::Op::DepthwiseConv2d { window } => {
                    usize::from(window.kernel[0]) - 1
                }
                _ => 0,
            };
            let source = lowered.operators[usize::from(id) - 1].a;
            let saved = rows * row(id).saturating_sub(row(source));
            (saved > 0).then_some(Candidate { id, reader: reader as u16, macs, saved })
        };
        let candidates = (1..=count).filter_map(candidate).collect();
        Self { planner, count, longest: longest(lowered), candidates, known: HashMap::new(), sets: HashMap::new() }
    }

    /// What operators `first` to below `end` take.
    pub fn look_up(&mut self, first: u16, end: u16, recomputed: &Set) -> Option<Segment> {
        let planner = self.planner;
        let find = || planner.segment_bytes(first, end, recomputed).ok();
        *self.known.entry((first, end, recomputed.clone())).or_insert_with(find)
    }

    /// The same, nothing recomputed.
    pub fn plain(&mut self, first: u16, end: u16) -> Option<Segment> {
        self.look_up(first, end, &Set::from([]))
    }

    /// The way of the least multiply-accumulates that takes no more than `budget`. `Err` if no longer segment can fit either.
    pub fn cheapest(&mut self, first: u16, end: u16, budget: usize) -> Result<Option<Way>, ()> {
        let counters = COUNTER_BYTES * usize::from(end - first);
        let Some(plain) = self.plain(first, end) else { return Ok(None) };
        if plain.bytes + counters <= budget {
            return Ok(Some(Way { macs: 0, bytes: plain.bytes + counters, recomputed: Set::from([]), parts: None }));
        }
        let sets = self.sets(first, end);
        let Some((_, _, all)) = sets.last() else { return Ok(None) };
        let Some(least) = self.look_up(first, end, all) else { return Ok(None) };
        if least.inner > budget {
            return Err(());
        }
        if least.bytes + counters > budget {
            return Ok(None);
        }
        // What is saved is known about: from three quarters of what is wanted on, the first set that is enough, as if each saved more.
        let wanted = (plain.bytes + counters - budget) * 3 / 4;
        let mut high = sets.len() - 1;
        let mut low = sets.partition_point(|(_, saved, _)| *saved < wanted).min(high);
        let mut way = None;
        while low <= high {
            let middle = low + (high - low) / 2;
            let (macs, _, set) = &sets[middle];
            match self.look_up(first, end, set).filter(|found| found.bytes + counters <= budget) {
                Some(found) => {
                    way = Some(Way { macs: *macs, bytes: found.bytes + counters, recomputed: set.clone(), parts: None });
                    if middle == low {
                        break;
                    }
                    high = middle - 1;
                }
                None => low = middle + 1,
            }
        }
        Ok(way)
    }

    /// Sets of values to recompute of which none repeats less and saves more, about; the greatest last.
    pub fn sets(&mut self, first: u16, end: u16) -> Rc<[(u64, usize, Set)]> {
        let inside = self.candidates.iter().filter(|c| c.id > first && c.reader < end);
        let build = || {
            let mut sets: Vec<(u64, usize, Vec<u16>)> = vec![(0, 0, Vec::new())];
            for candidate in inside {
                let with = sets.iter().map(|(macs, saved, set)| {
                    let set = set.iter().copied().chain([candidate.id]).collect();
                    (macs + candidate.macs, saved + candidate.saved, set)
                });
                let with: Vec<_> = with.collect();
                sets.extend(with);
                sets.sort_by_key(|set| (set.0, std::cmp::Reverse(set.1)));
                let mut most = None;
                sets.retain(|(_, saved, _)| {
                    most.replace(most.map_or(*saved, |m: usize| m.max(*saved))).is_none_or(|m| *saved > m)
                });
                while sets.len() > MOST_SETS {
                    let last = sets.len() - 1;
                    let mut i = 0;
                    sets.retain(|_| {
                        i += 1;
                        i % 2 == 1 || i - 1 == last
                    });
                }
            }
            sets.into_iter().map(|(macs, saved, set)| (macs, saved, Set::from(set))).collect()
        };
        self.sets.entry((first, end)).or_insert_with(build).clone()
    }
}

/// Most operators of a segment that are looked up.
fn longest(lowered: &Lowered) -> u16 {
    let count = lowered.operators.len().max(1) as u64;
    let rows: u64 = lowered.values.iter().map(|value| u64::from(value.shape.height)).sum::<u64>() / count + 1;
    let work = |longest: u64| count * longest * longest * longest / 3 * (rows + 4);
    let mut longest = (MAX_SEGMENT as u64).min(count);
    while longest > 1 && work(longest) > MOST_WORK {
        longest -= 1;
    }
    longest as u16
}
