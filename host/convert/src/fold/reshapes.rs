//! Reshapes: those that keep the map vanish, two become one, dense layers read any shape, others sink below reductions.

use super::transposes::{long_axes, sink};
use crate::ir::{Graph, Op};

pub fn fold(graph: &mut Graph) -> bool {
    (0..graph.nodes.len()).any(|index| matches!(graph.nodes[index].op, Op::Reshape) && fold_one(graph, index))
}

fn fold_one(graph: &mut Graph, index: usize) -> bool {
    let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
    let (from, to) = (graph.value(input).shape.clone(), graph.value(output).shape.clone());
    if from == to {
        super::detach::bypass(graph, index);
        return true;
    }
    if let Some(before) = graph.producer(input)
        && matches!(graph.nodes[before].op, Op::Reshape)
    {
        graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
        return true;
    }
    let readers: Vec<usize> = (0..graph.nodes.len()).filter(|&i| graph.nodes[i].inputs == [output]).collect();
    if let Some(&dense) = readers.iter().find(|&&i| matches!(graph.nodes[i].op, Op::Dense { .. })) {
        graph.nodes[dense].inputs = vec![input];
        return true;
    }
    // Only ones moved: axes correspond.
    let (long_from, long_to) = (long_axes(&from), long_axes(&to));
    if !long_from.iter().map(|&a| from[a]).eq(long_to.iter().map(|&a| to[a])) {
        return false;
    }
    let back = |axes: &[usize]| -> Vec<usize> {
        axes.iter().filter_map(|axis| long_to.iter().position(|a| a == axis).map(|i| long_from[i])).collect()
    };
    for reader in readers {
        let op = match &graph.nodes[reader].op {
            Op::Mean { axes } => Op::Mean { axes: back(axes) },
            Op::Max { axes } => Op::Max { axes: back(axes) },
            _ => continue,
        };
        if matches!(&op, Op::Mean { axes } | Op::Max { axes } if axes.is_empty()) {
            continue;
        }
        sink(graph, reader, input, op, Op::Reshape);
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Bias, Id, Op, Padding, Weights, Window};

    #[test]
    fn flatten_before_a_dense_layer_vanishes() {
        let mut graph = start(&[1, 2, 2, 3]);
        let x = then(&mut graph, Op::Reshape, &[Id(0)], &[1, 12]);
        let weights = Weights::Int8 { shape: vec![2, 12], data: (-12..12).map(|w| w * 7).collect(), scales: vec![0.02, 0.03] };
        let x =
            then(&mut graph, Op::Dense { weights, bias: Bias::Int32(vec![5, -5]), activation: Activation::None }, &[x], &[1, 2]);
        then(&mut graph, Op::Reshape, &[x], &[1, 1, 1, 2]);
        assert_eq!(folded(&graph), ["dense"]);
    }

    #[test]
    fn a_reshape_of_pixels_stays() {
        let mut graph = start(&[1, 2, 2, 4]);
        let x = then(&mut graph, Op::Reshape, &[Id(0)], &[1, 4, 1, 4]);
        let window = Window { kernel: [3, 1], stride: [1, 1], dilation: [1, 1], padding: Padding::NONE };
        then(&mut graph, conv(window, 4, 3, 1), &[x], &[1, 2, 1, 3]);
        assert_eq!(folded(&graph), ["reshape", "conv_2d"]);
    }
}
