//! How an operator becomes a node: on floats as it is, between DequantizeLinear and QuantizeLinear on bytes.

use super::attributes::Reading;
use super::constants::{Constant, Kind};
use super::flow::{Flow, Form, Slot};
use super::reader::{Reader, short};
use crate::ir::{Activation, Element, Id, Node, Op, Quantization, Refusal, Value};

/// Where bytes go that an operator makes.
pub struct Target<'a> {
    /// Clamps between the operator and its quantisation.
    pub clamps: Vec<Activation>,
    /// Of the bytes here.
    pub quantization: Quantization,
    /// uint8 in the file.
    pub unsigned: bool,
    /// Names of the bytes in the file.
    pub names: Vec<&'a str>,
}

const WHOLE: &str = "quantise the network as a whole (onnxruntime's quantize_static with all operators)";

impl<'a> Reader<'a> {
    /// Scale and zero point of constants: of the bytes here.
    pub(super) fn quantization(&self, scale: &str, zero_point: Option<&str>) -> Option<(Quantization, bool)> {
        let constant = |name: &str| match self.slots.get(name) {
            Some(Slot::Constant(constant)) if constant.len() == 1 => Some(constant),
            _ => None,
        };
        let scale = constant(scale)?.floats()?[0];
        let (zero, kind) = match zero_point.filter(|name| !name.is_empty()) {
            Some(name) => {
                let zero = constant(name)?;
                (zero.wholes()?[0], zero.kind)
            }
            None => (0, Kind::U8),
        };
        let unsigned = match kind {
            Kind::U8 => true,
            Kind::I8 => false,
            _ => return None,
        };
        let zero_point = i32::try_from(zero).ok()? - if unsigned { 128 } else { 0 };
        Some((Quantization { scale, zero_point }, unsigned))
    }

    /// The quantisation that follows a float of the file, through clamps; nodes on the way are taken up.
    fn target(&mut self, name: &'a str) -> Option<Target<'a>> {
        let (mut name, mut clamps, mut taken) = (name, Vec::new(), Vec::new());
        // Names may go round in a damaged file.
        while taken.len() < 64 {
            let readers = self.consumers.get(name).filter(|_| !self.outputs.contains(name))?.clone();
            let nodes: Vec<&'a super::schema::Node> = readers.iter().map(|&i| &self.proto.node[i]).collect();
            let quantizers = |node: &&super::schema::Node| node.op_type == "QuantizeLinear" && node.input.len() >= 2;
            if nodes.iter().all(quantizers) {
                let of = |node: &super::schema::Node| self.quantization(&node.input[1], node.input.get(2).map(String::as_str));
                let (quantization, unsigned) = of(nodes.first()?)?;
                if !nodes.iter().all(|node| of(node) == Some((quantization, unsigned))) {
                    return None;
                }
                let names = nodes.iter().filter_map(|node| node.output.first().map(String::as_str)).collect();
                taken.iter().chain(&readers).for_each(|&i: &usize| self.done[i] = true);
                return Some(Target { clamps, quantization, unsigned, names });
            }
            let ([number], [node]) = (readers.as_slice(), nodes.as_slice()) else { return None };
            match node.op_type.as_str() {
                "Identity" | "Dropout" => {}
                _ => clamps.push(self.clamp(*number)?),
            }
            taken.push(*number);
            name = node.output.first()?;
        }
        None
    }
}

/// Puts a clamp into an operator that has one; whether it could.
fn fuse(op: &mut Op, clamp: Activation) -> bool {
    match op {
        Op::Conv2d { activation, .. }
        | Op::Dense { activation, .. }
        | Op::Add { activation }
        | Op::Mul { activation }
        | Op::AveragePool { activation, .. }
        | Op::MaxPool { activation, .. }
            if *activation == Activation::None =>
        {
            *activation = clamp;
            true
        }
        _ => false,
    }
}

impl<'a> Reading<'_, 'a> {
    /// Adds a node; `shape` and `axes` are those of its value as it lies here.
    pub(super) fn push(&mut self, op: Op, inputs: Vec<Id>, value: Value) -> Id {
        let output = self.reader.graph.add(value);
        self.reader.graph.nodes.push(Node { op, inputs, output, ..self.node.clone() });
        output
    }

    /// Refuses what follows a softmax that is left out.
    pub(super) fn computable(&self, flow: &Flow) -> Result<(), Refusal> {
        match flow.form {
            Form::Final => {
                Err(self.node.refuse("inputs", "it follows a softmax", "take the network's output before the softmax"))
            }
            _ => Ok(()),
        }
    }

    /// What the inputs of an operator have in common.
    pub(super) fn form(&self, flows: &[&Flow]) -> Result<Form, Refusal> {
        let form = flows[0].form;
        let same = flows.iter().all(|flow| std::mem::discriminant(&flow.form) == std::mem::discriminant(&form));
        flows.iter().try_for_each(|flow| self.computable(flow))?;
        match form {
            _ if !same => Err(self.node.refuse("inputs", "bytes and floats meet in one operator", WHOLE)),
            Form::Bytes { .. } => {
                Err(self.node.refuse("inputs", "they are bytes", "put DequantizeLinear before and QuantizeLinear behind it"))
            }
            form => Ok(form),
        }
    }

