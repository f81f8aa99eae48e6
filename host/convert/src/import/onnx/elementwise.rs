//! Operators on one element, or on two.

use super::attributes::Reading;
use super::emit::Target;
use super::flow::{Flow, Form};
use crate::ir::{Activation, Op, Refusal};

impl<'a> Reading<'_, 'a> {
    fn unary(&mut self, op: Op) -> Result<(), Refusal> {
        let input = self.flow(0)?;
        let shape = self.reader.graph.value(input.id).shape.clone();
        self.emit(op, &[&input], shape, input.axes.clone())
    }

    /// As [`unary`](Self::unary); a product of the input and this gate becomes one operator.
    fn gate(&mut self, alone: Op, gated: Op) -> Result<(), Refusal> {
        let (gate, x) = (self.output_name(), self.name(0));
        let product = self.reader.only_reader(gate).filter(|&i| {
            let node = &self.reader.proto.node[i];
            let other = node.input.iter().map(String::as_str).find(|&name| name != gate);
            node.op_type == "Mul" && node.input.len() == 2 && other == x
        });
        let Some(product) = product else { return self.unary(alone) };
        let input = self.flow(0)?;
        self.take(product);
        let shape = self.reader.graph.value(input.id).shape.clone();
        self.emit(gated, &[&input], shape, input.axes.clone())
    }

    /// Goes on as the node that reads this one.
    fn take(&mut self, number: usize) {
        self.reader.done[number] = true;
        (self.raw, self.number) = (&self.reader.proto.node[number], number);
    }

    /// x * clip(x + 3, 0, 6) / 6, written out; whether it was.
    fn hard_swish_written_out(&mut self) -> Option<Flow> {
        let number = |name: &str| match self.reader.slots.get(name) {
            Some(super::flow::Slot::Constant(c)) if c.len() == 1 => c.floats().map(|f| f[0]),
            _ => None,
        };
        let x = self.raw.input.iter().map(String::as_str).find(|name| number(name).is_none())?;
        let plus = |node: &super::schema::Node, wanted: f32| node.input.iter().any(|name| number(name) == Some(wanted));
        let input = self.flow(self.raw.input.iter().position(|name| name == x)?).ok()?;
        if input.form != Form::Float || !plus(self.raw, 3.0) {
            return None;
        }
        let clip = self.reader.only_reader(self.output_name())?;
        if self.reader.clamp(clip) != Some(Activation::RELU6) {
            return None;
        }
        let (mut at, mut taken, mut multiplied, mut divided) = (clip, vec![clip], false, false);
        while !(multiplied && divided) {
            at = self.reader.only_reader(self.reader.proto.node[at].output.first()?)?;
            let node = &self.reader.proto.node[at];
            let sixth = |wanted: f32| node.input.iter().filter_map(|name| number(name)).any(|n| (n - wanted).abs() < 1e-6);
            match node.op_type.as_str() {
                "Mul" if !multiplied && node.input.iter().any(|name| name == x) => multiplied = true,
                "Mul" if !divided && sixth(1.0 / 6.0) => divided = true,
                "Div" if !divided && sixth(6.0) => divided = true,
                _ => return None,
            }
            taken.push(at);
        }
        taken.into_iter().for_each(|number| self.take(number));
        Some(input)
    }

    fn unary_bytes(&mut self, op: Op) -> Result<(), Refusal> {
        let (input, target) = (self.bytes(0, 1, 2)?, self.own_target(3, 4)?);
        let shape = self.reader.graph.value(input.id).shape.clone();
        self.emit_bytes(op, &[&input], shape, input.axes.clone(), target)
    }

    /// Sum or product of two values; the larger comes first.
    fn pair(&mut self, op: Op, a: Flow, b: Flow, target: Option<Target<'a>>) -> Result<(), Refusal> {
        let size = |flow: &Flow| self.reader.graph.value(flow.id).len();
        let (a, b) = if size(&b) > size(&a) { (b, a) } else { (a, b) };
        if a.axes.len() != b.axes.len() {
            let (a, b) = (a.shape(&self.reader.graph), b.shape(&self.reader.graph));
            return Err(self.node.refuse("inputs", format!("{a:?} and {b:?}"), "give both the same number of axes"));
        }
        let axes = a.axes.clone();
        let b = self.arranged(&b, &axes);
        let shape = self.reader.graph.value(a.id).shape.clone();
        match target {
            Some(target) => self.emit_bytes(op, &[&a, &b], shape, axes, target),
            None => self.emit(op, &[&a, &b], shape, axes),
        }
    }

    fn binary(&mut self, op: Op) -> Result<(), Refusal> {
        match [0, 1].map(|i| self.constant(i).cloned()) {
            [None, None] => {
                let (a, b) = (self.flow(0)?, self.flow(1)?);
                self.pair(op, a, b, None)
            }
            [left, right] => {
                let first = left.is_some();
                let Some(constant) = left.or(right) else { return Ok(()) };
                let input = self.flow(usize::from(first))?;
                let kind = self.raw.op_type.as_str();
                self.with_constant(kind, &input, &constant, first)
            }
        }
    }

    fn binary_bytes(&mut self, op: Op) -> Result<(), Refusal> {
        let (a, b, target) = (self.bytes(0, 1, 2)?, self.bytes(3, 4, 5)?, self.own_target(6, 7)?);
        self.pair(op, a, b, Some(target))
    }
}

