//! Storage for a network that is cut into segments.
//!
//! How many rows each value keeps is found by running the schedule; where they lie by first fit.

use super::lifetime::Life;
use super::pool::Pool;
use super::reads::state_bytes;
use super::simulate::{Event, Run};
use super::strips::{Role, pixels, role_of};
use crate::encode;
use crate::error::Error;
use crate::model::desc::{Form, Network, Op, Operator, Storage, Value, ValueId};
use crate::model::{Model, graph};
use alloc::vec::Vec;

/// A network's values and operators with storage.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// The values.
    pub values: Vec<Value>,
    /// The operators.
    pub operators: Vec<Operator<'a>>,
    /// Bytes of arena.
    pub arena: usize,
    /// Greatest sum of the bytes that live in one segment: no placement takes less.
    pub least: usize,
    /// Bytes that live in each segment, the row counters not included.
    pub segment_bytes: Vec<usize>,
}

/// What a value needs.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Rows of a ring.
    ring: u32,
    /// Rows kept where the newest waits.
    kept: u32,
}

/// Finds storage for a network under different cuts; checks it once.
#[derive(Clone, Debug)]
pub struct Planner<'a> {
    network: Network<'a>,
    values: Vec<Value>,
    operators: Vec<Operator<'a>>,
}

/// Rows, forms and lives under some cuts, without offsets.
struct Draft<'a> {
    lives: Vec<Life>,
    values: Vec<Value>,
    operators: Vec<Operator<'a>>,
    overs: Vec<Over>,
}

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

impl<'a> Planner<'a> {
    /// Takes a network whose storage, forms and segments do not matter.
    ///
    /// # Errors
    /// What the parser refuses of a network without a plan.
    pub fn new(network: &Network<'a>) -> Result<Self, Error> {
        let mut planner = Self { network: *network, values: network.values.to_vec(), operators: network.operators.to_vec() };
        for value in &mut planner.values {
            value.storage = Storage::Ring { at: 0, rows: value.shape.height, over: None };
        }
        for operator in &mut planner.operators {
            operator.form = Form::Rows;
        }
        let whole = [planner.operators.len() as u16];
        let network = Network { values: &planner.values, operators: &planner.operators, segments: &whole, ..*network };
        graph(&encode::write(&network)?)?;
        Ok(planner)
    }

