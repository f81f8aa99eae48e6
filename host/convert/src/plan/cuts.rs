//! Where to cut, by dynamic programming over the ends of segments.

use super::parts::Parts;
use super::segments::{COUNTER_BYTES, Segments, Way};
use super::tiled::Tiled;

/// Operators of the segments that a first bound is found with.
const SHORT: u16 = 8;

/// Best cuts of all operators: the greatest segment and the counters are least, and there are as few cuts as can be.
///
/// Exact: a segment is skipped only if the rows and sums of what is made and used up inside take more than a plan that is known,
/// or if it has more operators than are looked up.
pub fn least(known: &mut Segments<'_>) -> Option<Vec<u16>> {
    let longest = known.longest;
    let short = tables(known, SHORT.min(longest), usize::MAX);
    let bound = best(&short, SHORT.min(longest)).map_or(usize::MAX, |(bytes, ..)| bytes);
    let all = tables(known, longest, bound);
    best(&all, longest).map(|(.., segments)| segments)
}

/// Bytes of each segment, by its end and its length less one, up to where those of all longer ones are above `bound`.
fn tables(known: &mut Segments<'_>, longest: u16, bound: usize) -> Vec<Vec<Option<usize>>> {
    let mut tables = Vec::new();
    for end in 1..=known.count {
        let mut of_length = Vec::new();
        for length in 1..=longest.min(end) {
            let found = known.plain(end - length, end);
            of_length.push(found.map(|found| found.bytes));
            if found.is_some_and(|found| found.inner > bound) {
                break;
            }
        }
        tables.push(of_length);
    }
    tables
}

fn best(bytes: &[Vec<Option<usize>>], longest: u16) -> Option<(usize, usize, Vec<u16>)> {
    // What has no longer segments is no better than what has.
    let found = (1..=longest).filter_map(|most| {
        let (greatest, segments) = cuts(bytes, most)?;
        Some((greatest + COUNTER_BYTES * usize::from(most), segments.len(), segments))
    });
    found.min()
}

/// Best cuts into segments of at most `most` operators: bytes of the greatest segment, and the segments.
fn cuts(bytes: &[Vec<Option<usize>>], most: u16) -> Option<(usize, Vec<u16>)> {
    // Of the first operators: bytes of the greatest segment, number of segments, start of the last one.
    let mut best: Vec<Option<(usize, usize, usize)>> = vec![Some((0, 0, 0))];
    for (i, of_length) in bytes.iter().enumerate() {
        let tried = of_length.iter().take(most.into()).enumerate().filter_map(|(length, bytes)| {
            let start = i - length;
            let (greatest, segments, _) = best[start]?;
            Some((greatest.max((*bytes)?), segments + 1, start))
        });
        let found = tried.min();
        best.push(found);
    }
    let (mut segments, mut end) = (Vec::new(), bytes.len());
    while end > 0 {
        segments.push(end as u16);
        end = best[end]?.2;
    }
    segments.reverse();
    Some((best.last().copied().flatten()?.0, segments))
}

/// Cuts, what is recomputed, and what that costs.
#[derive(Clone, Debug)]
pub struct Found {
    /// One past the last operator of each segment.
    pub segments: Vec<u16>,
    /// Values of which no row is kept.
    pub recomputed: Vec<u16>,
    /// How the operators of the first segment are split, if they are.
    pub parts: Option<Parts>,
    /// Multiply-accumulates that are repeated.
    pub macs: u64,
    /// Bytes of the greatest segment, its counters included.
    pub greatest: usize,
}

/// The least repeated multiply-accumulates for each budget below `bytes` that changes them, the least bytes last.
pub fn staircase(known: &mut Segments<'_>, tiled: &mut Tiled<'_>, bytes: usize) -> Vec<Found> {
    let (mut steps, mut budget): (Vec<Found>, usize) = (Vec::new(), bytes.saturating_sub(1));
    while let Some(found) = within(known, tiled, budget) {
        // In steps of a four hundredth at least: finer ones are the placement's noise.
        budget = found.greatest.saturating_sub((found.greatest / 400).max(1));
        // The same work in fewer bytes is better.
        steps.retain(|step| step.macs < found.macs);
        steps.push(found);
    }
    steps
}

/// The least repeated multiply-accumulates of all cuts whose segments take no more than `budget` each.
fn within(known: &mut Segments<'_>, tiled: &mut Tiled<'_>, budget: usize) -> Option<Found> {
    // Of the first operators: what is repeated, bytes of the greatest segment, start of the last one, and how that runs.
    #[allow(clippy::type_complexity)] // of this table alone
    let mut best: Vec<Option<(u64, usize, u16, Option<Way>)>> = vec![Some((0, 0, 0, None))];
    for end in 1..=known.count {
        let mut found: Option<(u64, usize, u16, Option<Way>)> = None;
        // Of equals the longest last segment.
        for start in (end.saturating_sub(known.longest)..end).rev() {
            // What cannot be reached need not be looked up.
            let Some(Some((macs, greatest, ..))) = best.get(usize::from(start)) else { continue };
            let way = match known.cheapest(start, end, budget) {
                Ok(Some(way)) => way,
                Ok(None) => continue,
                Err(()) => break,
            };
            let (macs, greatest) = (macs + way.macs, way.bytes.max(*greatest));
            if found.as_ref().is_none_or(|found| (macs, greatest) <= (found.0, found.1)) {
                found = Some((macs, greatest, start, Some(way)));
            }
        }
        let sets = known.sets(0, end);
        if let Some(way) = tiled.cheapest(end, budget, &|| sets.clone())
            && found.as_ref().is_none_or(|found| (way.macs, way.bytes) < (found.0, found.1))
        {
            found = Some((way.macs, way.bytes, 0, Some(way)));
        }
        best.push(found);
    }
    let (macs, greatest, ..) = best.last().cloned().flatten()?;
    let mut found = Found { segments: Vec::new(), recomputed: Vec::new(), parts: None, macs, greatest };
    let mut end = known.count;
    while end > 0 {
        let (.., start, way) = best.get(usize::from(end)).cloned().flatten()?;
        found.segments.push(end);
        found.parts = found.parts.or_else(|| way.as_ref().and_then(|way| way.parts.clone()));
        found.recomputed.extend(way.iter().flat_map(|way| way.recomputed.iter().copied()));
        end = start;
    }
    found.segments.reverse();
    found.recomputed.sort_unstable();
    Some(found)
}
