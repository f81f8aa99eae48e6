//! The intermediate representation: what a file says, before and after the folds.
//!
//! Values are numbered and named; nodes stand in topological order and each makes one value. Maps are NHWC with N = 1;
//! the readers bring other layouts into this one. A quantised value has one scale and one zero point; the scales of weights
//! belong to the operator that holds them.

pub mod check;
pub mod op;
pub mod operand;

pub use op::Op;
pub use operand::{Activation, Arithmetical, Axes, Bias, Padding, Weights, Window};

use std::fmt;

/// Which of the two arithmetics a network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Fixed-point multipliers, as TFLite Micro's reference kernels.
    Tflite,
    /// An f32 scale and rounding half to even, as ONNX's operators on QuantizeLinear and DequantizeLinear.
    Onnx,
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tflite => "tflite",
            Self::Onnx => "onnx",
        })
    }
}

/// Type of the elements of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Signed bytes.
    I8,
    /// Unsigned bytes.
    U8,
    /// 32-bit floats.
    F32,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::F32 => "float32",
        })
    }
}

/// How bytes stand for numbers: `real = scale * (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Finite and above 0.
    pub scale: f32,
    /// Within the range of the value's element type.
    pub zero_point: i32,
}

/// Index of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub usize);

/// A tensor that flows between nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Name in the file; unique or not, for messages and observers.
    pub name: String,
    /// Extents, outermost first, batch included: rank 1 to 4, none zero.
    pub shape: Vec<usize>,
    /// Type of its elements.
    pub element: Element,
    /// Scale and zero point; none for float values.
    pub quantization: Option<Quantization>,
}

impl Value {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element: never, in a checked graph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels: the last three extents, ones where there are fewer.
    pub fn map(&self) -> [usize; 3] {
        let extent = |from_end: usize| self.shape.len().checked_sub(from_end).map_or(1, |i| self.shape[i]);
        [extent(3), extent(2), extent(1)]
    }
}

/// One operator of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What the file calls it, or its output; for messages.
    pub name: String,
    /// The operator's name in the file, `CONV_2D` or `Conv`.
    pub kind: String,
    /// What it computes, with its constants.
    pub op: Op,
    /// Values that it reads, in the operator's order.
    pub inputs: Vec<Id>,
    /// The value that it makes.
    pub output: Id,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Arithmetic of its quantised operators.
    pub arithmetic: Arithmetic,
    /// All values.
    pub values: Vec<Value>,
    /// Operators in topological order.
    pub nodes: Vec<Node>,
    /// Values that the caller supplies.
    pub inputs: Vec<Id>,
    /// Values that the caller gets, in order.
    pub outputs: Vec<Id>,
    /// What was left out or is not exact, for the user.
    pub notes: Vec<String>,
}

impl Graph {
    /// The value with this index.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id.0]
    }

    /// Adds a value.
    pub fn add(&mut self, value: Value) -> Id {
        self.values.push(value);
        Id(self.values.len() - 1)
    }

    /// Index of the node that makes `id`; none for inputs.
    pub fn producer(&self, id: Id) -> Option<usize> {
        self.nodes.iter().position(|node| node.output == id)
    }

    /// How many times `id` is read, by nodes and as an output.
    pub fn uses(&self, id: Id) -> usize {
        let read: usize = self.nodes.iter().map(|node| node.inputs.iter().filter(|&&i| i == id).count()).sum();
        read + self.outputs.iter().filter(|&&i| i == id).count()
    }

    /// Lets all that read `from` read `to`.
    pub fn replace(&mut self, from: Id, to: Id) {
        let read = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        read.chain(&mut self.outputs).filter(|id| **id == from).for_each(|id| *id = to);
    }

    /// Multiply-accumulates of one inference.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| self.node_macs(node)).sum()
    }

    /// Multiply-accumulates of one node: those of convolutions and dense layers, padding counted as if it were there.
    pub fn node_macs(&self, node: &Node) -> u64 {
        let outputs = self.value(node.output).len() as u64;
        match &node.op {
            Op::Conv2d { weights, .. } | Op::Dense { weights, .. } => outputs * (weights.len() / weights.outputs()) as u64,
            _ => 0,
        }
    }
}

/// Why a network cannot run: the node, what about it, and what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the node.
    pub node: String,
    /// Its operator as the file has it.
    pub operator: String,
    /// What of it: an attribute or an input.
    pub attribute: String,
    /// Why it cannot run.
    pub why: String,
    /// What the user can change.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({}), {}: {}; {}", self.node, self.operator, self.attribute, self.why, self.remedy)
    }
}

impl std::error::Error for Refusal {}

impl Node {
    /// A refusal of this node.
    pub fn refuse(&self, attribute: &str, why: impl Into<String>, remedy: impl Into<String>) -> Refusal {
        Refusal {
            node: self.name.clone(),
            operator: self.kind.clone(),
            attribute: attribute.to_owned(),
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}