    /// Bytes that live at once while operators `first` to below `end` run as one segment, the row counters not included.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn segment_bytes(&self, first: u16, end: u16) -> Result<usize, Error> {
        let all = self.operators.len() as u16;
        let mut cuts = Vec::from([first, end, all]);
        cuts.retain(|cut| *cut > 0);
        cuts.dedup();
        let index = cuts.iter().position(|cut| *cut == end).unwrap_or(0);
        let draft = self.draft(&cuts, Some(index))?;
        let ways = [None, AT_A_TIME.last().copied()];
        Ok(ways.into_iter().map(|way| self.bytes(&draft, &cuts, way).get(index).copied().unwrap_or(0)).min().unwrap_or(0))
    }

    /// Bytes that live in each segment, with so many pixels at a time or whole rows.
    fn bytes(&self, draft: &Draft<'a>, segments: &[u16], at_a_time: Option<u32>) -> Vec<usize> {
        let mut values = draft.values.clone();
        choose_strips(&mut values, &draft.operators, &draft.lives, &|_| at_a_time);
        self.pool(draft, &values, segments, None).per_segment()
    }

    fn pool(&self, draft: &Draft<'a>, values: &[Value], segments: &[u16], only: Option<usize>) -> Pool {
        let bytes = encode::tables(&self.with(values, &draft.operators, segments));
        Pool::new(&Model::new(&bytes), &draft.lives, (values, &draft.operators), &draft.overs, only)
    }

    /// Storage and forms for the operators cut so: one past the last of each segment.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn place(&self, segments: &[u16]) -> Result<Placement<'a>, Error> {
        let mut draft = self.draft(segments, None)?;
        // Strips take more time: no more and no shorter ones than the greatest segment asks for.
        let ways = [None, Some(AT_A_TIME[0]), Some(AT_A_TIME[1]), Some(AT_A_TIME[2]), Some(AT_A_TIME[3])];
        let bytes: Vec<Vec<usize>> = ways.iter().map(|way| self.bytes(&draft, segments, *way)).collect();
        let of = |way: usize, segment: usize| bytes.get(way).and_then(|all| all.get(segment)).copied().unwrap_or(usize::MAX);
        let least_of = |segment: usize| (0..ways.len()).map(|way| of(way, segment)).min().unwrap_or(0);
        let least = (0..segments.len()).map(least_of).max().unwrap_or(0);
        let way = |segment: usize| (0..ways.len()).find(|way| of(*way, segment) <= least).and_then(|way| ways[way]);
        let mut values = draft.values.clone();
        choose_strips(&mut values, &draft.operators, &draft.lives, &way);
        self.widen(&draft, &mut values, segments, least);
        let first = self.finish(&draft, values.clone(), segments);
        // What need not lie over another is easier to place by itself.
        let all = draft.overs.clone();
        for over in all {
            let before = draft.overs.clone();
            draft.overs.retain(|other| other.value != over.value);
            let segment = draft.lives.get(over.value).map_or(0, |life| life.from);
            if self.pool(&draft, &values, segments, Some(segment)).live(segment) > least {
                draft.overs = before;
            } else if let Some(Storage::Ring { over, .. }) = values.get_mut(over.value).map(|value| &mut value.storage) {
                *over = None;
            }
        }
        let second = self.finish(&draft, values, segments);
        Ok(if second.arena < first.arena { second } else { first })
    }

    /// Offsets for all buffers.
    fn finish(&self, draft: &Draft<'a>, mut values: Vec<Value>, segments: &[u16]) -> Placement<'a> {
        let pool = self.pool(draft, &values, segments, None);
        let mut operators = draft.operators.clone();
        let segment_bytes = pool.per_segment();
        let (least, arena) = pool.assign(&mut values, &mut operators);
        Placement { values, operators, arena, least, segment_bytes }
    }

    /// Makes strips longer, or rows whole, where that takes no more than the greatest segment.
    fn widen(&self, draft: &Draft<'a>, values: &mut [Value], segments: &[u16], least: usize) {
        for id in 1..values.len() {
            let before = strip_of(values, id);
            let (true, Some(life)) = (before > 0, draft.lives.get(id)) else { continue };
            let Some(reader) = draft.operators.iter().skip(id).find(|op| reads(op, id)) else { continue };
            let widths = AT_A_TIME.map(|made| pixels(&reader.op, made) as u16);
            for wider in [0].into_iter().chain(widths).take_while(|wider| *wider == 0 || *wider > before) {
                if wider >= values.get(id).map_or(0, |value| value.shape.width) {
                    continue;
                }
                set_strip(values, id, wider);
                let fits = || self.pool(draft, values, segments, Some(life.from)).live(life.from) <= least;
                if are_roles_right(values, &draft.operators) && fits() {
                    break;
                }
                set_strip(values, id, before);
            }
        }
    }

    fn with<'n>(&self, values: &'n [Value], operators: &'n [Operator<'n>], segments: &'n [u16]) -> Network<'n>
    where
        'a: 'n,
    {
        Network { values, operators, segments, ..self.network }
    }

    /// Runs all segments, or one, without strips.
    fn draft(&self, segments: &[u16], only: Option<usize>) -> Result<Draft<'a>, Error> {
        let (mut values, mut operators) = (self.values.clone(), self.operators.clone());
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let model = Model::new(&bytes);
        super::check::segments(&model)?;
        let lives: Vec<Life> = (0..values.len()).map(|id| Life::of(&model, id as ValueId)).collect();
        for (i, operator) in operators.iter_mut().enumerate() {
            operator.form = form(&model, &lives, i as u16);
        }
        for (value, life) in values.iter_mut().zip(&lives) {
            if life.readers == 1 && !life.is_output && life.from == life.to {
                value.storage = Storage::Waiting { at: 0, rows: 0, kept: 0, strip: 0 };
            }
        }
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let needs = needs(&Model::new(&bytes), only)?;
        for ((value, need), life) in values.iter_mut().zip(&needs).zip(&lives) {
            let height = value.shape.height;
            value.storage = match value.storage {
                // Nothing is won by waiting where as many rows are kept.
                Storage::Waiting { .. } if need.kept < need.ring || need.ring == 0 => {
                    Storage::Waiting { at: 0, rows: need.kept as u16, kept: 0, strip: 0 }
                }
                _ => {
                    let is_stored = life.is_output || life.from != life.to;
                    let rows = if is_stored { height } else { (need.ring.max(1) as u16).min(height) };
                    Storage::Ring { at: 0, rows, over: None }
                }
            };
        }
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let overs = overs(&Model::new(&bytes), &lives, only);
        for over in &overs {
            if let Some(Storage::Ring { over: below, .. }) = values.get_mut(over.value).map(|value| &mut value.storage) {
                *below = Some(over.below as ValueId);
            }
        }
        Ok(Draft { lives, values, operators, overs })
    }
}

/// Pixels of a row that are made from strips at a time, the fastest first.
const AT_A_TIME: [u32; 4] = [8, 4, 2, 1];

