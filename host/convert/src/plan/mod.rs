//! The planner: where to cut a network into segments, inside which rows stream, and what to compute more than once.
//!
//! The bytes that live in a segment follow from its own two cuts alone: from the maps that are stored across it and the rows
//! of its operators. So the least greatest segment is found exactly by dynamic programming over cuts, whatever the graph,
//! for the order of operators that it has (`cuts`). What first fit then loses between buffers is searched for nearby: cuts are
//! moved, dropped and added as long as the arena shrinks. Every figure is `rownet::plan::Planner`'s.
//!
//! Below that, [`points`] trades multiply-accumulates for bytes: values of which no row is kept, as their reader has the rows under
//! its window made anew; and first operators that are made in [`parts`] of columns. Nothing is computed twice unless a budget asks for it.

mod cuts;
pub mod parts;
mod segments;
mod tiled;

use crate::ir::{Graph, Refusal};
use crate::lower::Lowered;
use anyhow::{Context, Result, bail};
use cuts::Found;
use parts::{Parts, Split};
use rownet::error::Error;
use rownet::model::desc::{Network, Operator};
use rownet::plan::Planner;
use segments::{Segments, network};
use tiled::Tiled;

/// How a network runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One past the last operator of each segment.
    pub segments: Vec<u16>,
    /// Values of which no row is kept.
    pub recomputed: Vec<u16>,
    /// How the operators of the first segment are split, if they are; all other numbers are those of the network before.
    pub parts: Option<Parts>,
    /// Bytes of arena.
    pub bytes: usize,
    /// Bytes of them that longer strips were allowed.
    pub spare: usize,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
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

/// Most neighbours whose arenas are looked up, times operators.
const MOST_PLACED: usize = 20_000;

/// The plan of the least arena, nothing computed twice, and a twenty-fifth more where that saves many steps.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn plan(graph: &Graph, lowered: &Lowered) -> Result<Plan> {
    let operators = borrowed(lowered);
    let planner = Planner::new(&network(lowered, &operators, &[])).map_err(|error| refusal(graph, lowered, error))?;
    let least = least(graph, lowered, &mut Segments::new(&planner, lowered))?;
    Ok(with_spare(&planner, &least).unwrap_or(least))
}

/// The same plan with longer strips; `None` where they take no more bytes, or more than a twenty-fifth more.
fn with_spare(planner: &Planner<'_>, plan: &Plan) -> Option<Plan> {
    let most = plan.bytes + plan.bytes / 25;
    // Buffers may fit badly and take more than was asked for: then less is.
    [25, 32, 48, 96].into_iter().find_map(|part| {
        let spare = plan.bytes / part;
        let bytes = planner.place_with(&plan.segments, &plan.recomputed, spare).ok()?.arena;
        (bytes != plan.bytes && bytes <= most).then(|| Plan { bytes, spare, ..plan.clone() })
    })
}

fn borrowed(lowered: &Lowered) -> Vec<Operator<'_>> {
    lowered.operators.iter().map(crate::lower::Operator::borrow).collect()
}

fn least(graph: &Graph, lowered: &Lowered, known: &mut Segments<'_>) -> Result<Plan> {
    let (planner, count) = (known.planner, known.count);
    let Some(mut segments) = cuts::least(known) else {
        let why = planner.place(&[count], &[]).err().unwrap_or(Error::Internal);
        return Err(refusal(graph, lowered, why)).context("no plan can run this network; make its maps smaller, or split it");
    };
    let place = |segments: &[u16]| planner.place(segments, &[]).map(|placement| (placement.arena, placement.least));
    let (mut bytes, least) = place(&segments).map_err(|error| refusal(graph, lowered, error))?;
    let mut tries = MOST_PLACED / usize::from(count).max(1);
    while bytes > least {
        let others = neighbours(&segments);
        let (looked_up, _) = others.split_at(others.len().min(tries));
        tries -= looked_up.len();
        let arenas = looked_up.iter().filter_map(|other| place(other).ok().map(|(arena, _)| (arena, other)));
        match arenas.min() {
            Some((arena, other)) if arena < bytes => (bytes, segments) = (arena, other.clone()),
            _ => break,
        }
    }
    Ok(Plan { segments, recomputed: Vec::new(), parts: None, bytes, spare: 0, macs: graph.macs() })
}

