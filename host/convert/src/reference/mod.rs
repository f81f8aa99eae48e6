//! The plain interpreter: whole maps, one loop after another, both arithmetics. It defines what a graph computes; the
//! engine must give the same bytes, and TFLite Micro and onnxruntime are its referees.

mod elementwise;
pub mod fixed;
pub mod numbers;
mod pairs;
mod shape;
pub mod softmax;
mod tensor;
mod window;

pub use tensor::{Data, Tensor};

use crate::ir::{Element, Graph, Id, Node, Op};
use anyhow::{Result, bail, ensure};

/// Runs a checked graph; the tensors of all values, by their index.
///
/// # Errors
/// Inputs of another number, length or type; an operator that has no arithmetic for the types that it is given.
pub fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    ensure!(inputs.len() == graph.inputs.len(), "the network has {} inputs, {} were given", graph.inputs.len(), inputs.len());
    let mut tensors: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    for (&id, tensor) in graph.inputs.iter().zip(inputs) {
        let value = graph.value(id);
        let fits = tensor.data.element() == value.element && tensor.data.len() == value.len();
        ensure!(fits, "the input {} is {} of {:?}", value.name, value.element, value.shape);
        tensors[id.0] = Some(Tensor { shape: value.shape.clone(), data: tensor.data.clone() });
    }
    for node in &graph.nodes {
        let read: Vec<&Tensor> = node.inputs.iter().filter_map(|id| tensors[id.0].as_ref()).collect();
        ensure!(read.len() == node.inputs.len(), "node {} reads what is not made", node.name);
        let data = compute(graph, node, &read)?;
        let value = graph.value(node.output);
        ensure!(data.len() == value.len() && data.element() == value.element, "node {} makes {} elements", node.name, data.len());
        tensors[node.output.0] = Some(Tensor { shape: value.shape.clone(), data });
    }
    Ok(tensors)
}

/// The outputs of a run, in order.
///
/// # Errors
/// As [`run`].
pub fn outputs(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let tensors = run(graph, inputs)?;
    let taken: Option<Vec<Tensor>> = graph.outputs.iter().map(|id| tensors[id.0].clone()).collect();
    taken.ok_or_else(|| anyhow::anyhow!("an output is not made"))
}

fn compute(graph: &Graph, node: &Node, inputs: &[&Tensor]) -> Result<Data> {
    let map = |id: Id| graph.value(id).map();
    let bytes = graph.value(node.output).element == Element::I8;
    Ok(match (&node.op, &inputs[0].data) {
        (Op::Conv2d { .. } | Op::Dense { .. }, Data::I8(x)) if bytes => Data::I8(window::sums_i8(graph, node, x)?),
        (Op::Conv2d { .. } | Op::Dense { .. }, Data::F32(x)) => Data::F32(window::sums_f32(graph, node, x)),
        (Op::AveragePool { window, .. }, Data::I8(x)) => Data::I8(window::average_i8(graph, node, window, x)?),
        (Op::AveragePool { window, activation }, Data::F32(x)) => {
            Data::F32(window::average_f32(window, *activation, x, map(node.inputs[0]), map(node.output)))
        }
        (Op::MaxPool { window, .. }, Data::I8(x)) => {
            let [low, high] = numbers::clamp(graph, node)?;
            let greatest = window::greatest(window, x, map(node.inputs[0]), map(node.output), i8::MIN);
            Data::I8(greatest.into_iter().map(|q| q.clamp(low, high)).collect())
        }
        (Op::MaxPool { window, activation }, Data::F32(x)) => {
            let greatest = window::greatest(window, x, map(node.inputs[0]), map(node.output), f32::NEG_INFINITY);
            Data::F32(greatest.into_iter().map(|x| elementwise::clip(x, *activation)).collect())
        }
        (Op::Add { .. } | Op::Mul { .. }, Data::I8(a)) => match &inputs[1].data {
            Data::I8(b) => Data::I8(pairs::pair_i8(graph, node, a, b)?),
            _ => bail!("node {} ({}) reads two types", node.name, node.kind),
        },
        (Op::Add { .. } | Op::Mul { .. }, Data::F32(a)) => match &inputs[1].data {
            Data::F32(b) => Data::F32(pairs::pair_f32(&node.op, a, b)),
            _ => bail!("node {} ({}) reads two types", node.name, node.kind),
        },
        (Op::Mean { axes }, Data::I8(x)) => Data::I8(shape::mean_i8(graph, node, axes, x)?),
        (Op::Mean { axes }, Data::F32(x)) => Data::F32(shape::mean_f32(&inputs[0].shape, axes, x)),
        (Op::Max { axes }, Data::I8(x)) => Data::I8(shape::max(&inputs[0].shape, axes, x, i8::MIN)),
        (Op::Max { axes }, Data::F32(x)) => Data::F32(shape::max(&inputs[0].shape, axes, x, f32::NEG_INFINITY)),
        (Op::Concat { axis }, _) => shape::concat(inputs, *axis)?,
        (Op::Pad { pads }, data) => {
            let zero = graph.value(node.output).quantization.map_or(0, |q| q.zero_point);
            shape::pad(&inputs[0].shape, pads, data, zero)
        }
        (Op::ResizeNearest { factors }, data) => shape::resize_nearest(map(node.inputs[0]), *factors, data),
        (Op::Reshape, data) => data.clone(),
        (Op::Transpose { permutation }, data) => shape::transpose(&inputs[0].shape, permutation, data),
        (Op::Softmax { beta }, Data::I8(x)) => Data::I8(softmax::softmax_i8(graph, node, *beta, x)?),
        (Op::Softmax { beta }, Data::F32(x)) => Data::F32(softmax::softmax_f32(*beta, x, *inputs[0].shape.last().unwrap_or(&1))),
        (Op::Quantize, Data::F32(x)) => numbers::quantize(graph, node.output, x),
        (Op::Quantize, Data::I8(x)) if graph.value(node.output).element == Element::U8 => {
            Data::U8(x.iter().map(|&q| q.cast_unsigned() ^ 0x80).collect())
        }
        (Op::Dequantize, data) => Data::F32(numbers::dequantize(graph, node.inputs[0], data)),
        (Op::Quantize, Data::U8(x)) => {
            let table = numbers::table(graph, node)?;
            Data::I8(x.iter().map(|&q| table[usize::from(q)]).collect())
        }
        (op, Data::I8(x)) if op.is_table() => {
            let table = numbers::table(graph, node)?;
            Data::I8(x.iter().map(|&q| table[usize::from(q.cast_unsigned() ^ 0x80)]).collect())
        }
        (op, Data::F32(x)) if op.is_table() => Data::F32(x.iter().map(|&x| elementwise::real(op, x)).collect()),
        (_, data) => bail!(node.refuse("types", format!("there is no arithmetic for {}", data.element()), "quantise to int8")),
    })
}
