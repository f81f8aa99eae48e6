//! How many rows each value keeps, by running the schedule.

use super::needs::{Need, Over, needs, overs};
use super::part::Part;
use super::pool::Pool;
use super::strips::{AT_A_TIME, are_roles_right, choose_strips, reads};
use crate::encode;
use crate::error::Error;
use crate::model::desc::{Form, IN_PLACE, Network, Op, Operator, Shape, Storage, Value, ValueId};
use crate::model::{Model, graph};
use crate::plan::columns::cutter;
use crate::plan::lifetime::Life;
use crate::plan::reads::state_bytes;
use crate::plan::recompute::{is_recomputed, rows_made, window_rows};
use crate::plan::strips::pixels;
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

/// Finds storage for a network under different cuts; checks it once.
#[derive(Clone, Debug)]
pub struct Planner<'a> {
    network: Network<'a>,
    values: Vec<Value>,
    operators: Vec<Operator<'a>>,
}

/// What a segment takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bytes that live at once.
    pub bytes: usize,
    /// Those of them that any longer segment takes as well: rows and sums of values that are made and used up inside.
    pub inner: usize,
}

/// Rows, forms and lives under some cuts, without offsets.
#[derive(Clone)]
pub(super) struct Draft<'a> {
    pub(super) lives: Vec<Life>,
    pub(super) needs: Vec<Need>,
    pub(super) values: Vec<Value>,
    pub(super) operators: Vec<Operator<'a>>,
    pub(super) overs: Vec<Over>,
}

impl Draft<'_> {
    /// Bytes of the rows kept and the sums of values that are made and used up in a segment.
    fn inner(&self, segment: usize) -> usize {
        let makers = core::iter::once(None).chain(self.operators.iter().map(Some));
        let all = self.values.iter().zip(&self.lives).zip(makers);
        all.filter(|((_, life), _)| life.from == segment && life.to == segment)
            .map(|((value, life), maker)| {
                let rows = match value.storage {
                    Storage::Waiting { rows, .. } | Storage::Ring { rows, .. } if !life.is_output => usize::from(rows),
                    _ => 0,
                };
                let state = maker.filter(|maker| maker.form != Form::Rows).map_or(0, |maker| state_bytes(&maker.op, value.shape));
                rows * value.shape.row_len() + state
            })
            .sum()
    }
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
        graph::<false>(&encode::write(&network)?)?;
        Ok(planner)
    }

    /// Bytes that live at once while operators `first` to below `end` run as one segment, some values recomputed; the row counters
    /// are not included.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn segment_bytes(&self, first: u16, end: u16, recomputed: &[ValueId]) -> Result<Segment, Error> {
        let part = Part::new((&self.network, &self.values, &self.operators), first, end, recomputed);
        let planner =
            Planner { network: part.network(&self.network), values: part.values.clone(), operators: part.operators.clone() };
        let (cuts, index) = (&part.cuts[..], part.cuts.len() - 1);
        let draft = planner.draft(cuts, &part.recomputed, Some(index))?;
        let ways = [None, AT_A_TIME.last().copied()];
        let bytes = ways.into_iter().map(|way| planner.bytes(&draft, cuts, way).get(index).copied().unwrap_or(0)).min();
        Ok(Segment { bytes: part.beside + bytes.unwrap_or(0), inner: draft.inner(index) })
    }

    /// Multiply-accumulates that are repeated where value `id` is recomputed; `None` where it cannot be.
    pub fn recomputation(&self, id: ValueId) -> Option<u64> {
        let whole = [self.operators.len() as u16];
        let mut values = self.values.clone();
        values.get_mut(usize::from(id))?.storage = Storage::Waiting { at: 0, rows: 0, kept: 0, strip: 0 };
        recompute(&mut values, &self.operators, &[id]);
        let bytes = encode::tables(&self.with(&values, &self.operators, &whole));
        let (model, life) = (Model::new(&bytes), Life::of(&Model::new(&bytes), id));
        let rows = rows_made(&model, id).checked_sub(u64::from(model.shape(id).height))?;
        let is_possible = is_recomputed(&model, id) && life.readers == 1 && !life.is_output;
        let op = model.op(id.checked_sub(1)?)?;
        let row = Shape { height: 1, ..model.shape(id) };
        is_possible.then(|| op.macs(model.shape(model.inputs(id - 1).0), row) * rows)
    }

    /// Bytes that live in each segment, with so many pixels at a time or whole rows.
    pub(super) fn bytes(&self, draft: &Draft<'a>, segments: &[u16], at_a_time: Option<u32>) -> Vec<usize> {
        let mut values = draft.values.clone();
        choose_strips(&mut values, &draft.operators, &draft.lives, &draft.needs, &|_| at_a_time);
        self.pool(draft, &values, segments, None).per_segment()
    }

    pub(super) fn pool(&self, draft: &Draft<'a>, values: &[Value], segments: &[u16], only: Option<usize>) -> Pool {
        let bytes = encode::tables(&self.with(values, &draft.operators, segments));
        Pool::new(&Model::new(&bytes), &draft.lives, (values, &draft.operators), &draft.overs, only)
    }

    /// Storage and forms for the operators cut so: one past the last of each segment.
    ///
    /// # Errors
    /// [`Error::InvalidPlan`].
    pub fn place(&self, segments: &[u16], recomputed: &[ValueId]) -> Result<Placement<'a>, Error> {
        self.place_with(segments, recomputed, 0)
    }

    fn with<'n>(&self, values: &'n [Value], operators: &'n [Operator<'n>], segments: &'n [u16]) -> Network<'n>
    where
        'a: 'n,
    {
        Network { values, operators, segments, ..self.network }
    }

    /// Runs all segments, or one, without strips.
    pub(super) fn draft(&self, segments: &[u16], recomputed: &[ValueId], only: Option<usize>) -> Result<Draft<'a>, Error> {
        let (mut values, mut operators) = (self.values.clone(), self.operators.clone());
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let model = Model::new(&bytes);
        crate::plan::check::segments(&model)?;
        let lives: Vec<Life> = (0..values.len()).map(|id| Life::of(&model, id as ValueId)).collect();
        for (i, operator) in operators.iter_mut().enumerate() {
            operator.form = form(&model, &lives, i as u16);
        }
        for (value, life) in values.iter_mut().zip(&lives) {
            if life.readers == 1 && !life.is_output && life.from == life.to {
                value.storage = Storage::Waiting { at: 0, rows: 0, kept: 0, strip: 0 };
            }
        }
        recompute(&mut values, &operators, recomputed);
        let is_again = is_given_again(&operators);
        if let (true, Some(input)) = (is_again, values.first_mut()) {
            // Columns are cut from the caller's row, if a segment wants them once.
            let is_cut = (0..model.segment_count()).all(|index| cutter(&model, model.segment(index)).is_ok());
            input.storage = match is_cut {
                true => Storage::Waiting { at: IN_PLACE, rows: 0, kept: 0, strip: 0 },
                false => Storage::Ring { at: 0, rows: 1, over: None },
            };
        }
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let needs = needs(&Model::new(&bytes), only)?;
        let pitches = pitches(&values, &operators, &lives);
        for (id, ((value, need), life)) in values.iter_mut().zip(&needs).zip(&lives).enumerate() {
            let height = value.shape.height;
            if let Some(pitch) = pitches.get(id).copied().flatten() {
                value.storage = Storage::Columns { at: 0, pitch, over: None };
                continue;
            }
            value.storage = match value.storage {
                // Nothing is won by waiting where as many rows are kept.
                Storage::Recomputed { .. } | Storage::Waiting { at: IN_PLACE, .. } => value.storage,
                Storage::Waiting { .. } if need.kept < need.ring || need.ring == 0 => {
                    Storage::Waiting { at: 0, rows: need.kept as u16, kept: 0, strip: 0 }
                }
                _ => {
                    let is_stored = life.is_output || (life.from != life.to && !(is_again && id == 0));
                    let rows = if is_stored { height } else { (need.ring.max(1) as u16).min(height) };
                    Storage::Ring { at: 0, rows, over: None }
                }
            };
        }
        let bytes = encode::tables(&self.with(&values, &operators, segments));
        let overs = overs(&Model::new(&bytes), &lives, only);
        for over in &overs {
            set_over(&mut values, over.value, Some(over.below as ValueId));
        }
        Ok(Draft { lives, needs, values, operators, overs })
    }
}