pub fn add(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    if let Some(input) = r.hard_swish_written_out() {
        let shape = r.reader.graph.value(input.id).shape.clone();
        return r.emit(Op::HardSwish, &[&input], shape, input.axes.clone());
    }
    r.binary(Op::Add { activation: Activation::None })
}

pub fn mul(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.binary(Op::Mul { activation: Activation::None })
}

/// Sub and Div: of a constant and a value.
pub fn with_constant(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    if [0, 1].iter().all(|&i| r.constant(i).is_none()) {
        return Err(r.node.refuse("inputs", "both depend on the network's input", "use Add and Mul"));
    }
    r.binary(Op::Add { activation: Activation::None })
}

pub fn qlinear_add(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.binary_bytes(Op::Add { activation: Activation::None })
}

pub fn qlinear_mul(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.binary_bytes(Op::Mul { activation: Activation::None })
}

/// Relu and Clip; on bytes the quantisation may come later.
pub fn clip(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let Some(activation) = r.reader.clamp(r.number) else {
        return Err(r.node.refuse("min, max", "they are not constants in order", "give it constant bounds"));
    };
    let input = r.flow(0)?;
    if matches!(input.form, Form::Bytes { .. }) {
        return Err(r.node.refuse("input", "it is of bytes", "put DequantizeLinear before it"));
    }
    r.unary(Op::Clip { activation })
}

pub fn sigmoid(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.gate(Op::Logistic, Op::Swish)
}

pub fn qlinear_sigmoid(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.unary_bytes(Op::Logistic)
}

pub fn hard_sigmoid(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let (alpha, beta) = (finite(r, "alpha", 0.2)?, finite(r, "beta", 0.5)?);
    let alone = Op::HardSigmoid { alpha, beta };
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 { r.gate(alone, Op::HardSwish) } else { r.unary(alone) }
}

pub fn hard_swish(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.unary(Op::HardSwish)
}

pub fn swish(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    if r.real("alpha", 1.0) != 1.0 {
        return Err(r.node.refuse("alpha", format!("{}", r.real("alpha", 1.0)), "use 1"));
    }
    r.unary(Op::Swish)
}

pub fn tanh(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    r.unary(Op::Tanh)
}

pub fn leaky_relu(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let alpha = finite(r, "alpha", 0.01)?;
    r.unary(Op::LeakyRelu { alpha })
}

pub fn qlinear_leaky_relu(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let alpha = finite(r, "alpha", 0.01)?;
    r.unary_bytes(Op::LeakyRelu { alpha })
}

pub fn prelu(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let slopes = r.needed(1)?.floats().unwrap_or_default().to_vec();
    match slopes.first() {
        Some(&alpha) if alpha.is_finite() && slopes.iter().all(|s| *s == alpha) => r.unary(Op::LeakyRelu { alpha }),
        _ => Err(r.node.refuse("slope", "channels have slopes of their own", "use one slope for all channels")),
    }
}

fn finite(r: &Reading<'_, '_>, attribute: &str, default: f32) -> Result<f32, Refusal> {
    let value = r.real(attribute, default);
    match value.is_finite() {
        true => Ok(value),
        false => Err(r.node.refuse(attribute, "it is not finite", "export the network again")),
    }
}
