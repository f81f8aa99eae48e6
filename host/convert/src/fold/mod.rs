//! Folds: small passes that bring a graph into the form that the engine runs, byte for byte the same network.
//!
//! Afterwards every value is 1 x height x width x channels, and of transpositions, paddings, clamps and concatenations of
//! many values only those are left that no operator could take up.

mod affine;
mod clips;
mod concats;
mod dead;
mod dense;
mod detach;
mod maps;
mod order;
mod pads;
mod reshapes;
mod transposes;

use crate::ir::{Graph, Refusal};

/// A pass: whether it changed something.
type Pass = fn(&mut Graph) -> bool;

/// Name and pass, in the order in which they run until none changes anything.
pub const PASSES: &[(&str, Pass)] = &[
    ("transposes", transposes::fold),
    ("reshapes", reshapes::fold),
    ("dense", dense::fold),
    ("pads", pads::fold),
    ("clips", clips::fold),
    ("affine", affine::fold),
    ("concats", concats::fold),
    ("dead", dead::fold),
];

/// Applies all folds.
///
/// # Errors
/// A batch of more than one.
pub fn fold(graph: &mut Graph) -> Result<(), Refusal> {
    maps::fold(graph)?;
    // Each pass removes a node or moves one down; the limit is never reached.
    for _ in 0..8 * crate::ir::check::MOST_NODES {
        let changed = PASSES.iter().fold(false, |changed, (_, pass)| pass(graph) || changed);
        if !changed {
            break;
        }
    }
    order::sort(graph);
    dead::compact(graph);
    graph.check()
}

#[cfg(test)]
pub mod testing {
    use crate::ir::*;
    use crate::reference;
    use crate::samples;

    /// A graph of one int8 input.
    pub fn start(shape: &[usize]) -> Graph {
        let quantization = Some(Quantization { scale: 0.05, zero_point: -3 });
        let input = Value { name: "x".to_owned(), shape: shape.to_vec(), element: Element::I8, quantization };
        Graph {
            arithmetic: Arithmetic::Tflite,
            values: vec![input],
            nodes: Vec::new(),
            inputs: vec![Id(0)],
            outputs: vec![Id(0)],
            notes: Vec::new(),
        }
    }

    /// Adds a node that makes the output.
    pub fn then(graph: &mut Graph, op: Op, inputs: &[Id], shape: &[usize]) -> Id {
        let name = format!("{} {}", graph.nodes.len(), op.name());
        let output = graph.add(Value {
            name: name.clone(),
            shape: shape.to_vec(),
            element: Element::I8,
            quantization: graph.values[0].quantization,
        });
        graph.nodes.push(Node { name, kind: op.name().to_owned(), op, inputs: inputs.to_vec(), output });
        graph.outputs = vec![output];
        output
    }

    /// A convolution of that window with weights made from `seed`.
    pub fn conv(window: Window, channels: usize, outputs: usize, seed: usize) -> Op {
        let shape = vec![outputs, window.kernel[0], window.kernel[1], channels];
        let data =
            (0..shape.iter().product()).map(|i: usize| (i.wrapping_mul(2_654_435_761) ^ (seed * 97)) as u8 as i8 / 2).collect();
        let weights = Weights::Int8 { shape, data, scales: vec![0.01] };
        let bias = Bias::Int32((0..outputs).map(|i| i as i32 * 50 - 100).collect());
        Op::Conv2d { window, groups: 1, weights, bias, activation: Activation::None }
    }

    /// Folds the graph; it must compute the same afterwards. Names of the operators that are left.
    pub fn folded(graph: &Graph) -> Vec<&'static str> {
        graph.check().unwrap();
        let mut after = graph.clone();
        super::fold(&mut after).unwrap();
        let inputs = samples::generated(&graph.values[0], 6, 11);
        for i in 0..inputs.shape[0] {
            let x = [samples::sample(&inputs, i)];
            let (before, after) = (reference::outputs(graph, &x).unwrap(), reference::outputs(&after, &x).unwrap());
            assert!(before.iter().zip(&after).all(|(b, a)| b.data == a.data) && before.len() == after.len());
        }
        after.nodes.iter().map(|node| node.op.name()).collect()
    }
}
