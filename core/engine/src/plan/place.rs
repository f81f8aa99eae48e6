//! Storage for a network that is cut into segments.
//!
//! How many rows each value keeps is found by running the schedule; where they lie by first fit.

use super::lifetime::Life;
use super::reads::state_bytes;
use super::simulate::{Event, Run};
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
}

/// What a value needs.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Rows of a ring.
    ring: u32,
    /// Rows kept where the newest waits.
    kept: u32,
}

/// Gives every value of `network` its storage and every operator its form, for the segments that it has; storage and forms that
/// it brings are ignored.
///
/// # Errors
/// What the parser would refuse.
pub fn place<'a>(network: &Network<'a>) -> Result<Placement<'a>, Error> {
    let mut values = network.values.to_vec();
    let mut operators = network.operators.to_vec();
    // A file to look into, with storage that the schedule takes as it is.
    for value in &mut values {
        value.storage = Storage::Ring { at: 0, rows: value.shape.height, over: None };
    }
    for operator in &mut operators {
        operator.form = Form::Rows;
    }
    let first = encode::write(&Network { values: &values, operators: &operators, labels: "", metadata: "", head: &[], ..*network })?;
    let model = graph(&first)?;
    super::check::segments(&model)?;
    let lives: Vec<Life> = (0..values.len()).map(|id| Life::of(&model, id as ValueId)).collect();
    for (i, operator) in operators.iter_mut().enumerate() {
        operator.form = form(&model, &lives, i as u16);
    }
    for (value, life) in values.iter_mut().zip(&lives) {
        if life.readers == 1 && !life.is_output && life.from == life.to {
            value.storage = Storage::Waiting { at: 0, rows: 0, kept: 0 };
        }
    }
    let second = encode::write(&Network { values: &values, operators: &operators, labels: "", metadata: "", head: &[], ..*network })?;
    let model = graph(&second)?;
    let needs = needs(&model)?;
    for ((value, need), life) in values.iter_mut().zip(&needs).zip(&lives) {
        let height = value.shape.height;
        value.storage = match value.storage {
            // Nothing is won by waiting where as many rows are kept.
            Storage::Waiting { .. } if need.kept < need.ring => Storage::Waiting { at: 0, rows: need.kept as u16, kept: 0 },
            _ => {
                let is_stored = life.is_output || life.from != life.to;
                let rows = if is_stored { height } else { (need.ring.max(1) as u16).min(height) };
                Storage::Ring { at: 0, rows, over: None }
            }
        };
    }
    let pool = super::pool::Pool::new(&model, &lives, &values, &operators);
    let (least, arena) = pool.assign(&mut values, &mut operators);
    Ok(Placement { values, operators, arena, least })
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

/// Runs all segments; what each value's readers found far back.
fn needs(model: &Model<'_>) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    needs.resize(model.operator_count() + 1, Need::default());
    for index in 0..model.segment_count() {
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
