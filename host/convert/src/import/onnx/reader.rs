//! The file under way to the representation, and names for messages.

use super::flow::Slot;
use super::schema;
use crate::ir::{Arithmetic, Graph, Id, Node, Op, Refusal};
use std::collections::{HashMap, HashSet};

/// Most characters of a name that are kept.
const LONGEST_NAME: usize = 1000;

/// The file, and the graph that grows.
pub struct Reader<'a> {
    pub(super) proto: &'a schema::Graph,
    /// What each name of the file stands for so far.
    pub(super) slots: HashMap<&'a str, Slot>,
    /// Nodes that read a name.
    pub(super) consumers: HashMap<&'a str, Vec<usize>>,
    pub(super) outputs: HashSet<&'a str>,
    /// Nodes that others have taken up.
    pub(super) done: Vec<bool>,
    pub(super) graph: Graph,
    /// Elements of constants that may still be made.
    pub(super) unmade: usize,
    pub(super) input_axes: Vec<Vec<usize>>,
    pub(super) output_axes: Vec<Vec<usize>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(proto: &'a schema::Graph, length: usize) -> Self {
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
}

/// A refusal of what is no node.
pub(super) fn refuse(node: &str, operator: &str, attribute: &str, why: String, remedy: &str) -> Refusal {
    Refusal { node: short(node), operator: operator.to_owned(), attribute: attribute.to_owned(), why, remedy: remedy.to_owned() }
}

/// A name, not longer than it must be.
pub(super) fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// A node with the name and operator of the file's, for refusals and to be filled.
pub(super) fn template(number: usize, node: &schema::Node) -> Node {
    let named = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { node.name.as_str() };
    Node {
        name: format!("{number} {}", named.chars().take(100).collect::<String>()),
        kind: node.op_type.chars().take(100).collect(),
        op: Op::Reshape,
        inputs: Vec::new(),
        output: Id(0),
    }
}
