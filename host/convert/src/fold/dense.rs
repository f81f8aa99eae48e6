//! Transpositions go into the dense layers that read them: their weights are put in the order in which the values lie.

use crate::ir::{Graph, Op, Weights};

pub fn fold(graph: &mut Graph) -> bool {
    for index in 0..graph.nodes.len() {
        let Op::Dense { .. } = graph.nodes[index].op else { continue };
        let Some(before) = graph.producer(graph.nodes[index].inputs[0]) else { continue };
        let Op::Transpose { permutation } = &graph.nodes[before].op else { continue };
        let source = graph.nodes[before].inputs[0];
        let shape = graph.value(source).shape.clone();
        let order = order(&shape, permutation);
        let Op::Dense { weights, .. } = &mut graph.nodes[index].op else { continue };
        match weights {
            Weights::Int8 { data, .. } => *data = turned(data, &order),
            Weights::Float { data, .. } => *data = turned(data, &order),
        }
        graph.nodes[index].inputs = vec![source];
        return true;
    }
    false
}

/// For each element before a transposition, where it lies after.
fn order(shape: &[usize], permutation: &[usize]) -> Vec<usize> {
    let turned: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
    let mut strides = vec![0; shape.len()];
    for (i, &axis) in permutation.iter().enumerate() {
        strides[axis] = turned[i + 1..].iter().product::<usize>();
    }
    let mut order = vec![0usize];
    for (&extent, &stride) in shape.iter().zip(&strides) {
        order = order.iter().flat_map(|&at| (0..extent).map(move |i| at + i * stride)).collect();
    }
    order
}

/// Rows of weights with their columns in another order.
fn turned<T: Copy>(data: &[T], order: &[usize]) -> Vec<T> {
    data.chunks_exact(order.len().max(1)).flat_map(|row| order.iter().map(|&i| row[i])).collect()
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Bias, Id, Op, Weights};

    #[test]
    fn flatten_of_channels_first_goes_into_the_weights() {
        let mut graph = start(&[1, 3, 2, 5]);
        let x = then(&mut graph, Op::Transpose { permutation: vec![0, 3, 1, 2] }, &[Id(0)], &[1, 5, 3, 2]);
        let x = then(&mut graph, Op::Reshape, &[x], &[1, 30]);
        let data = (0..60).map(|w: i32| (w * 37 % 255 - 127) as i8).collect();
        let weights = Weights::Int8 { shape: vec![2, 30], data, scales: vec![0.02] };
        then(&mut graph, Op::Dense { weights, bias: Bias::Int32(vec![5, -5]), activation: Activation::None }, &[x], &[1, 2]);
        assert_eq!(folded(&graph), ["dense"]);
    }
}
