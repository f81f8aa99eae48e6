//! .tflite files: the flatbuffer, verified before use, to the representation.

mod attributes;
mod operators;

pub use operators::{OPERATORS, Operator as Supported};

use crate::ir::{Arithmetic, Element, Graph, Id, Node, Quantization, Refusal, Value};
use anyhow::{Context, Result, bail, ensure};
use flatbuffers::VerifierOptions;
use std::cell::Cell;
use tract_tflite::tflite::{self as schema, BuiltinOperator, TensorType};

/// Most tensors of a graph.
const MOST_TENSORS: usize = 1 << 12;
/// How often the bytes of a file may be read as constants: operators may share a buffer, but not to fill the memory.
const MOST_READ: usize = 4;
/// Most characters of a name that are kept: converters join the names of what they fuse.
const LONGEST_NAME: usize = 1000;

/// Reads the first subgraph of a .tflite file.
///
/// # Errors
/// A file that is damaged or not .tflite; a [`Refusal`] for what cannot run.
pub fn read(file: &[u8]) -> Result<Graph> {
    let options =
        VerifierOptions { max_depth: 32, max_tables: 1 << 17, max_apparent_size: 1 << 31, ..VerifierOptions::default() };
    let model = schema::root_as_model_with_opts(&options, file)
        .map_err(|error| anyhow::anyhow!("{}", error.to_string().lines().next().unwrap_or_default()))
        .context("damaged, or not a .tflite file; export the network again")?;
    ensure!(
        model.version() == 3,
        "version {} of the .tflite schema; export the network with a converter of today",
        model.version()
    );
    let subgraphs = model.subgraphs().context("it has no graph; export the network again")?;
    ensure!(!subgraphs.is_empty(), "it has no graph; export the network again");
    let subgraph = subgraphs.get(0);
    let tensors: Vec<_> = subgraph.tensors().map(|all| all.iter().take(MOST_TENSORS + 1).collect()).unwrap_or_default();
    ensure!(tensors.len() <= MOST_TENSORS, "more than {MOST_TENSORS} tensors; split the network");
    let reader = Reader { model, tensors, unread: Cell::new(MOST_READ * file.len()) };
    reader.graph(&subgraph)
}

/// The file's tables, and the graph that grows.
struct Reader<'a> {
    model: schema::Model<'a>,
    tensors: Vec<schema::Tensor<'a>>,
    /// Bytes of constants that may still be read.
    unread: Cell<usize>,
}

/// One operator of the file: what its reader may ask for.
struct Reading<'r, 'a> {
    reader: &'r Reader<'a>,
    operator: schema::Operator<'a>,
    /// Name and kind for refusals; its other fields are not filled yet.
    node: Node,
    /// Tensors that it reads; -1 is none.
    inputs: Vec<i32>,
}

