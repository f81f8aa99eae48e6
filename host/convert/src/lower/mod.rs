//! A folded graph in the engine's terms: numbers of operators, layouts of weights, multipliers, clamps.

mod constants;

use crate::ir::{Arithmetic, Element, Graph, Id, Node, Op, Quantization, Refusal};
use crate::reference::numbers;
use rownet::model::desc;

/// Constants of an operator, as the file has them.
#[derive(Clone, Debug)]
pub struct Operator {
    /// What it does.
    pub op: desc::Op,
    /// First input.
    pub a: u16,
    /// Second input.
    pub b: Option<u16>,
    /// Least and greatest output.
    pub clamp: [i8; 2],
    /// Index of the node that it comes from.
    pub node: usize,
    weights: Vec<u8>,
    bias: Vec<u8>,
    scales: Vec<u8>,
    shifts: Option<Vec<u8>>,
}

impl Operator {
    /// As the engine reads it; `form` is left to the plan.
    pub fn borrow(&self) -> desc::Operator<'_> {
        desc::Operator {
            op: self.op,
            a: self.a,
            b: self.b,
            clamp: self.clamp,
            weights: &self.weights,
            bias: &self.bias,
            rescale: match &self.shifts {
                Some(shifts) => desc::Rescale::Fixed { multipliers: &self.scales, shifts },
                None => desc::Rescale::Float { scales: &self.scales },
            },
            form: desc::Form::Rows,
        }
    }
}

impl Operator {
    /// The same constants for another operator and inputs.
    #[must_use]
    pub fn with(&self, op: desc::Op, a: u16, b: Option<u16>) -> Self {
        Self { op, a, b, ..self.clone() }
    }

    /// An operator for the same node that hands bytes on.
    #[must_use]
    pub fn copying(&self, op: desc::Op, a: u16, b: Option<u16>) -> Self {
        let (weights, bias, scales) = (Vec::new(), Vec::new(), Vec::new());
        let shifts = self.shifts.as_ref().map(|_| Vec::new());
        Self { op, a, b, clamp: [i8::MIN, i8::MAX], node: self.node, weights, bias, scales, shifts }
    }
}

/// A network without a plan.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The input, then what each operator makes; storage is left to the plan.
    pub values: Vec<desc::Value>,
    /// The values of the graph that they are.
    pub sources: Vec<Id>,
    /// In the order in which they run.
    pub operators: Vec<Operator>,
    /// Values that the user gets.
    pub outputs: Vec<u16>,
}

/// Brings a folded graph into the engine's terms.
///
/// # Errors
/// What the engine has no operator for.
pub fn lower(graph: &Graph) -> Result<Lowered, Refusal> {
    if graph.nodes.is_empty() {
        return Err(whole("nodes", "there is none", "give the network an operator"));
    }
    let mut lowering = Lowering {
        graph,
        lowered: Lowered { values: Vec::new(), sources: Vec::new(), operators: Vec::new(), outputs: Vec::new() },
        ids: vec![None; graph.values.len()],
    };
    lowering.input()?;
    for (index, node) in graph.nodes.iter().enumerate() {
        lowering.node(index, node)?;
    }
    for &output in &graph.outputs {
        let value = graph.value(output);
        let Some(mut id) = lowering.ids[output.0] else {
            return Err(whole("outputs", &format!("{} is not made", value.name), "report this network"));
        };
        if id == 0 || lowering.lowered.outputs.contains(&id) {
            // The engine gives each value that an operator makes once: this is a copy.
            id = lowering.copy(id, output, value)?;
        }
        lowering.lowered.outputs.push(id);
    }
    Ok(lowering.lowered)
}

struct Lowering<'g> {
    graph: &'g Graph,
    lowered: Lowered,
    /// Number in the engine of each value.
    ids: Vec<Option<u16>>,
}

fn whole(attribute: &str, why: &str, remedy: &str) -> Refusal {
    Refusal {
        node: "-".to_owned(),
        operator: "graph".to_owned(),
        attribute: attribute.to_owned(),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    }
}

const STORAGE: desc::Storage = desc::Storage::Ring { at: 0, rows: 1, over: None };

