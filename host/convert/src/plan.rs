//! The planner: where to cut a network into segments, inside which rows stream, so that its arena is least.
//!
//! The bytes that live in a segment follow from its own two cuts alone: from the maps that are stored across it and the rows
//! of its operators. So the least greatest segment is found exactly by dynamic programming over cuts, whatever the graph,
//! for the order of operators that the file has. What first fit then loses between buffers is searched for nearby: each cut is
//! moved, dropped or added as long as the arena shrinks. Every figure is `rownet::plan::place`'s own. No multiplication is repeated.

use crate::ir::{Graph, Refusal};
use crate::lower::Lowered;
use anyhow::{Context, Result};
use rownet::model::desc::{Network, Operator};
use rownet::plan::{MAX_SEGMENT, place};

/// A network cut into segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One past the last operator of each segment.
    pub segments: Vec<u16>,
    /// Bytes of arena.
    pub bytes: usize,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
}

/// Cuts and their exact costs.
struct Planner<'l> {
    lowered: &'l Lowered,
    operators: Vec<Operator<'l>>,
}

impl<'l> Planner<'l> {
    fn new(lowered: &'l Lowered) -> Self {
        Self { lowered, operators: lowered.operators.iter().map(crate::lower::Operator::borrow).collect() }
    }

    /// Arena, and bytes of the greatest segment, of the first operators cut so; what later ones read counts as output.
    fn place(&self, segments: &[u16]) -> Result<(usize, usize), rownet::error::Error> {
        let end = segments.last().map_or(0, |&end| usize::from(end));
        let later = |id: u16| self.operators[end..].iter().any(|o| o.a == id || o.b == Some(id));
        let outputs: Vec<u16> = (1..=end as u16).filter(|&id| self.lowered.outputs.contains(&id) || later(id)).collect();
        let outputs = if end == self.operators.len() { self.lowered.outputs.clone() } else { outputs };
        let placement = place(&Network {
            values: &self.lowered.values[..=end],
            operators: &self.operators[..end],
            outputs: &outputs,
            segments,
            labels: "",
            metadata: "",
            head: &[],
        })?;
        Ok((placement.arena, placement.least))
    }

    /// Best cuts of the first operators, by how many these are; the greatest segment is least.
    fn dynamic(&self) -> Vec<Vec<u16>> {
        let count = self.operators.len();
        let mut best: Vec<(usize, Vec<u16>)> = vec![(0, Vec::new())];
        for end in 1..=count {
            // From the shortest last segment on: once it alone takes more than the best, longer ones may still take less
            // (a cut stores maps), so all are tried.
            let tried = (end.saturating_sub(MAX_SEGMENT)..end).rev().filter(|&cut| best[cut].0 < usize::MAX).filter_map(|cut| {
                let mut segments = best[cut].1.clone();
                segments.push(end as u16);
                self.place(&segments).ok().map(|(_, least)| (least, segments))
            });
            best.push(tried.min_by_key(|(least, segments)| (*least, segments.len())).unwrap_or((usize::MAX, Vec::new())));
        }
        best.into_iter().map(|(_, segments)| segments).collect()
    }

    /// Cuts like these, one changed.
    fn neighbours(&self, segments: &[u16]) -> Vec<Vec<u16>> {
        let count = self.operators.len() as u16;
        let cuts = &segments[..segments.len() - 1];
        let mut found = Vec::new();
        for i in 0..cuts.len() {
            let without: Vec<u16> = cuts.iter().copied().filter(|&c| c != cuts[i]).collect();
            for step in [-3i32, -2, -1, 1, 2, 3] {
                let moved = i32::from(cuts[i]) + step;
                if (1..i32::from(count)).contains(&moved) && !without.contains(&(moved as u16)) {
                    let mut other = without.clone();
                    other.push(moved as u16);
                    found.push(other);
                }
            }
            found.push(without);
        }
        for cut in 1..count {
            if !cuts.contains(&cut) {
                found.push(cuts.iter().copied().chain([cut]).collect());
            }
        }
        for other in &mut found {
            other.sort_unstable();
            other.push(count);
        }
        found
    }
}

/// The plan of the least arena, nothing computed twice.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn plan(graph: &Graph, lowered: &Lowered) -> Result<Plan> {
    let planner = Planner::new(lowered);
    let count = planner.operators.len() as u16;
    let bytes = |segments: &[u16]| planner.place(segments);
    let first = vec![count];
    let whole = bytes(&first);
    if let Err(error @ rownet::error::Error::InvalidOperator { .. }) = whole {
        return Err(refusal(graph, lowered, error)).context("the engine refuses the network");
    }
    let dynamic = planner.dynamic();
    let mut best: Option<(usize, Vec<u16>)> = None;
    let candidates = dynamic.iter().filter(|s| !s.is_empty()).map(|s| if s.last() == Some(&count) { s.clone() } else { s.iter().copied().chain([count]).collect() });
    for segments in candidates.chain([first]) {
        if let Ok((arena, _)) = bytes(&segments)
            && best.as_ref().is_none_or(|(least, _)| arena < *least)
        {
            best = Some((arena, segments));
        }
    }
    let (mut arena, mut segments) = best.context("no plan can run this network; report it")?;
    let lower_bound = dynamic.last().filter(|s| !s.is_empty()).and_then(|s| bytes(s).ok()).map_or(0, |(_, least)| least);
    while arena > lower_bound {
        let better = planner.neighbours(&segments).into_iter().filter_map(|s| bytes(&s).ok().map(|(a, _)| (a, s))).min_by_key(|(a, _)| *a);
        match better {
            Some((a, s)) if a < arena => (arena, segments) = (a, s),
            _ => break,
        }
    }
    Ok(Plan { segments, bytes: arena, macs: graph.macs() })
}

/// The file of a planned network.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn encode(graph: &Graph, lowered: &Lowered, plan: &Plan, labels: &str, metadata: &str) -> Result<Vec<u8>> {
    let operators: Vec<Operator<'_>> = lowered.operators.iter().map(crate::lower::Operator::borrow).collect();
    let refused = |error| refusal(graph, lowered, error);
    let network = Network { values: &lowered.values, operators: &operators, outputs: &lowered.outputs, segments: &plan.segments, labels, metadata, head: &[] };
    let placement = place(&network).map_err(refused)?;
    rownet::encode::encode(&Network { values: &placement.values, operators: &placement.operators, ..network }).map_err(refused)
}

/// What the engine refuses, in terms of the file that was read.
fn refusal(graph: &Graph, lowered: &Lowered, error: rownet::error::Error) -> anyhow::Error {
    match error {
        rownet::error::Error::InvalidOperator { operator, field } => match lowered.operators.get(usize::from(operator)) {
            Some(o) => {
                let refusal: Refusal = graph.nodes[o.node].refuse(field, "the engine cannot run it", "see docs/operators.md, or quantise the network again");
                refusal.into()
            }
            None => error.into(),
        },
        _ => error.into(),
    }
}