impl<'a> Reader<'a> {
    fn graph(&self, subgraph: &schema::SubGraph<'a>) -> Result<Graph> {
        let mut graph = Graph {
            arithmetic: Arithmetic::Tflite,
            values: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            notes: Vec::new(),
        };
        // A value for each tensor that flows; constants are taken by the operators that read them.
        let mut values: Vec<Option<Id>> = vec![None; self.tensors.len()];
        for index in indices(subgraph.inputs()) {
            let tensor = self.index(index).context("an input is no tensor")?;
            let id = self.value(&mut graph, &mut values, tensor)?;
            graph.inputs.push(id);
        }
        let codes = self.model.operator_codes().context("it has no operator codes; export the network again")?;
        for (number, operator) in subgraph.operators().into_iter().flatten().enumerate() {
            let code = operator.opcode_index() as usize;
            ensure!(code < codes.len(), "operator {number} has no code; export the network again");
            let code = codes.get(code);
            let builtin = BuiltinOperator(code.builtin_code().0.max(code.deprecated_builtin_code().into()));
            let kind = match (builtin, code.custom_code()) {
                (BuiltinOperator::CUSTOM, Some(name)) => format!("CUSTOM {name}"),
                (known, _) => known.variant_name().map_or_else(|| format!("operator {}", known.0), str::to_owned),
            };
            let outputs = indices(operator.outputs());
            let [output] = outputs[..] else {
                bail!(unnamed(number, &kind).refuse(
                    "outputs",
                    format!("it has {} outputs, not 1", outputs.len()),
                    "split it into operators of one output"
                ));
            };
            let output = self.index(output).with_context(|| format!("the output of operator {number} is no tensor"))?;
            let mut node = unnamed(number, &kind);
            if let Some(name) = self.tensors[output].name() {
                node.name = format!("{number} {}", name.chars().take(100).collect::<String>());
            }
            let Some(supported) = OPERATORS.iter().find(|known| known.code == builtin) else {
                let known: Vec<&str> = OPERATORS.iter().map(|o| o.code.variant_name().unwrap_or_default()).collect();
                bail!(node.refuse("operator", "it is not supported", format!("use {}", known.join(", "))));
            };
            let reading = Reading { reader: self, operator, node, inputs: indices(operator.inputs()) };
            let op = (supported.read)(&reading)?;
            let mut node = reading.node.clone();
            for position in 0..supported.reads.unwrap_or(reading.inputs.len()) {
                let tensor = reading.tensor(position)?;
                if self.constant(tensor).is_some() {
                    bail!(node.refuse(
                        &format!("input {position}"),
                        "it is a constant",
                        "let the converter fold constants, or compute it before the network"
                    ));
                }
                let id = self.value(&mut graph, &mut values, tensor)?;
                node.inputs.push(id);
            }
            node.output = self.value(&mut graph, &mut values, output)?;
            node.op = op;
            graph.nodes.push(node);
            ensure!(
                graph.nodes.len() <= crate::ir::check::MOST_NODES,
                "more than {} operators; split the network",
                crate::ir::check::MOST_NODES
            );
        }
        for index in indices(subgraph.outputs()) {
            let tensor = self.index(index).context("an output is no tensor")?;
            let id = self.value(&mut graph, &mut values, tensor)?;
            graph.outputs.push(id);
        }
        graph.check()?;
        Ok(graph)
    }

    fn index(&self, index: i32) -> Option<usize> {
        usize::try_from(index).ok().filter(|&index| index < self.tensors.len())
    }

    /// The value of a tensor, made when first asked for.
    fn value(&self, graph: &mut Graph, values: &mut [Option<Id>], index: usize) -> Result<Id> {
        if let Some(id) = values[index] {
            return Ok(id);
        }
        let tensor = &self.tensors[index];
        let name = tensor.name().unwrap_or("").chars().take(LONGEST_NAME).collect::<String>();
        let refuse = |attribute: &str, why: String, remedy: &str| Refusal {
            node: name.clone(),
            operator: "tensor".to_owned(),
            attribute: attribute.to_owned(),
            why,
            remedy: remedy.to_owned(),
        };
        let element = match tensor.type_() {
            TensorType::INT8 => Element::I8,
            TensorType::UINT8 => Element::U8,
            TensorType::FLOAT32 => Element::F32,
            other => bail!(refuse(
                "type",
                format!("{} values do not run", name_of(other)),
                "quantise to int8 (full integer quantisation)"
            )),
        };
        let fixed =
            |shape: Vec<i32>| shape.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect::<Option<Vec<_>>>();
        let Some(mut shape) = fixed(tensor.shape().into_iter().flatten().take(9).collect()) else {
            bail!(refuse("shape", "an extent is not known".to_owned(), "export the network with a fixed input shape"));
        };
        if shape.is_empty() {
            shape.push(1);
        }
        let quantization = match element {
            Element::F32 => None,
            _ => self.quantization(index),
        };
        let id = graph.add(Value { name, shape, element, quantization });
        values[index] = Some(id);
        Ok(id)
    }

    fn quantization(&self, index: usize) -> Option<Quantization> {
        let q = self.tensors[index].quantization()?;
        let (scales, zero_points) = (q.scale()?, q.zero_point()?);
        let one = scales.len() == 1 && zero_points.len() == 1;
        one.then(|| Quantization { scale: scales.get(0), zero_point: i32::try_from(zero_points.get(0)).unwrap_or(i32::MAX) })
    }

