//! The planner: where to cut a network into segments, inside which rows stream, so that its arena is least.
//!
//! The bytes that live in a segment follow from its own two cuts alone: from the maps that are stored across it and the rows
//! of its operators. So the least greatest segment is found exactly by dynamic programming over cuts, whatever the graph,
//! for the order of operators that it has; of networks of more than 100 operators only segments of up to 10,000 / operators
//! are tried (fewer still where maps have thousands of rows), a heuristic. What first fit then loses between buffers is searched for nearby: cuts are
//! moved, dropped and added as long as the arena shrinks. Every figure is `rownet::plan::Planner`'s. No multiplication is repeated.

use crate::ir::{Graph, Refusal};
use crate::lower::Lowered;
use anyhow::{Context, Result};
use rownet::error::Error;
use rownet::model::desc::{Network, Operator};
use rownet::plan::{MAX_SEGMENT, Planner};

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

/// Most segments whose bytes are looked up: of networks of more than 100 operators, long segments are not tried.
const MOST_TRIED: usize = 10_000;
/// Bound of rows times operators squared over all those segments: of networks of many rows neither.
const MOST_STEPS: u64 = 1 << 31;

/// Most operators of a segment that are tried.
fn longest(lowered: &Lowered) -> u16 {
    let count = lowered.operators.len().max(1);
    let rows: u64 = lowered.values.iter().map(|value| u64::from(value.shape.height)).sum();
    let mut longest = (MOST_TRIED / count).clamp(1, MAX_SEGMENT).min(count);
    while longest > 1 && rows.saturating_mul((longest * longest) as u64) > MOST_STEPS {
        longest -= 1;
    }
    longest as u16
}

/// Bytes of one row counter; there are as many as the longest segment has operators.
const COUNTER_BYTES: usize = 2;

/// Best cuts of all operators: the greatest segment and the counters are least, and there are as few cuts as can be.
fn dynamic(planner: &Planner<'_>, count: u16, longest: u16) -> Option<Vec<u16>> {
    // Bytes of each segment, by its end and its length less one.
    let bytes: Vec<Vec<Option<usize>>> = (1..=count)
        .map(|end| (1..=longest.min(end)).map(|length| planner.segment_bytes(end - length, end).ok()).collect())
        .collect();
    (1..=longest)
        .filter_map(|most| {
            cuts(&bytes, most)
                .map(|(greatest, segments)| (greatest + COUNTER_BYTES * usize::from(most), segments.len(), segments))
        })
        .min()
        .map(|(.., segments)| segments)
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

/// Cuts like these, one changed.
fn neighbours(segments: &[u16]) -> Vec<Vec<u16>> {
    let Some((&count, cuts)) = segments.split_last() else { return Vec::new() };
    let mut found: Vec<Vec<u16>> = Vec::new();
    for &cut in cuts {
        let without = || cuts.iter().copied().filter(move |&c| c != cut);
        let moved = [-3i32, -2, -1, 1, 2, 3].map(|step| u16::try_from(i32::from(cut) + step).unwrap_or(0));
        found.extend(
            moved.into_iter().filter(|&m| m > 0 && m < count && !cuts.contains(&m)).map(|m| without().chain([m]).collect()),
        );
        found.push(without().collect());
    }
    found.extend((1..count).filter(|cut| !cuts.contains(cut)).map(|cut| cuts.iter().copied().chain([cut]).collect()));
    for other in &mut found {
        other.sort_unstable();
        other.push(count);
    }
    found
}

fn network<'a>(lowered: &'a Lowered, operators: &'a [Operator<'a>], segments: &'a [u16]) -> Network<'a> {
    Network { values: &lowered.values, operators, outputs: &lowered.outputs, segments, labels: "", metadata: "", head: &[] }
}

/// The plan of the least arena, nothing computed twice.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn plan(graph: &Graph, lowered: &Lowered) -> Result<Plan> {
    let operators: Vec<Operator<'_>> = lowered.operators.iter().map(crate::lower::Operator::borrow).collect();
    let planner = Planner::new(&network(lowered, &operators, &[])).map_err(|error| refusal(graph, lowered, error))?;
    let count = operators.len() as u16;
    let Some(mut segments) = dynamic(&planner, count, longest(lowered)) else {
        let why = planner.place(&[count]).err().unwrap_or(Error::Internal);
        return Err(refusal(graph, lowered, why)).context("no plan can run this network; make its maps smaller, or split it");
    };
    let place = |segments: &[u16]| planner.place(segments).map(|placement| (placement.arena, placement.least));
    let (mut bytes, least) = place(&segments).map_err(|error| refusal(graph, lowered, error))?;
    while bytes > least {
        let arenas = neighbours(&segments).into_iter().filter_map(|other| place(&other).ok().map(|(arena, _)| (arena, other)));
        match arenas.min() {
            Some((arena, other)) if arena < bytes => (bytes, segments) = (arena, other),
            _ => break,
        }
    }
    Ok(Plan { segments, bytes, macs: graph.macs() })
}

/// The file of a planned network.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn encode(graph: &Graph, lowered: &Lowered, plan: &Plan, labels: &str, metadata: &str) -> Result<Vec<u8>> {
    let operators: Vec<Operator<'_>> = lowered.operators.iter().map(crate::lower::Operator::borrow).collect();
    let network = Network { labels, metadata, ..network(lowered, &operators, &plan.segments) };
    let refused = |error| refusal(graph, lowered, error);
    let placement = Planner::new(&network).and_then(|planner| planner.place(&plan.segments)).map_err(refused)?;
    rownet::encode::encode(&Network { values: &placement.values, operators: &placement.operators, ..network }).map_err(refused)
}

/// What the engine refuses, in terms of the file that was read.
fn refusal(graph: &Graph, lowered: &Lowered, error: Error) -> anyhow::Error {
    match error {
        Error::InvalidOperator { operator, field } => match lowered.operators.get(usize::from(operator)) {
            Some(o) => {
                let refusal: Refusal = graph.nodes[o.node].refuse(
                    field,
                    "the engine cannot run it",
                    "see docs/operators.md, or quantise the network again",
                );
                refusal.into()
            }
            None => error.into(),
        },
        _ => error.into(),
    }
}
