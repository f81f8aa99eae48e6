//! .onnx files: the protobuf, bounded before it is decoded, to the representation.
//!
//! Floats that stand between DequantizeLinear and QuantizeLinear are never made: an operator there becomes one on bytes, and
//! the file's scales are kept. uint8 values are stored less 128, which is exact. NCHW becomes NHWC by naming axes, not by
//! moving pixels: each value knows which axis of the file lies where.

mod affine;
mod attributes;
mod bounds;
mod constants;
mod convolutions;
mod elementwise;
mod emit;
mod evaluate;
mod flow;
mod movement;
mod operators;
mod pools;
mod quantized;
pub mod schema;

pub use operators::{OPERATORS, Operator as Supported};

use crate::ir::check::MOST_ELEMENTS;
use crate::ir::{Arithmetic, Element, Graph, Id, Node, Refusal, Value};
use anyhow::{Context, Result, bail, ensure};
use attributes::Reading;
use constants::{Constant, Kind, kind_name};
use flow::{Flow, Form, Slot};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{HashMap, HashSet};

/// Versions of the operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 11..=25;
/// Most nodes of a file, those that compute constants included.
const MOST_NODES: usize = 1 << 14;
/// Most characters of a name that are kept.
const LONGEST_NAME: usize = 1000;

/// Reads a .onnx file.
///
/// # Errors
/// A file that is damaged or not .onnx; a [`Refusal`] for what cannot run.
pub fn read(file: &[u8]) -> Result<Graph> {
    let model = decode(file)?;
    let proto = model.graph.as_ref().context("it has no graph; export the network again")?;
    let opset = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx")).map_or(0, |set| set.version);
    ensure!(
        OPSETS.contains(&opset),
        "operator set {opset}, not {} to {}; export the network with opset_version=17",
        OPSETS.start(),
        OPSETS.end()
    );
    ensure!(proto.node.len() <= MOST_NODES, "more than {MOST_NODES} nodes; split the network");
    Reader::new(proto, file.len()).graph()
}

/// A value of bytes as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name in the file.
    pub name: String,
    /// The value of the graph that [`read`] gives.
    pub id: Id,
    /// Axis k here is axis `axes[k]` of the file.
    pub axes: Vec<usize>,
    /// uint8 in the file.
    pub unsigned: bool,
}

/// How arrays of the file lie here.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Axis k of the input here is this axis of the file.
    pub input: Vec<usize>,
    /// Likewise of each output.
    pub outputs: Vec<Vec<usize>>,
    /// Values of bytes, by their index.
    pub values: Vec<Named>,
}

/// Where axes of the file lie in the graph that [`read`] gives.
///
/// # Errors
/// As [`read`].
pub fn layout(file: &[u8]) -> Result<Layout> {
    let model = decode(file)?;
    let proto = model.graph.as_ref().context("it has no graph; export the network again")?;
    let mut reader = Reader::new(proto, file.len());
    reader.fill()?;
    let named = |(name, slot): (&&str, &Slot)| match slot {
        Slot::Flow(Flow { id, axes, form: Form::Bytes { unsigned } }) => {
            Some(Named { name: (*name).to_owned(), id: *id, axes: axes.clone(), unsigned: *unsigned })
        }
        _ => None,
    };
    let mut values: Vec<Named> = reader.slots.iter().filter_map(named).collect();
    values.sort_by(|a, b| (a.id, &a.name).cmp(&(b.id, &b.name)));
    let input = reader.input_axes.into_iter().next().unwrap_or_default();
    Ok(Layout { input, outputs: reader.output_axes, values })
}

fn decode(file: &[u8]) -> Result<schema::Model> {
    bounds::check(file)?;
    schema::Model::decode(Bytes::copy_from_slice(file))
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("damaged, or not a .onnx file; export the network again")
}

/// The file, and the graph that grows.
struct Reader<'a> {
    proto: &'a schema::Graph,
    /// What each name of the file stands for so far.
    slots: HashMap<&'a str, Slot>,
    /// Nodes that read a name.
    consumers: HashMap<&'a str, Vec<usize>>,
    outputs: HashSet<&'a str>,
    /// Nodes that others have taken up.
    done: Vec<bool>,
    graph: Graph,
    /// Elements of constants that may still be made.
    unmade: usize,
    input_axes: Vec<Vec<usize>>,
    output_axes: Vec<Vec<usize>>,
}

