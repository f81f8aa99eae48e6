//! A network's file: everything from a file that was read to the file that the engine reads.

use crate::import;
use crate::ir::{Graph, Value};
use crate::lower::{self, Lowered};
use crate::metadata::{Metadata, Named, Port};
use crate::plan::{self, Plan};
use crate::{calibrate, fold};
use anyhow::{Result, ensure};

/// Most characters of a name in the file: it lies in flash.
const LONGEST_NAME: usize = 40;

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

impl Metadata {
    /// Of a network that was read as `original`, from a file `source` whose hash is `sha256`.
    #[must_use]
    pub fn of(original: &Graph, graph: &Graph, lowered: &Lowered, source: &str, sha256: &str) -> Self {
        let ports = |ids: &[crate::ir::Id]| ids.iter().map(|&id| Port::of(original.value(id))).collect();
        let nodes = lowered.operators.iter().map(|o| &graph.nodes[o.node]);
        Self {
            source: source.to_owned(),
            source_sha256: sha256.to_owned(),
            arithmetic: graph.arithmetic.to_string(),
            inputs: ports(&original.inputs),
            outputs: ports(&original.outputs),
            operators: nodes.map(|node| Named { name: short(&node.name), kind: node.kind.clone() }).collect(),
            parts: None,
        }
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

/// Imports a network: `source` is its file's name, `sha256` its hash, `labels` one a line, or empty;
/// `ram` the bytes that its arena may take.
///
/// # Errors
/// As [`prepare`]; labels of another number than the last output has values; no plan of so few bytes.
pub fn import(file: &[u8], source: &str, sha256: &str, labels: &str, ram: Option<usize>) -> Result<Package> {
    let Prepared { original, graph, lowered } = prepare(file)?;
    let labels = labels.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let classes = graph.outputs.last().map_or(0, |&id| graph.value(id).map()[2]);
    ensure!(
        labels.is_empty() || labels.len() == classes,
        "{} labels for {classes} outputs; write one label a line",
        labels.len()
    );
    let plan = plan::within(&graph, &lowered, ram)?;
    let split = plan::applied(&lowered, plan.parts.as_ref())?;
    let metadata = Metadata { parts: plan.parts.clone(), ..Metadata::of(&original, &graph, &split.lowered, source, sha256) };
    let file = plan::encode(&graph, &lowered, &plan, &labels.join("\n"), &serde_json::to_string(&metadata)?)?;
    Ok(Package { file, plan, metadata })
}