/// Every plan that no other one beats in both bytes and multiply-accumulates, from the least multiply-accumulates to the least bytes;
/// the first, if it takes more bytes than the second, has longer strips.
///
/// # Errors
/// As [`plan`].
pub fn points(graph: &Graph, lowered: &Lowered) -> Result<Vec<Plan>> {
    let operators = borrowed(lowered);
    let planner = Planner::new(&network(lowered, &operators, &[])).map_err(|error| refusal(graph, lowered, error))?;
    let known = &mut Segments::new(&planner, lowered);
    let least = least(graph, lowered, known)?;
    let bytes = least.bytes;
    let mut points: Vec<Plan> = with_spare(&planner, &least).into_iter().chain([least]).collect();
    for found in cuts::staircase(known, &mut Tiled::new(lowered), bytes) {
        let macs = graph.macs() + found.macs;
        let Found { segments, recomputed, parts, greatest, .. } = found;
        let mut plan = Plan { bytes: 0, spare: 0, macs, segments, recomputed, parts };
        let Some(arena) = arena(lowered, &planner, &plan) else { continue };
        plan.bytes = arena;
        // What first fit loses, other cuts may not.
        if arena > greatest + greatest / 50 {
            let mut others = neighbours(&plan.segments);
            others.retain(|other| keeps(lowered, &plan, other));
            for segments in others.into_iter().take(MOST_PLACED / 10 / usize::from(known.count).max(1)) {
                let mut other = Plan { segments, ..plan.clone() };
                other.bytes = self::arena(lowered, &planner, &other).unwrap_or(usize::MAX);
                if other.bytes < plan.bytes {
                    plan = other;
                }
            }
        }
        let arena = plan.bytes;
        if points.iter().all(|point| point.bytes > arena) {
            points.retain(|point| point.macs < macs);
            points.push(plan);
        }
    }
    Ok(points)
}

/// True if other cuts leave what is split and recomputed as it is.
fn keeps(lowered: &Lowered, plan: &Plan, segments: &[u16]) -> bool {
    let segment = |i: u16| segments.iter().position(|end| i < *end);
    let reader = |id: u16| lowered.operators.iter().position(|o| o.a == id || o.b == Some(id)).map_or(id, |i| i as u16);
    let is_whole = plan.recomputed.iter().all(|id| segment(*id - 1) == segment(reader(*id)));
    is_whole && plan.parts.as_ref().is_none_or(|parts| segments.first() == Some(&parts.end))
}

/// Bytes of arena of a plan; `planner` is of the network as it is.
fn arena(lowered: &Lowered, planner: &Planner<'_>, plan: &Plan) -> Option<usize> {
    let Some(parts) = &plan.parts else {
        return planner.place(&plan.segments, &plan.recomputed).ok().map(|placement| placement.arena);
    };
    let split = parts::split(lowered, parts)?;
    let operators = borrowed(&split.lowered);
    let planner = Planner::new(&network(&split.lowered, &operators, &[])).ok()?;
    let placement = planner.place(&split.segments(&plan.segments), &split.recomputed(&plan.recomputed));
    placement.ok().map(|placement| placement.arena)
}

/// The network that a plan runs: with its first operators in parts, if they are split.
///
/// # Errors
/// Parts of another network.
pub fn applied(lowered: &Lowered, parts: Option<&Parts>) -> Result<Split> {
    let all = |id: usize| (id as u16, [0, lowered.values[id].shape.width]);
    match parts {
        Some(parts) => parts::split(lowered, parts).context("the plan is another network's; import the network again"),
        None => {
            let origins = (0..lowered.values.len()).map(all).collect();
            Ok(Split { lowered: lowered.clone(), origins, ends: Vec::new() })
        }
    }
}

/// The plan of the least multiply-accumulates that takes no more than `ram` bytes; with no budget the one that repeats nothing.
///
/// # Errors
/// As [`plan`]; no plan is that small.
pub fn within(graph: &Graph, lowered: &Lowered, ram: Option<usize>) -> Result<Plan> {
    let plain = plan(graph, lowered)?;
    if ram.is_none_or(|ram| plain.bytes <= ram) {
        return Ok(plain);
    }
    choose(&points(graph, lowered)?, ram).cloned()
}

/// The first of some [`points`] that takes no more than `ram` bytes.
///
/// # Errors
/// No plan is that small.
pub fn choose(points: &[Plan], ram: Option<usize>) -> Result<&Plan> {
    let ram = ram.unwrap_or(usize::MAX);
    if let Some(found) = points.iter().find(|point| point.bytes <= ram) {
        return Ok(found);
    }
    let least = points.last().map_or(0, |point| point.bytes);
    bail!("{least} bytes are the least that any plan takes, {ram} were asked for; allow {least}, or make the network smaller")
}

/// The file of a planned network.
///
/// # Errors
/// What the engine refuses, naming the node.
pub fn encode(graph: &Graph, lowered: &Lowered, plan: &Plan, labels: &str, metadata: &str) -> Result<Vec<u8>> {
    let split = applied(lowered, plan.parts.as_ref())?;
    let (segments, recomputed) = match plan.parts {
        Some(_) => (split.segments(&plan.segments), split.recomputed(&plan.recomputed)),
        None => (plan.segments.clone(), plan.recomputed.clone()),
    };
    let operators = borrowed(&split.lowered);
    let network = Network { labels, metadata, ..network(&split.lowered, &operators, &segments) };
    let refused = |error| refusal(graph, &split.lowered, error);
    let placement =
        Planner::new(&network).and_then(|planner| planner.place_with(&segments, &recomputed, plan.spare)).map_err(refused)?;
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
