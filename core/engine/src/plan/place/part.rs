//! A segment by itself: its operators, and the values that they read from before, which others make.
//!
//! What lives in a segment follows from these alone, so that a search over cuts need not look at the whole network each time.

use crate::model::desc::{Element, External, Form, Network, Op, Operator, Rescale, Shape, Storage, Value, ValueId};
use alloc::{vec, vec::Vec};

/// Operators of a network that run as one segment, the last; before it a segment that makes what they read.
pub struct Part<'a> {
    pub values: Vec<Value>,
    pub operators: Vec<Operator<'a>>,
    pub outputs: Vec<ValueId>,
    pub cuts: Vec<u16>,
    pub recomputed: Vec<ValueId>,
    /// Bytes of maps that are stored meanwhile and not touched.
    pub beside: usize,
}

impl<'a> Part<'a> {
    /// Operators `first` to below `end`.
    pub fn new(
        (network, values, operators): (&Network<'_>, &[Value], &[Operator<'a>]),
        first: u16,
        end: u16,
        recomputed: &[ValueId],
    ) -> Self {
        let (first, end) = (usize::from(first), usize::from(end));
        let own = operators.get(first..end).unwrap_or_default();
        let sources = |op: &Operator<'_>| [Some(op.a), op.b].into_iter().flatten();
        let reads = |op: &Operator<'_>, id: usize| sources(op).any(|source| usize::from(source) == id);
        let is_read_later = |id: usize| operators.get(end..).unwrap_or_default().iter().any(|op| reads(op, id));
        // Rows that are given again need not be stored.
        let is_again = operators.iter().filter(|op| reads(op, 0)).all(|op| matches!(op.op, Op::Crop { .. }));
        let is_wanted = |id: usize| {
            (is_read_later(id) && !(is_again && id == 0)) || network.outputs.iter().any(|output| usize::from(*output) == id)
        };
        let mut part = Self {
            values: Vec::new(),
            operators: Vec::new(),
            outputs: Vec::new(),
            cuts: Vec::new(),
            recomputed: Vec::new(),
            beside: 0,
        };
        // New numbers of the old values.
        let mut numbers: Vec<Option<ValueId>> = vec![None; values.len()];
        let mut add = |part: &mut Self, id: usize| {
            let (Some(value), number) = (values.get(id), part.values.len() as ValueId) else { return };
            part.values.push(*value);
            if is_wanted(id) {
                part.outputs.push(number);
            }
            if recomputed.iter().any(|other| usize::from(*other) == id) {
                part.recomputed.push(number);
            }
            if let Some(to) = numbers.get_mut(id) {
                *to = Some(number);
            }
        };
        if first == 0 {
            add(&mut part, 0);
        } else {
            let reads_input = is_again && own.iter().any(|op| reads(op, 0));
            if reads_input {
                add(&mut part, 0);
            } else {
                part.values.push(NOTHING);
            }
            for id in usize::from(reads_input)..=first {
                if own.iter().any(|op| reads(op, id)) {
                    part.operators.push(ANY);
                    add(&mut part, id);
                } else if is_wanted(id) {
                    let size = |value: &Value| if value.element == Element::F32 { 4 } else { 1 };
                    part.beside += values.get(id).map_or(0, |value| value.shape.len() as usize * size(value));
                }
            }
            if !part.operators.is_empty() {
                part.cuts.push(part.operators.len() as u16);
            }
        }
        for id in first + 1..=end {
            add(&mut part, id);
        }
        let number = |id: ValueId| numbers.get(usize::from(id)).copied().flatten().unwrap_or(0);
        part.operators.extend(own.iter().map(|op| Operator {
            a: number(op.a),
            b: op.b.map(number),
            weights: &[],
            bias: &[],
            rescale: Rescale::Float { scales: &[] },
            ..*op
        }));
        part.cuts.push(part.operators.len() as u16);
        part
    }

    /// As a network.
    pub fn network<'n>(&'n self, whole: &Network<'n>) -> Network<'n> {
        Network { values: &self.values, operators: &self.operators, outputs: &self.outputs, segments: &self.cuts, ..*whole }
    }
}

/// The input of a part that does not read the network's.
const NOTHING: Value = Value {
    shape: Shape::new(1, 1, 1),
    element: Element::I8,
    external: External::I8,
    zero_point: 0,
    scale: 1.0,
    storage: Storage::Ring { at: 0, rows: 1, over: None },
};

/// What makes a value that was made before. It cuts columns from the input, so that whether that is stored depends on others.
const ANY: Operator<'static> = Operator {
    op: Op::Crop { left: 0 },
    a: 0,
    b: None,
    clamp: [i8::MIN, i8::MAX],
    weights: &[],
    bias: &[],
    rescale: Rescale::Float { scales: &[] },
    form: Form::Rows,
};
