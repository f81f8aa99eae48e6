//! The first operators, made in parts of columns: each part from input rows that the caller gives again, with what overlaps computed
//! again. So rows are short where maps are wide, and no wide map is stored.

use crate::ir::Id;
use crate::lower::{Lowered, Operator};
use rownet::model::desc::{Op, Pads, Shape, Value, Window};
use serde::{Deserialize, Serialize};

/// How the first operators are split.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parts {
    /// One past the last operator.
    pub end: u16,
    /// One past the last column of each part of the value that they make, the last its width.
    pub columns: Vec<u16>,
}

/// Columns of a value: the first, and one past the last.
type Columns = [u16; 2];

/// A network whose first operators occur once for each part.
#[derive(Clone, Debug)]
pub struct Split {
    /// The network.
    pub lowered: Lowered,
    /// Of each value: which of the network that was split it is part of, and its columns.
    pub origins: Vec<(u16, Columns)>,
    /// One past the last operator of each part.
    pub ends: Vec<u16>,
}

impl Split {
    /// The values of the split network that are these, as their operators make them.
    pub fn recomputed(&self, recomputed: &[u16]) -> Vec<u16> {
        let is_made = |id: usize| !matches!(self.lowered.operators[id - 1].op, Op::Crop { .. } | Op::ConcatColumns);
        let all = self.origins.iter().enumerate().skip(1);
        all.filter(|(id, (origin, _))| recomputed.contains(origin) && is_made(*id)).map(|(id, _)| id as u16).collect()
    }

    /// Cuts of the network that was split, the first of which is its last part's end, in numbers of this one.
    pub fn segments(&self, segments: &[u16]) -> Vec<u16> {
        let last = self.ends.last().copied().unwrap_or(0);
        let first = segments.first().copied().unwrap_or(0);
        self.ends.iter().copied().chain(segments.iter().skip(1).map(|end| end - first + last)).collect()
    }
}

/// True if the first `end` operators can be split: each works on columns by themselves, and only their last value goes on.
pub fn can_split(lowered: &Lowered, end: u16) -> bool {
    let (before, after) = lowered.operators.split_at(usize::from(end).min(lowered.operators.len()));
    let reads = |operator: &Operator, id: u16| operator.a == id || operator.b == Some(id);
    let goes_on = |id: u16| after.iter().any(|operator| reads(operator, id)) || lowered.outputs.contains(&id);
    let width = |id: u16| lowered.values[usize::from(id)].shape.width;
    let is_local = |operator: &Operator| match operator.op {
        Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::AveragePool2d { .. } | Op::MaxPool2d { .. } => true,
        Op::Add | Op::Mul | Op::Concat => operator.b.is_none_or(|b| width(b) == width(operator.a)),
        Op::Table | Op::Softmax { .. } => true,
        _ => false,
    };
    (0..end).all(|id| !goes_on(id)) && before.iter().all(is_local)
}

/// The network with its first operators in parts; `None` where they cannot be split so.
pub fn split(lowered: &Lowered, parts: &Parts) -> Option<Split> {
    let width = lowered.values.get(usize::from(parts.end))?.shape.width;
    let is_ascending = parts.columns.windows(2).all(|pair| pair[0] < pair[1]);
    if !can_split(lowered, parts.end)
        || !is_ascending
        || parts.columns.first() == Some(&0)
        || parts.columns.last() != Some(&width)
    {
        return None;
    }
    let none = Lowered { values: Vec::new(), sources: Vec::new(), operators: Vec::new(), outputs: Vec::new() };
    let mut splitting = Splitting { from: lowered, to: Split { lowered: none, origins: Vec::new(), ends: Vec::new() } };
    let whole_input = [0, lowered.values[0].shape.width];
    splitting.value(0, whole_input);
    let (mut whole, mut first) = (None, 0);
    for &end in &parts.columns {
        let made = splitting.part(parts.end, [first, end])?;
        whole = Some(match whole {
            None => made,
            Some(before) => splitting.copy(Op::ConcatColumns, before, Some(made), parts.end - 1, (parts.end, [0, end])),
        });
        splitting.to.ends.push(splitting.to.lowered.operators.len() as u16);
        first = end;
    }
    splitting.rest(parts.end, whole?);
    Some(splitting.to)
}

struct Splitting<'l> {
    from: &'l Lowered,
    to: Split,
}