impl Lowering<'_> {
    /// Value 0: the input, or what quantises it.
    fn input(&mut self) -> Result<(), Refusal> {
        let &[input] = self.graph.inputs.as_slice() else {
            return Err(whole("inputs", &format!("there are {}", self.graph.inputs.len()), "give the network one input"));
        };
        let value = self.graph.value(input);
        let readers: Vec<&Node> = self.graph.nodes.iter().filter(|node| node.inputs.contains(&input)).collect();
        let (stored, external) = match (value.element, readers.as_slice()) {
            (Element::I8, _) => (input, desc::External::I8),
            (Element::F32, [node]) if matches!(node.op, Op::Quantize) && !self.graph.outputs.contains(&input) => {
                (node.output, desc::External::F32)
            }
            (Element::U8, [node]) if matches!(node.op, Op::Quantize) && !self.graph.outputs.contains(&input) => {
                (node.output, desc::External::U8)
            }
            _ => {
                return Err(whole(
                    "input",
                    &format!("{} is {} and not quantised first", value.name, value.element),
                    "quantise the network's input and output to int8",
                ));
            }
        };
        let mut quantization = self.graph.value(stored).quantization;
        if let (Element::U8, Some(q)) = (value.element, value.quantization) {
            // Bytes are stored less 128; the quantisation is a table, or nothing.
            let moved = Quantization { scale: q.scale, zero_point: q.zero_point - 128 };
            if quantization != Some(moved) {
                quantization = Some(moved);
                self.push(input, value, quantization, external, value.shape.clone())?;
                return Ok(());
            }
        }
        self.push(stored, &self.graph.value(stored).clone(), quantization, external, value.shape.clone())
    }

    fn push(
        &mut self,
        id: Id,
        value: &crate::ir::Value,
        quantization: Option<Quantization>,
        external: desc::External,
        shape: Vec<usize>,
    ) -> Result<(), Refusal> {
        let number = self.lowered.values.len();
        let extents = [shape[1], shape[2], shape[3]].map(u16::try_from);
        let ([Ok(height), Ok(width), Ok(channels)], Ok(number)) = (extents, u16::try_from(number)) else {
            return Err(whole("shape", &format!("value {} is {shape:?}", value.name), "use extents up to 65535"));
        };
        let q = quantization.unwrap_or(Quantization { scale: 1.0, zero_point: 0 });
        let shape = desc::Shape { height, width, channels };
        let zero_point = q.zero_point as i8;
        self.lowered.values.push(desc::Value {
            shape,
            element: desc::Element::I8,
            external,
            zero_point,
            scale: q.scale,
            storage: STORAGE,
        });
        self.lowered.sources.push(id);
        self.ids[id.0] = Some(number);
        Ok(())
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<(), Refusal> {
        let output = self.graph.value(node.output);
        if self.ids[node.output.0].is_some() {
            // The input's quantisation.
            return Ok(());
        }
        if let Op::Dequantize = node.op {
            return self.leave(node, desc::External::F32);
        }
        if output.element == Element::U8 {
            return self.leave(node, desc::External::U8);
        }
        if output.element != Element::I8 || node.inputs.iter().any(|&id| self.graph.value(id).element == Element::F32) {
            return Err(node.refuse(
                "types",
                "its values are floats",
                "quantise the network to int8 (full integer quantisation)",
            ));
        }
        let [a, b] = [0, 1].map(|i| node.inputs.get(i).and_then(|id| self.ids[id.0]));
        let Some(a) = a else { return Err(node.refuse("inputs", "one is not there", "report this network")) };
        let b = if node.inputs.len() > 1 { b } else { None };
        let mut operator = Operator {
            op: desc::Op::Reshape,
            a,
            b,
            clamp: numbers::clamp(self.graph, node)?,
            node: index,
            weights: Vec::new(),
            bias: Vec::new(),
            scales: Vec::new(),
            shifts: (self.graph.arithmetic == Arithmetic::Tflite).then(Vec::new),
        };
        self.fill(node, &mut operator)?;
        self.lowered.operators.push(operator);
        self.push(node.output, output, output.quantization, desc::External::I8, output.shape.clone())
    }

    /// The engine gives floats or unsigned bytes where the user wants them.
    fn leave(&mut self, node: &Node, external: desc::External) -> Result<(), Refusal> {
        let (input, outputs) = (node.inputs[0], &self.graph.outputs);
        let (Some(mut number), true) = (self.ids[input.0], outputs.contains(&node.output)) else {
            return Err(node.refuse("output", "its type flows on inside the network", "quantise the whole network to int8"));
        };
        if external == desc::External::U8 {
            let [from, to] = [input, node.output].map(|id| self.graph.value(id).quantization);
            let moved = |q: Quantization| Quantization { zero_point: q.zero_point + 128, ..q };
            if !matches!(node.op, Op::Quantize) || from.map(moved) != to {
                return Err(node.refuse("output", "uint8 of another scale", "give the output int8"));
            }
        }
        if number == 0 || outputs.contains(&input) {
            number = self.copy(number, node.output, self.graph.value(node.output))?;
        }
        self.lowered.values[usize::from(number)].external = external;
        self.ids[node.output.0] = Some(number);
        Ok(())
    }

    /// A copy of a value, with another name.
    fn copy(&mut self, of: u16, id: Id, value: &crate::ir::Value) -> Result<u16, Refusal> {
        let source = self.lowered.values[usize::from(of)];
        let node = self.graph.producer(id).unwrap_or(0);
        let shifts = (self.graph.arithmetic == Arithmetic::Tflite).then(Vec::new);
        self.lowered.operators.push(Operator {
            op: desc::Op::Reshape,
            a: of,
            b: None,
            clamp: [i8::MIN, i8::MAX],
            node,
            weights: Vec::new(),
            bias: Vec::new(),
            scales: Vec::new(),
            shifts,
        });
        let number = self.lowered.values.len() as u16;
        let quantization = Quantization { scale: source.scale, zero_point: source.zero_point.into() };
        self.push(id, value, Some(quantization), source.external, value.shape.clone())?;
        Ok(number)
    }
}