    /// Bytes of a constant tensor; none for values that flow.
    fn constant(&self, index: usize) -> Option<&'a [u8]> {
        let buffer = self.tensors[index].buffer() as usize;
        let buffers = self.model.buffers()?;
        let data = if buffer < buffers.len() { buffers.get(buffer).data()? } else { return None };
        (!data.is_empty()).then(|| data.bytes())
    }
}

impl<'a> Reading<'_, 'a> {
    /// The tensor at a position of the inputs.
    fn tensor(&self, position: usize) -> Result<usize, Refusal> {
        let index = self.inputs.get(position).copied().unwrap_or(-1);
        self.reader
            .index(index)
            .ok_or_else(|| self.node.refuse(&format!("input {position}"), "it is missing", "export the network again"))
    }

    /// Extents of an input, all above 0.
    fn shape(&self, position: usize) -> Result<Vec<usize>, Refusal> {
        self.shape_of(self.tensor(position)?)
    }

    fn shape_of(&self, index: usize) -> Result<Vec<usize>, Refusal> {
        let shape: Vec<i32> = self.reader.tensors[index].shape().into_iter().flatten().take(9).collect();
        let fixed = shape.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect::<Option<Vec<_>>>();
        fixed.ok_or_else(|| {
            self.node.refuse("shape", format!("{shape:?} is not fixed"), "export the network with a fixed input shape")
        })
    }

    /// A constant input: its shape and bytes, as many as `width` times its elements.
    fn constant(&self, position: usize, kind: TensorType, width: usize) -> Result<(Vec<usize>, &'a [u8]), Refusal> {
        let index = self.tensor(position)?;
        let attribute = format!("input {position}");
        let Some(bytes) = self.reader.constant(index) else {
            return Err(self.node.refuse(&attribute, "it is not a constant", "let the converter fold constants"));
        };
        let actual = self.reader.tensors[index].type_();
        if actual != kind {
            let why = format!("it is {}, not {}", name_of(actual), name_of(kind));
            return Err(self.node.refuse(&attribute, why, "quantise weights to int8, or not at all"));
        }
        if self.reader.tensors[index].sparsity().is_some() {
            return Err(self.node.refuse(&attribute, "its weights are sparse", "export dense weights"));
        }
        let shape = self.shape_of(index)?;
        let expected = shape.iter().try_fold(width, |all, &n| all.checked_mul(n));
        if expected != Some(bytes.len()) {
            return Err(self.node.refuse(
                &attribute,
                format!("{} bytes for the shape {shape:?}", bytes.len()),
                "export the network again",
            ));
        }
        let Some(unread) = self.reader.unread.get().checked_sub(bytes.len()) else {
            return Err(self.node.refuse(&attribute, "too many operators share their constants", "export each operator's own"));
        };
        self.reader.unread.set(unread);
        Ok((shape, bytes))
    }

    /// A constant list of whole numbers.
    fn whole_numbers(&self, position: usize) -> Result<Vec<i32>, Refusal> {
        let index = self.tensor(position)?;
        // A list of none is a tensor without a buffer.
        if self.reader.constant(index).is_none() && self.reader.tensors[index].shape().is_some_and(|s| s.iter().any(|n| n == 0)) {
            return Ok(Vec::new());
        }
        let (_, bytes) = self.constant(position, TensorType::INT32, 4)?;
        Ok(words(bytes).map(i32::from_le_bytes).collect())
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]])
}

fn indices(vector: Option<flatbuffers::Vector<'_, i32>>) -> Vec<i32> {
    vector.into_iter().flatten().take(MOST_TENSORS).collect()
}

fn name_of(kind: TensorType) -> String {
    kind.variant_name().map_or_else(|| format!("type {}", kind.0), str::to_lowercase)
}

fn unnamed(number: usize, kind: &str) -> Node {
    Node { name: number.to_string(), kind: kind.to_owned(), op: crate::ir::Op::Reshape, inputs: Vec::new(), output: Id(0) }
}
