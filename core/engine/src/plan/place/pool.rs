//! Where buffers lie: each lives in some segments, and those that live together must not overlap.

use super::super::lifetime::{Life, kept};
use super::super::reads::state_bytes;
use super::needs::Over;
use super::waiting::both_ends;
use crate::model::Model;
use crate::model::desc::{Form, IN_PLACE, Operator, Storage, Value, ValueId};
use alloc::{vec, vec::Vec};
use core::cmp::Reverse;

/// Orders of placement that are tried.
const WAYS: usize = 160;
/// Changes of the best of these that are tried.
const PROMOTIONS: usize = 150;

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A ring, or rows kept beside one that waits.
    Rows(usize),
    /// Sums or maxima of an operator.
    State(usize),
    /// The rows that wait, of a whole segment.
    Waiting(usize),
}

/// Buffers that keep their distances: each but the first lies over the one before it.
#[derive(Clone, Debug)]
struct Body {
    /// Their places, from the first byte of all.
    members: Vec<Buffer>,
}

impl Body {
    fn from(&self) -> usize {
        self.members.iter().map(|buffer| buffer.from).min().unwrap_or(0)
    }

    fn is_short(&self) -> bool {
        self.members.iter().all(|buffer| buffer.from == buffer.to)
    }

    fn len(&self) -> usize {
        end(&self.members)
    }

    /// Bytes from the first to the last that live in a segment.
    fn live(&self, segment: usize) -> usize {
        let live = || self.members.iter().filter(|b| b.from <= segment && segment <= b.to);
        let end = live().map(|b| b.at + b.len).max().unwrap_or(0);
        end - live().map(|b| b.at).min().unwrap_or(0)
    }
}

/// Joins what lies over each other.
fn bodies(buffers: Vec<Buffer>, overs: &[Over]) -> Vec<Body> {
    let buffer = |id: usize| buffers.iter().find(|buffer| buffer.purpose == Use::Rows(id)).copied();
    let is_over = |buffer: &Buffer| overs.iter().any(|over| buffer.purpose == Use::Rows(over.value));
    let mut bodies = Vec::new();
    for first in buffers.iter().filter(|buffer| !is_over(buffer)) {
        // Places relative to the first, which may be before it.
        let (mut members, mut places) = (Vec::from([*first]), Vec::from([0i64]));
        while let Some(over) = overs.iter().find(|over| members.last().is_some_and(|last| last.purpose == Use::Rows(over.below)))
        {
            let (Some(next), Some(place)) = (buffer(over.value), places.last()) else { break };
            places.push(place - over.before as i64);
            members.push(next);
        }
        let lowest = places.iter().copied().min().unwrap_or(0);
        for (member, place) in members.iter_mut().zip(&places) {
            member.at = (place - lowest) as usize;
        }
        bodies.push(Body { members });
    }
    bodies
}

#[derive(Clone, Copy, Debug)]
struct Buffer {
    purpose: Use,
    len: usize,
    from: usize,
    to: usize,
    at: usize,
}

/// All buffers of a network.
pub struct Pool {
    bodies: Vec<Body>,
    /// Where each waiting row lies in its segment's buffer.
    waiting: Vec<usize>,
    /// Bytes of the row counters.
    counters: usize,
    segments: usize,
    segment_of: Vec<usize>,
}