/// Gives strips to values that wait in some segments, for so many pixels at a time, those first that it shortens most.
fn choose_strips(values: &mut [Value], operators: &[Operator<'_>], lives: &[Life], at_a_time: &dyn Fn(usize) -> Option<u32>) {
    let taker = |id: usize| operators.iter().enumerate().skip(id).find(|(_, op)| reads(op, id));
    let mut candidates: Vec<(usize, usize, u16)> = Vec::new();
    for (id, (value, life)) in values.iter().zip(lives).enumerate().skip(1) {
        let (Storage::Waiting { .. }, Some((_, reader)), Some(made)) = (value.storage, taker(id), at_a_time(life.from)) else { continue };
        let pixels = pixels(&reader.op, made);
        if let Some(fewer) = u32::from(value.shape.width).checked_sub(pixels).filter(|fewer| *fewer > 0) {
            candidates.push((fewer as usize * usize::from(value.shape.channels), id, pixels as u16));
        }
    }
    candidates.sort_unstable_by(|one, other| other.cmp(one));
    for (_, id, pixels) in candidates {
        set_strip(values, id, pixels);
        if !are_roles_right(values, operators) {
            set_strip(values, id, 0);
        }
    }
}

fn reads(operator: &Operator<'_>, id: usize) -> bool {
    usize::from(operator.a) == id || operator.b.is_some_and(|b| usize::from(b) == id)
}

fn strip_of(values: &[Value], id: usize) -> u16 {
    match values.get(id).map(|value| value.storage) {
        Some(Storage::Waiting { strip, .. }) => strip,
        _ => 0,
    }
}

fn set_strip(values: &mut [Value], id: usize, pixels: u16) {
    if let Some(Storage::Waiting { strip, .. }) = values.get_mut(id).map(|value| &mut value.storage) {
        *strip = pixels;
    }
}

/// True if all strips are where they are allowed.
fn are_roles_right(values: &[Value], operators: &[Operator<'_>]) -> bool {
    (1..values.len()).filter(|id| strip_of(values, *id) > 0).all(|id| {
        let reader = operators.iter().enumerate().skip(id).find(|(_, op)| reads(op, id));
        let (Some(maker), Some((i, reader))) = (operators.get(id - 1), reader) else { return false };
        let Some(Storage::Waiting { rows, strip, .. }) = values.get(id).map(|value| value.storage) else { return false };
        let (is_fed, feeds) = (strip_of(values, usize::from(maker.a)) > 0, strip_of(values, i + 1) > 0);
        let width = |id: usize| values.get(id).map(|value| value.shape.width);
        if matches!(reader.op, Op::Add | Op::Mul) && width(id) != width(i + 1) {
            return false;
        }
        role_of([&maker.op, &reader.op], rows, strip, is_fed, feeds) != Role::Whole
    })
}

/// Storage and forms for a network, for the segments that it has; those that it brings are ignored.
///
/// # Errors
/// What the parser would refuse.
pub fn place<'a>(network: &Network<'a>) -> Result<Placement<'a>, Error> {
    Planner::new(network)?.place(network.segments)
}

/// Rows as they come, where sums are shorter than the rows kept.
fn form(model: &Model<'_>, lives: &[Life], i: u16) -> Form {
    let Some(op @ (Op::AveragePool2d { .. } | Op::MaxPool2d { .. } | Op::Mean { .. } | Op::Dense { .. })) = model.op(i) else {
        return Form::Rows;
    };
    let id = model.inputs(i).0;
    let (input, Some(life)) = (model.shape(id), lives.get(usize::from(id))) else { return Form::Rows };
    // A stored map is there anyway.
    if life.from != life.to || life.is_output {
        return Form::Rows;
    }
    let (reach, _, _) = op.vertical(input).unwrap_or((1, 1, 0));
    let rows = (reach.min(u32::from(input.height)) - u32::from(life.readers == 1)) as usize * input.row_len();
    if state_bytes(&op, model.shape(i + 1)) < rows { Form::Accumulate { at: 0 } } else { Form::Rows }
}

/// Pairs of stored values of which one can lie over the other, those first that save most; a value is in one pair as either.
fn overs(model: &Model<'_>, lives: &[Life], only: Option<usize>) -> Vec<Over> {
    let mut found: Vec<(usize, Over)> = Vec::new();
    let bytes = |id: usize| model.row_bytes(id as ValueId) * usize::from(model.shape(id as ValueId).height);
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
    let (own, len, height) = (model.row_bytes(value), model.row_bytes(below), u32::from(model.shape(below).height));
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

/// Runs all segments, or one; how far back each value's readers looked.
fn needs(model: &Model<'_>, only: Option<usize>) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    needs.resize(model.operator_count() + 1, Need::default());
    for index in (0..model.segment_count()).filter(|index| only.is_none_or(|only| only == *index)) {
        let mut run = Run::new(*model, index);
        loop {
            let event = run.next();
            match event {
                Event::Step { operator, count, fresh, .. } => {
                    let (a, b) = model.inputs(operator);
                    for (id, second) in [(a, false), (b, true)] {
                        let rows = run.reads(operator, count, second);
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
                    return Err(Error::InvalidPlan { value: run.segment.first, field: "an operator of its segment waits for ever" });
                }
            }
            run.apply(event);
        }
    }
    Ok(needs)
}
