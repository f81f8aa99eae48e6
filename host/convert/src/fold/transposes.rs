//! Transpositions: two become one, those that move no pixel become reshapes, others sink below operators that do not mind.

use crate::ir::{Graph, Id, Node, Op, Value};

/// Axes whose extent is not 1, in order.
pub fn long_axes(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).filter(|&axis| shape[axis] != 1).collect()
}

pub fn fold(graph: &mut Graph) -> bool {
    for index in 0..graph.nodes.len() {
        if let Op::Transpose { permutation } = &graph.nodes[index].op
            && fold_one(graph, index, &permutation.clone())
        {
            return true;
        }
    }
    false
}

fn fold_one(graph: &mut Graph, index: usize, permutation: &[usize]) -> bool {
    let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
    let shape = &graph.value(input).shape;
    let moved: Vec<usize> = permutation.iter().copied().filter(|&axis| shape[axis] != 1).collect();
    if moved == long_axes(shape) {
        graph.nodes[index].op = Op::Reshape;
        return true;
    }
    if let Some(before) = graph.producer(input)
        && let Op::Transpose { permutation: first } = &graph.nodes[before].op
    {
        let both = permutation.iter().map(|&axis| first[axis]).collect();
        let source = graph.nodes[before].inputs[0];
        graph.nodes[index].op = Op::Transpose { permutation: both };
        graph.nodes[index].inputs = vec![source];
        return true;
    }
    let reader = (0..graph.nodes.len()).find(|&i| graph.nodes[i].inputs == [output]);
    let Some(reader) = reader else { return false };
    let sunk = match &graph.nodes[reader].op {
        Op::Mean { axes } => Op::Mean { axes: through(axes, permutation) },
        Op::Max { axes } => Op::Max { axes: through(axes, permutation) },
        op if op.is_table() || matches!(op, Op::Dequantize) => op.clone(),
        _ => return false,
    };
    sink(graph, reader, input, sunk, Op::Transpose { permutation: permutation.to_vec() });
    true
}

fn through(axes: &[usize], permutation: &[usize]) -> Vec<usize> {
    let mut axes: Vec<usize> = axes.iter().map(|&axis| permutation[axis]).collect();
    axes.sort_unstable();
    axes
}

/// Lets the node at `reader` compute `op` straight from `input`, and moves its bytes by `mover` afterwards.
pub fn sink(graph: &mut Graph, reader: usize, input: Id, op: Op, mover: Op) {
    let node = graph.nodes[reader].clone();
    let shape = match &op {
        Op::Mean { axes } | Op::Max { axes } => {
            graph.value(input).shape.iter().enumerate().map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect()
        }
        _ => graph.value(input).shape.clone(),
    };
    let moved = graph.add(Value { shape, ..graph.value(node.output).clone() });
    graph.nodes[reader] = Node { op, inputs: vec![input], output: moved, ..node.clone() };
    graph.nodes.insert(reader + 1, Node { op: mover, inputs: vec![moved], ..node });
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Bias, Id, Op, Weights};

    #[test]
    fn transposes_around_means_vanish() {
        // As TinyNeuralNetwork writes a global mean: to NCHW, over the columns, over the rows, each rounding.
        let mut graph = start(&[1, 3, 5, 8]);
        let x = then(&mut graph, Op::Transpose { permutation: vec![0, 3, 1, 2] }, &[Id(0)], &[1, 8, 3, 5]);
        let x = then(&mut graph, Op::Mean { axes: vec![3] }, &[x], &[1, 8, 3]);
        let x = then(&mut graph, Op::Mean { axes: vec![2] }, &[x], &[1, 8]);
        let weights = Weights::Int8 { shape: vec![2, 8], data: (-8..8).map(|w| w * 7).collect(), scales: vec![0.02] };
        then(&mut graph, Op::Dense { weights, bias: Bias::Int32(vec![5, -5]), activation: Activation::None }, &[x], &[1, 2]);
        assert_eq!(folded(&graph), ["mean", "mean", "dense"]);
    }

    #[test]
    fn pairs_vanish_and_others_stay() {
        let mut graph = start(&[1, 3, 5, 8]);
        let x = then(&mut graph, Op::Transpose { permutation: vec![0, 3, 1, 2] }, &[Id(0)], &[1, 8, 3, 5]);
        let y = then(&mut graph, Op::Clip { activation: Activation::RELU }, &[x], &[1, 8, 3, 5]);
        then(&mut graph, Op::Transpose { permutation: vec![0, 2, 3, 1] }, &[y], &[1, 3, 5, 8]);
        assert_eq!(folded(&graph), ["clip"]);
        graph.nodes.pop();
        graph.outputs = vec![y];
        assert_eq!(folded(&graph), ["clip", "transpose"]);
    }
}