impl<'a> Reader<'a> {
    fn new(proto: &'a schema::Graph, length: usize) -> Self {
        let mut consumers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, node) in proto.node.iter().enumerate() {
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                consumers.entry(name).or_default().push(number);
            }
        }
        Self {
            proto,
            slots: HashMap::new(),
            consumers,
            outputs: proto.output.iter().map(|output| output.name.as_str()).collect(),
            done: vec![false; proto.node.len()],
            graph: Graph {
                arithmetic: Arithmetic::Onnx,
                values: Vec::new(),
                nodes: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                notes: Vec::new(),
            },
            // Weights are dequantised, transposed and quantised again at most.
            unmade: 8 * length + (1 << 16),
            input_axes: Vec::new(),
            output_axes: Vec::new(),
        }
    }

    fn graph(mut self) -> Result<Graph> {
        self.fill()?;
        self.graph.check()?;
        Ok(self.graph)
    }

    fn fill(&mut self) -> Result<()> {
        for tensor in &self.proto.initializer {
            let constant =
                Constant::read(tensor).map_err(|(why, remedy)| refuse(&tensor.name, "initializer", "data", why, remedy))?;
            self.slots.insert(&tensor.name, Slot::Constant(constant));
        }
        for input in &self.proto.input {
            if !self.slots.contains_key(input.name.as_str()) {
                self.input(input)?;
            }
        }
        // Constants first: clamps look ahead for theirs.
        for (number, node) in self.proto.node.iter().enumerate() {
            if let Some(constant) = evaluate::evaluate(self, number, node)? {
                self.made(number, constant)?;
            }
        }
        for (number, node) in self.proto.node.iter().enumerate() {
            let known = self.graph.values.len();
            if !std::mem::replace(&mut self.done[number], true) {
                self.node(number, node)?;
            }
            for value in &self.graph.values[known..] {
                let elements = value.shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
                if elements.is_none_or(|n| n > MOST_ELEMENTS) {
                    bail!(template(number, node).refuse("output", format!("its shape is {:?}", value.shape), "use smaller maps"));
                }
            }
            ensure!(
                self.graph.nodes.len() <= crate::ir::check::MOST_NODES,
                "more than {} operators; split the network",
                crate::ir::check::MOST_NODES
            );
        }
        for output in &self.proto.output {
            self.output(&output.name)?;
        }
        Ok(())
    }

    /// Takes a constant that a node made.
    fn made(&mut self, number: usize, constant: Constant) -> Result<(), Refusal> {
        let node = &self.proto.node[number];
        match (node.output.as_slice(), self.unmade.checked_sub(constant.len())) {
            ([name], Some(unmade)) => {
                self.unmade = unmade;
                self.slots.insert(name, Slot::Constant(constant));
                self.done[number] = true;
                Ok(())
            }
            (_, None) => {
                Err(template(number, node).refuse("output", "constants grow too large", "fold constants before the export"))
            }
            _ => Err(template(number, node).refuse("outputs", "it has not one output", "export the network again")),
        }
    }

    fn node(&mut self, number: usize, node: &'a schema::Node) -> Result<()> {
        let template = template(number, node);
        if let Some(constant) = evaluate::evaluate(self, number, node)? {
            return Ok(self.made(number, constant)?);
        }
        let known = OPERATORS.iter().find(|known| known.matches(&node.domain, &node.op_type));
        let Some(known) = known else {
            let names: Vec<&str> = OPERATORS.iter().filter(|o| o.domain == node.domain).map(|o| o.name).collect();
            let remedy =
                if names.is_empty() { "use operators of ai.onnx".to_owned() } else { format!("use {}", names.join(", ")) };
            bail!(template.refuse("operator", "it is not supported", remedy));
        };
        if let Some(other) = node.attribute.iter().find(|a| !known.attributes.contains(&a.name.as_str())) {
            let name: String = other.name.chars().take(100).collect();
            bail!(template.refuse(
                &name,
                "the attribute is not supported",
                "leave it out, or export with an operator set up to 20"
            ));
        }
        let mut reading = Reading { reader: self, raw: node, number, node: template };
        reading.one_output()?;
        (known.read)(&mut reading)?;
        Ok(())
    }

    fn input(&mut self, input: &'a schema::ValueInfo) -> Result<()> {
        let refused = |attribute: &str, why: String, remedy: &str| refuse(&input.name, "input", attribute, why, remedy);
        let kind = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let Some((kind, shape)) = kind.and_then(|t| Some((t.elem_type, t.shape.as_ref()?))) else {
            bail!(refused("type", "it is no tensor of a known shape".to_owned(), "export the network with a fixed input shape"));
        };
        let element = match Kind::of(kind) {
            Some(Kind::F32) => Element::F32,
            Some(Kind::U8) => Element::U8,
            Some(Kind::I8) => Element::I8,
            _ => bail!(refused("type", format!("{} inputs do not run", kind_name(kind)), "give it float32, uint8 or int8")),
        };
        ensure!(
            (1..=4).contains(&shape.dim.len()),
            refused("shape", format!("it has {} axes", shape.dim.len()), "use one to four: batch, channels, rows, columns")
        );
        let extents: Vec<Option<usize>> =
            shape.dim.iter().map(|d| usize::try_from(d.dim_value).ok().filter(|&n| n > 0)).collect();
        // A batch of any size is a batch of one.
        let fixed: Option<Vec<usize>> =
            extents.iter().enumerate().map(|(axis, n)| n.or((axis == 0 && extents.len() > 1).then_some(1))).collect();
        let fits = |s: &Vec<usize>| s.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).is_some_and(|n| n <= MOST_ELEMENTS);
        let Some(fixed) = fixed.filter(fits) else {
            bail!(refused(
                "shape",
                "an extent is not known, or too large".to_owned(),
                "export the network with a fixed input shape"
            ));
        };
        let axes = self.input_layout(&input.name, fixed.len());
        let value = Value {
            name: short(&input.name),
            shape: axes.iter().map(|&axis| fixed[axis]).collect(),
            element,
            quantization: None,
        };
        let id = self.graph.add(value);
        self.graph.inputs.push(id);
        self.input_axes.push(axes.clone());
        let form = match element {
            Element::F32 => Form::Float,
            Element::U8 => Form::Bytes { unsigned: true },
            Element::I8 => Form::Bytes { unsigned: false },
        };
        self.slots.insert(&input.name, Slot::Flow(Flow { id, axes, form }));
        Ok(())
    }

    /// Axes of an input as they lie here: channels last where the network reads them first.
    fn input_layout(&self, name: &'a str, rank: usize) -> Vec<usize> {
        let given: Vec<usize> = (0..rank).collect();
        let mut name = name;
        for _ in 0..64 {
            let Some(&reader) = self.consumers.get(name).and_then(|all| all.first()) else { break };
            let node = &self.proto.node[reader];
            match node.op_type.as_str() {
                "Conv" | "QLinearConv" | "ConvInteger" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "Resize"
                | "Upsample" => {
                    return flow::channels_last(rank);
                }
                "Transpose" | "Reshape" | "Flatten" | "Gemm" | "MatMul" | "QLinearMatMul" | "QGemm" => return given,
                _ => {}
            }
            let Some(next) = node.output.first() else { break };
            name = next;
        }
        if rank == 4 { flow::channels_last(4) } else { given }
    }

    fn output(&mut self, name: &'a str) -> Result<()> {
        let Some(Slot::Flow(flow)) = self.slots.get(name).cloned() else {
            bail!(refuse(name, "output", "value", "no node makes it from the input".to_owned(), "export the network again"));
        };
        self.output_axes.push(flow.axes.clone());
        let value = self.graph.value(flow.id).clone();
        let kind = match flow.form {
            Form::Real => Some(Element::F32),
            Form::Bytes { unsigned: true } if value.element == Element::I8 => Some(Element::U8),
            _ => None,
        };
        let Some(element) = kind else {
            self.graph.outputs.push(flow.id);
            return Ok(());
        };
        let mut node = Node {
            name: short(name),
            kind: "output".to_owned(),
            op: if element == Element::F32 { crate::ir::Op::Dequantize } else { crate::ir::Op::Quantize },
            inputs: vec![flow.id],
            output: Id(0),
        };
        let quantization = value.quantization.filter(|_| element == Element::U8);
        let quantization = quantization.map(|q| crate::ir::Quantization { zero_point: q.zero_point + 128, ..q });
        node.output = self.graph.add(Value { name: short(name), shape: value.shape, element, quantization });
        self.graph.outputs.push(node.output);
        self.graph.nodes.push(node);
        Ok(())
    }
}

fn refuse(node: &str, operator: &str, attribute: &str, why: String, remedy: &str) -> Refusal {
    Refusal { node: short(node), operator: operator.to_owned(), attribute: attribute.to_owned(), why, remedy: remedy.to_owned() }
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// A node with the name and operator of the file's, for refusals and to be filled.
fn template(number: usize, node: &schema::Node) -> Node {
    let named = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { node.name.as_str() };
    Node {
        name: format!("{number} {}", named.chars().take(100).collect::<String>()),
        kind: node.op_type.chars().take(100).collect(),
        op: crate::ir::Op::Reshape,
        inputs: Vec::new(),
        output: Id(0),
    }
}