impl Splitting<'_> {
    fn shape(&self, id: u16) -> Shape {
        self.from.values[usize::from(id)].shape
    }

    /// Columns of value `id`; its new number.
    fn value(&mut self, id: u16, columns: Columns) -> u16 {
        let value = self.from.values[usize::from(id)];
        let shape = Shape { width: columns[1] - columns[0], ..value.shape };
        self.to.lowered.values.push(Value { shape, ..value });
        self.to.lowered.sources.push(self.from.sources.get(usize::from(id)).copied().unwrap_or(Id(0)));
        self.to.origins.push((id, columns));
        self.to.lowered.values.len() as u16 - 1
    }

    /// An operator that hands bytes of value `origin` on, for the sake of operator `of`.
    fn copy(&mut self, op: Op, a: u16, b: Option<u16>, of: u16, origin: (u16, Columns)) -> u16 {
        let operator = self.from.operators[usize::from(of)].copying(op, a, b);
        self.to.lowered.operators.push(operator);
        self.value(origin.0, origin.1)
    }

    /// The first `end` operators for some columns of their last value; its new number.
    fn part(&mut self, end: u16, columns: Columns) -> Option<u16> {
        let mut needed: Vec<Option<Columns>> = vec![None; usize::from(end) + 1];
        needed[usize::from(end)] = Some(columns);
        for i in (0..end).rev() {
            // What nobody needs is not made in any part.
            let made = needed[usize::from(i) + 1]?;
            let operator = &self.from.operators[usize::from(i)];
            for id in [Some(operator.a), operator.b].into_iter().flatten() {
                let read = columns_read(&operator.op, made, self.shape(id).width)?.0;
                let hull = needed[usize::from(id)].map_or(read, |[first, end]| [first.min(read[0]), end.max(read[1])]);
                needed[usize::from(id)] = Some(hull);
            }
        }
        let mut numbers: Vec<u16> = vec![0; usize::from(end) + 1];
        let input = needed[0]?;
        numbers[0] = self.copy(Op::Crop { left: input[0] }, 0, None, 0, (0, input));
        for i in 0..end {
            let made = needed[usize::from(i) + 1]?;
            let operator = &self.from.operators[usize::from(i)];
            let mut op = operator.op;
            let mut sources = [None; 2];
            for (source, id) in sources.iter_mut().zip([Some(operator.a), operator.b]) {
                let Some(id) = id else { continue };
                let (read, [left, right]) = columns_read(&operator.op, made, self.shape(id).width)?;
                if let Some(window) = window_of(&mut op) {
                    window.pads = Pads { left, right, ..window.pads };
                }
                let there = needed[usize::from(id)]?;
                *source = Some(if there == read {
                    numbers[usize::from(id)]
                } else {
                    self.copy(Op::Crop { left: read[0] - there[0] }, numbers[usize::from(id)], None, i, (id, read))
                });
            }
            self.to.lowered.operators.push(operator.with(op, sources[0]?, sources[1]));
            numbers[usize::from(i) + 1] = self.value(i + 1, made);
        }
        Some(numbers[usize::from(end)])
    }

    /// The operators from `end` on, which read the whole.
    fn rest(&mut self, end: u16, whole: u16) {
        let number = |id: u16| if id == 0 { 0 } else { id - end + whole };
        for (i, operator) in self.from.operators.iter().enumerate().skip(usize::from(end)) {
            self.to.lowered.operators.push(operator.with(operator.op, number(operator.a), operator.b.map(number)));
            let id = i as u16 + 1;
            self.value(id, [0, self.shape(id).width]);
        }
        self.to.lowered.outputs = self.from.outputs.iter().map(|id| number(*id)).collect();
    }
}

fn window_of(op: &mut Op) -> Option<&mut Window> {
    match op {
        Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window } | Op::AveragePool2d { window } | Op::MaxPool2d { window } => {
            Some(window)
        }
        _ => None,
    }
}

/// The columns of an input of so many that some columns of the output are made from, and the padding beside them.
fn columns_read(op: &Op, [first, end]: Columns, width: u16) -> Option<(Columns, [u8; 2])> {
    let mut op = *op;
    let Some(window) = window_of(&mut op) else { return Some(([first, end], [0, 0])) };
    let (stride, left) = (i32::from(window.stride[1]), i32::from(window.pads.left));
    let from = i32::from(first) * stride - left;
    let to = (i32::from(end) - 1) * stride - left + window.reach(1) as i32;
    let (inside, outside) = (from.max(0), to.min(i32::from(width)));
    let pads = [u8::try_from(inside - from).ok()?, u8::try_from(to - outside).ok()?];
    (inside < outside).then_some(([inside as u16, outside as u16], pads))
}
