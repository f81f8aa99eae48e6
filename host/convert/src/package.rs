//! A network's file: everything from a file that was read to the file that the engine reads.

use crate::import;
use crate::ir::{Arithmetic, Element, Graph, Value};
use crate::lower::{self, Lowered};
use crate::plan::{self, Plan};
use crate::{calibrate, fold};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Most characters of a name in the file: it lies in flash.
const LONGEST_NAME: usize = 40;

/// An input or output as the user sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the network that was read.
    pub name: String,
    /// Extents, batch first.
    pub shape: Vec<usize>,
    /// int8, uint8 or float32.
    #[serde(rename = "type")]
    pub element: String,
    /// Scale of its bytes; none of floats.
    pub scale: Option<f32>,
    /// Zero point of its bytes; none of floats.
    pub zero_point: Option<i32>,
}

impl Port {
    fn of(value: &Value) -> Self {
        Self {
            name: short(&value.name),
            shape: value.shape.clone(),
            element: value.element.to_string(),
            scale: value.quantization.map(|q| q.scale),
            zero_point: value.quantization.map(|q| q.zero_point),
        }
    }
}

/// An operator as the file that was read names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The node.
    pub name: String,
    /// Its operator.
    pub kind: String,
}

/// What the file says of itself beside what the engine needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// File name of the network that was read.
    pub source: String,
    /// Its SHA-256.
    pub source_sha256: String,
    /// tflite or onnx.
    pub arithmetic: String,
    /// Inputs.
    pub inputs: Vec<Port>,
    /// Outputs, in order.
    pub outputs: Vec<Port>,
    /// Operators, in order.
    pub operators: Vec<Named>,
}

impl Metadata {
    /// Of a parsed file.
    ///
    /// # Errors
    /// The file has none: it was not imported.
    pub fn read(model: &rownet::model::Model<'_>) -> Result<Self> {
        serde_json::from_str(model.metadata())
            .context("the file does not say what it was imported from; import the network again")
    }

    /// Which arithmetic it computes in.
    pub fn arithmetic(&self) -> Arithmetic {
        if self.arithmetic == "onnx" { Arithmetic::Onnx } else { Arithmetic::Tflite }
    }
}

/// The end of a name, where converters put what tells most.
fn short(name: &str) -> String {
    let count = name.chars().count();
    name.chars().skip(count.saturating_sub(LONGEST_NAME)).collect()
}

/// A network that was read, folded and brought into the engine's terms.
pub struct Prepared {
    /// As it was read.
    pub original: Graph,
    /// After the folds.
    pub graph: Graph,
    /// In the engine's terms.
    pub lowered: Lowered,
}

/// Reads, folds and lowers.
///
/// # Errors
/// A damaged file, or what cannot run: the node, its attribute, why, and what to change.
pub fn prepare(file: &[u8]) -> Result<Prepared> {
    let original = import::read(file)?;
    ensure!(
        !calibrate::is_float(&original),
        "a float network; import it with --inputs X.npy or --images DIR, which calibrate it to int8"
    );
    let mut graph = original.clone();
    fold::fold(&mut graph)?;
    let lowered = lower::lower(&graph)?;
    Ok(Prepared { original, graph, lowered })
}

/// What is written.
pub struct Package {
    /// The file that the engine reads.
    pub file: Vec<u8>,
    /// How it is cut.
    pub plan: Plan,
    /// What it says of itself.
    pub metadata: Metadata,
}

/// Imports a network: `source` is its file's name, `sha256` its hash, `labels` one a line, or empty.
///
/// # Errors
/// As [`prepare`]; labels of another number than the last output has values.
pub fn import(file: &[u8], source: &str, sha256: &str, labels: &str) -> Result<Package> {
    let Prepared { original, graph, lowered } = prepare(file)?;
    let labels = labels.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let classes = graph.outputs.last().map_or(0, |&id| graph.value(id).map()[2]);
    ensure!(
        labels.is_empty() || labels.len() == classes,
        "{} labels for {classes} outputs; write one label a line",
        labels.len()
    );
    let plan = plan::plan(&graph, &lowered)?;
    let ports = |ids: &[crate::ir::Id]| ids.iter().map(|&id| Port::of(original.value(id))).collect();
    let metadata = Metadata {
        source: source.to_owned(),
        source_sha256: sha256.to_owned(),
        arithmetic: graph.arithmetic.to_string(),
        inputs: ports(&original.inputs),
        outputs: ports(&original.outputs),
        operators: lowered
            .operators
            .iter()
            .map(|o| &graph.nodes[o.node])
            .map(|node| Named { name: short(&node.name), kind: node.kind.clone() })
            .collect(),
    };
    let file = plan::encode(&graph, &lowered, &plan, &labels.join("\n"), &serde_json::to_string(&metadata)?)?;
    Ok(Package { file, plan, metadata })
}

/// The type that a port's name stands for.
///
/// # Errors
/// No such type.
pub fn element(name: &str) -> Result<Element> {
    [Element::I8, Element::U8, Element::F32]
        .into_iter()
        .find(|element| element.to_string() == name)
        .with_context(|| format!("{name} is no type; import the network again"))
}