    /// Adds an operator that computes, on floats or on what stands for them.
    pub(super) fn emit(&mut self, op: Op, flows: &[&Flow], shape: Vec<usize>, axes: Vec<usize>) -> Result<(), Refusal> {
        if self.form(flows)? == Form::Float {
            let name = self.output_name();
            let value = Value { name: short(name), shape, element: Element::F32, quantization: None };
            let id = self.push(op, flows.iter().map(|flow| flow.id).collect(), value);
            self.set(name, Flow { id, axes, form: Form::Float });
            return Ok(());
        }
        let target = self.quantized()?;
        self.emit_bytes(op, flows, shape, axes, target)
    }

    /// The quantisation that follows this node.
    pub(super) fn quantized(&mut self) -> Result<Target<'a>, Refusal> {
        self.reader.target(self.output_name()).ok_or_else(|| {
            self.node.refuse("output", "bytes go in and no QuantizeLinear of one scale and zero point follows", WHOLE)
        })
    }

    /// Adds an operator on bytes.
    pub(super) fn emit_bytes(
        &mut self,
        mut op: Op,
        flows: &[&Flow],
        shape: Vec<usize>,
        axes: Vec<usize>,
        target: Target<'a>,
    ) -> Result<(), Refusal> {
        let mut left = Vec::new();
        for clamp in target.clamps {
            if !left.is_empty() || !fuse(&mut op, clamp) {
                left.push(clamp);
            }
        }
        let named = target.names.first().copied().unwrap_or_default();
        let value = Value { name: short(named), shape, element: Element::I8, quantization: Some(target.quantization) };
        let mut id = self.push(op, flows.iter().map(|flow| flow.id).collect(), value.clone());
        for activation in left {
            // Clamping bytes is clamping what they stand for: rounding keeps the order.
            id = self.push(Op::Clip { activation }, vec![id], value.clone());
        }
        for name in target.names {
            self.set(name, Flow { id, axes: axes.clone(), form: Form::Bytes { unsigned: target.unsigned } });
        }
        Ok(())
    }

    /// Adds an operator that computes nothing, after a flow of any form.
    pub(super) fn moved(&mut self, op: Op, flow: &Flow, shape: Vec<usize>, axes: Vec<usize>) -> Flow {
        let from = self.reader.graph.value(flow.id);
        let value = Value { name: short(self.output_name()), shape, ..from.clone() };
        let id = self.push(op, vec![flow.id], value);
        Flow { id, axes, form: flow.form }
    }

    /// The same value with its axes in another order.
    pub(super) fn arranged(&mut self, flow: &Flow, axes: &[usize]) -> Flow {
        if flow.axes == axes {
            return flow.clone();
        }
        let permutation: Vec<usize> = axes.iter().map(|&axis| flow.position(axis)).collect();
        let shape = self.reader.graph.value(flow.id).shape.clone();
        let shape = permutation.iter().map(|&k| shape[k]).collect();
        self.moved(Op::Transpose { permutation }, flow, shape, axes.to_vec())
    }

    /// Bytes of a name, at a scale and zero point of constants: graph inputs have none before.
    pub(super) fn bytes(&mut self, position: usize, scale: usize, zero: usize) -> Result<Flow, Refusal> {
        let flow = self.flow(position)?;
        if !matches!(flow.form, Form::Bytes { .. }) {
            return Err(self.node.refuse(&format!("input {position}"), "it is not of bytes", "quantise it first"));
        }
        let (quantization, _) = self.scales(scale, zero)?;
        let value = self.reader.graph.value(flow.id).clone();
        if value.element == Element::U8 {
            // A graph input: stored less 128.
            let q = Quantization { zero_point: quantization.zero_point + 128, ..quantization };
            self.reader.graph.values[flow.id.0].quantization = Some(q);
            let value = Value { element: Element::I8, quantization: Some(quantization), ..value };
            let id = self.push(Op::Quantize, vec![flow.id], value);
            let flow = Flow { id, ..flow };
            if let Some(name) = self.name(position) {
                self.set(name, flow.clone());
            }
            return Ok(flow);
        }
        match value.quantization {
            None => self.reader.graph.values[flow.id.0].quantization = Some(quantization),
            Some(q) if q == quantization => {}
            Some(q) => {
                let why = format!(
                    "bytes of scale {} and zero point {} are read with {} and {}",
                    q.scale, q.zero_point, quantization.scale, quantization.zero_point
                );
                return Err(self.node.refuse("scale", why, "use one scale and zero point for each value"));
            }
        }
        Ok(flow)
    }

    /// Scale and zero point at two positions.
    pub(super) fn scales(&self, scale: usize, zero: usize) -> Result<(Quantization, bool), Refusal> {
        let named = |position: usize| self.name(position).unwrap_or("");
        self.reader.quantization(named(scale), Some(named(zero))).ok_or_else(|| {
            self.node.refuse(
                "scale, zero point",
                "they are not one constant float32 and one constant int8 or uint8",
                "quantise activations per tensor to 8 bits",
            )
        })
    }

    /// The target of an operator that names its own scale and zero point.
    pub(super) fn own_target(&self, scale: usize, zero: usize) -> Result<Target<'a>, Refusal> {
        let (quantization, unsigned) = self.scales(scale, zero)?;
        Ok(Target { clamps: Vec::new(), quantization, unsigned, names: vec![self.output_name()] })
    }

    /// A constant's shape, checked against how many axes it must have.
    pub(super) fn rank(&self, constant: &Constant, rank: usize) -> Result<(), Refusal> {
        match constant.shape.len() == rank && constant.len() > 0 {
            true => Ok(()),
            false => {
                Err(self.node.refuse("weights", format!("their shape is {:?}", constant.shape), format!("give them {rank} axes")))
            }
        }
    }
}
