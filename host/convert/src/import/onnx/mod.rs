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
mod joins;
mod movement;
mod operators;
mod pools;
mod ports;
mod quantized;
mod reader;
pub mod schema;

pub use operators::{OPERATORS, Operator as Supported};

use crate::ir::check::MOST_ELEMENTS;
use crate::ir::{Graph, Id, Refusal};
use anyhow::{Context, Result, bail, ensure};
use attributes::Reading;
use constants::Constant;
use flow::{Flow, Form, Slot};
use prost::Message;
use prost::bytes::Bytes;
use reader::{Reader, refuse, template};

/// Versions of the operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 11..=25;
/// Most nodes of a file, those that compute constants included.
const MOST_NODES: usize = 1 << 14;

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

impl<'a> Reader<'a> {
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
            if !self.done[number] {
                self.node(number, node)?;
                self.done[number] = true;
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
}