impl Pool {
    /// Those of all segments, or of one and others without waiting rows.
    pub fn new(
        model: &Model<'_>,
        lives: &[Life],
        (values, operators): (&[Value], &[Operator<'_>]),
        overs: &[Over],
        only: Option<usize>,
    ) -> Self {
        let mut buffers = Vec::new();
        for (id, life) in lives.iter().enumerate() {
            let span = kept(model, id as ValueId);
            let len = (span.end - span.at) as usize;
            buffers.push(Buffer { purpose: Use::Rows(id), len, from: life.from, to: life.to, at: 0 });
        }
        let segment_of: Vec<usize> = lives.iter().map(|life| life.from).collect();
        for (i, (operator, life)) in operators.iter().zip(lives.iter().skip(1)).enumerate() {
            if let (Form::Accumulate { .. }, Some(value)) = (operator.form, values.get(i + 1)) {
                let len = state_bytes(&operator.op, value.shape);
                buffers.push(Buffer { purpose: Use::State(i), len, from: life.from, to: life.from, at: 0 });
            }
        }
        let mut waiting = vec![0; values.len()];
        let segments = model.segment_count();
        let mut longest = 0;
        for segment in 0..segments {
            let (first, end) = model.segment(segment);
            longest = longest.max(usize::from(end - first));
            if only.is_some_and(|only| only != segment) {
                continue;
            }
            let len = both_ends(model, values, &segment_of, segment, &mut waiting);
            buffers.push(Buffer { purpose: Use::Waiting(segment), len, from: segment, to: segment, at: 0 });
        }
        buffers.retain(|buffer| buffer.len > 0);
        let bodies = bodies(buffers, overs);
        Self { bodies, waiting, counters: 2 * longest, segments, segment_of }
    }

    /// Bytes that live in a segment.
    pub fn live(&self, segment: usize) -> usize {
        self.bodies.iter().map(|body| body.live(segment)).sum()
    }

    /// Bytes that live in each segment.
    pub fn per_segment(&self) -> Vec<usize> {
        (0..self.segments).map(|segment| self.live(segment)).collect()
    }

    /// Writes the offsets; least possible bytes, and those of this placement.
    pub fn assign(self, values: &mut [Value], operators: &mut [Operator<'_>]) -> (usize, usize) {
        let least = self.counters + self.per_segment().into_iter().max().unwrap_or(0);
        let per_segment = self.per_segment();
        let bounds = (self.counters, least);
        let mut best: Vec<Buffer> = Vec::new();
        let mut best_order = (Vec::new(), false);
        for way in 0..WAYS {
            let order = (order(&self.bodies, &per_segment, way), way & 4 != 0);
            let found = place(&self.bodies, bounds, &order);
            if best.is_empty() || end(&found) < end(&best) {
                (best, best_order) = (found, order);
            }
            if end(&best) <= least {
                break;
            }
        }
        self.promote(bounds, &mut best, best_order);
        for buffer in &best {
            let at = buffer.at as u32;
            match buffer.purpose {
                Use::Rows(id) => {
                    if let Some(value) = values.get_mut(id) {
                        match &mut value.storage {
                            Storage::Waiting { kept, .. } => *kept = at,
                            Storage::Ring { at: start, .. } | Storage::Columns { at: start, .. } => *start = at,
                            Storage::Recomputed { .. } => {}
                        }
                    }
                }
                Use::State(i) => {
                    if let Some(operator) = operators.get_mut(i) {
                        operator.form = Form::Accumulate { at };
                    }
                }
                Use::Waiting(segment) => {
                    let in_segment = self.segment_of.iter().zip(&self.waiting).zip(values.iter_mut());
                    for ((_, offset), value) in in_segment.filter(|((of, _), _)| **of == segment) {
                        if let Storage::Waiting { at: start, .. } | Storage::Recomputed { at: start, .. } = &mut value.storage
                            && *start != IN_PLACE
                        {
                            *start = at + *offset as u32;
                        }
                    }
                }
            }
        }
        (least, end(&best).max(self.counters))
    }
}

impl Pool {
    /// What ends last is placed earlier, as long as that helps or does no harm.
    fn promote(&self, bounds: (usize, usize), best: &mut Vec<Buffer>, mut best_order: (Vec<usize>, bool)) {
        let mut state = 1u32;
        for step in 0..PROMOTIONS {
            let Some(last) = best.iter().max_by_key(|buffer| buffer.at + buffer.len).filter(|_| end(best) > bounds.1) else {
                return;
            };
            let holds = |body: &Body| body.members.iter().any(|member| member.purpose == last.purpose);
            let at = |order: &[usize]| order.iter().position(|i| self.bodies.get(*i).is_some_and(holds));
            let Some(from) = at(&best_order.0) else { return };
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // To the front, somewhere before, or behind: what is first is not always to blame.
            let to = match step % 3 {
                0 => 0,
                1 => (state >> 8) as usize % (from + 1),
                _ => (state >> 8) as usize % best_order.0.len().max(1),
            };
            let mut order = best_order.clone();
            let moved = if step % 3 == 2 { (state >> 4) as usize % order.0.len().max(1) } else { from };
            let body = order.0.remove(moved);
            order.0.insert(to.min(order.0.len()), body);
            if step % 16 == 15 {
                order.1 = !order.1;
            }
            let found = place(&self.bodies, bounds, &order);
            if end(&found) <= end(best) {
                (*best, best_order) = (found, order);
            }
        }
    }
}

fn end(buffers: &[Buffer]) -> usize {
    buffers.iter().map(|buffer| buffer.at + buffer.len).max().unwrap_or(0)
}

/// One of several orders; what lives long lies at both ends by turns.
fn order(bodies: &[Body], per_segment: &[usize], way: usize) -> Vec<usize> {
    // Bytes of the fullest segment in which a body lives.
    let fullest = |body: &Body| {
        let lives = |segment: &usize| body.live(*segment) > 0;
        (0..per_segment.len()).filter(lives).filter_map(|segment| per_segment.get(segment)).max().copied().unwrap_or(0)
    };
    // Lengths are changed a little, another way each time.
    let mut state = (way as u32).wrapping_mul(0x9E37_79B9) | 1;
    let mut about = |len: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if way < 16 { len } else { len * (128 + state as usize % 256) / 256 }
    };
    let mut order: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| {
            let is_short = way & 1 == 0 && body.is_short();
            let begins = if way & 2 == 0 && !is_short { body.from() } else { 0 };
            let fullest = if way & 8 == 0 { 0 } else { fullest(body) };
            ((is_short, Reverse(fullest), begins, Reverse(about(body.len()))), i)
        })
        .collect();
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().map(|(_, i)| i).collect()
}

/// First fit in an order, every second one that lives long from above where so wanted.
fn place(bodies: &[Body], (counters, least): (usize, usize), (order, both_ends): &(Vec<usize>, bool)) -> Vec<Buffer> {
    let mut placed: Vec<Buffer> = Vec::new();
    for (i, body) in order.iter().filter_map(|i| bodies.get(*i)).enumerate() {
        let from_above = *both_ends && !body.is_short() && i % 2 == 1;
        // What the first byte of all must keep away from, for each member.
        let mut taken: Vec<(usize, usize, &Buffer)> = Vec::new();
        for member in &body.members {
            let lives = |other: &&Buffer| other.from <= member.to && member.from <= other.to;
            taken.extend(placed.iter().filter(lives).map(|other| (other.at, other.at + other.len, member)));
        }
        let is_free = |at: &usize| {
            let is_apart =
                |(start, end, member): &(usize, usize, &Buffer)| at + member.at + member.len <= *start || *end <= at + member.at;
            *at >= counters && taken.iter().all(is_apart)
        };
        let below = taken.iter().filter_map(|(start, _, member)| start.checked_sub(member.at + member.len));
        let highest = below.chain(least.checked_sub(body.len())).filter(is_free).filter(|at| at + body.len() <= least).max();
        let above = taken.iter().filter_map(|(_, end, member)| end.checked_sub(member.at));
        let lowest = above.chain([counters]).filter(is_free).min();
        // Behind all others there is room.
        let last = || end(&placed).max(counters);
        let at = if from_above { highest.or(lowest) } else { lowest }.unwrap_or_else(last);
        placed.extend(body.members.iter().map(|member| Buffer { at: at + member.at, ..*member }));
    }
    placed
}
