//! A graph of bytes in ONNX's arithmetic as a .onnx file, for other runtimes and for the referee: QLinear operators where sums
//! are formed, DequantizeLinear, the operator, QuantizeLinear elsewhere.
//!
//! The input and the outputs have their axes as they lie here, channels last; inside, the file has channels first.

mod nodes;
mod writer;

use crate::ir::{Arithmetic, Element, Graph, Refusal};
use anyhow::{Result, bail, ensure};
use prost::Message;
use writer::Writer;

/// Writes a folded graph whose input and outputs are floats; `input` and `outputs` are the shapes under which the user knows them.
///
/// # Errors
/// Another arithmetic; an operator that .onnx has no form for.
pub fn onnx(graph: &Graph, input: &[usize], outputs: &[Vec<usize>]) -> Result<Vec<u8>> {
    ensure!(graph.arithmetic == Arithmetic::Onnx, "the network computes in TFLite's arithmetic, which .onnx has not");
    let floats = graph.inputs.iter().chain(&graph.outputs).all(|&id| graph.value(id).element == Element::F32);
    let (&[id], true, true) = (graph.inputs.as_slice(), floats, outputs.len() == graph.outputs.len()) else {
        bail!("only networks of one input and of floats outside are written as .onnx");
    };
    let mut writer = Writer::default();
    let [h, w, c] = graph.value(id).map();
    let name = graph.value(id).name.clone();
    writer.input(&name, input);
    let map = writer.reshape(&name, &[1, h, w, c]);
    let map = writer.transpose(&map, &[0, 3, 1, 2]);
    writer.names.insert(id, map);
    for node in &graph.nodes {
        nodes::write(&mut writer, graph, node)?;
    }
    for (&id, shape) in graph.outputs.iter().zip(outputs) {
        let Some(map) = writer.names.get(&id).cloned() else {
            let why = Refusal {
                node: graph.value(id).name.clone(),
                operator: "output".to_owned(),
                attribute: "value".to_owned(),
                why: "no operator makes it".to_owned(),
                remedy: "give the network an operator".to_owned(),
            };
            return Err(why.into());
        };
        let turned = writer.transpose(&map, &[0, 2, 3, 1]);
        let shaped = writer.reshape(&turned, shape);
        writer.output(&shaped, &graph.value(id).name, shape);
    }
    Ok(writer.model().encode_to_vec())
}