/// Storage and forms for a network, for the segments that it has; those that it brings are ignored.
///
/// # Errors
/// What the parser would refuse.
pub fn place<'a>(network: &Network<'a>) -> Result<Placement<'a>, Error> {
    Planner::new(network)?.place(network.segments, &[])
}

pub(super) fn set_over(values: &mut [Value], id: usize, below: Option<ValueId>) {
    if let Some(Storage::Ring { over, .. } | Storage::Columns { over, .. }) = values.get_mut(id).map(|value| &mut value.storage) {
        *over = below;
    }
}

/// True if the input's rows are given as often as they are read: where only columns are cut from them.
fn is_given_again(operators: &[Operator<'_>]) -> bool {
    operators.iter().filter(|op| reads(op, 0)).all(|op| matches!(op.op, Op::Crop { .. }))
}

/// Bytes between the rows of stored maps to which columns are added.
fn pitches(values: &[Value], operators: &[Operator<'_>], lives: &[Life]) -> Vec<Option<u32>> {
    let mut pitches: Vec<Option<u32>> = alloc::vec![None; values.len()];
    for (i, operator) in operators.iter().enumerate().rev() {
        let (a, Some(output)) = (usize::from(operator.a), values.get(i + 1)) else { continue };
        let is_stored = lives.get(a).is_some_and(|life| !life.is_output && life.from != life.to);
        let own = pitches.get(i + 1).copied().flatten().unwrap_or(output.shape.row_len() as u32);
        if let (Op::ConcatColumns, true, Some(pitch)) = (operator.op, is_stored && a > 0, pitches.get_mut(a)) {
            *pitch = Some(own);
        }
    }
    pitches
}

/// No row is kept of values that wait and whose operators can make and take them in strips.
fn recompute(values: &mut [Value], operators: &[Operator<'_>], recomputed: &[ValueId]) {
    for id in recomputed.iter().map(|id| usize::from(*id)) {
        let Some((before, reader)) = values.get(id).map(|value| value.storage).zip(operators.iter().find(|op| reads(op, id)))
        else {
            continue;
        };
        let (Storage::Waiting { .. }, Some(rows)) = (before, window_rows(&reader.op)) else { continue };
        let strip = pixels(&reader.op, 1) as u16;
        if let Some(value) = values.get_mut(id) {
            value.storage = Storage::Recomputed { at: 0, rows, strip };
        }
        if !are_roles_right(values, operators)
            && let Some(value) = values.get_mut(id)
        {
            value.storage = before;
        }
    }
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
