//! All values become 1 x height x width x channels: ones are put before the extents of smaller ranks.

use crate::ir::{Graph, Node, Op, Refusal};

pub fn fold(graph: &mut Graph) -> Result<(), Refusal> {
    let ranks: Vec<usize> = graph.values.iter().map(|value| value.shape.len()).collect();
    for value in &mut graph.values {
        let [h, w, c] = value.map();
        if h * w * c != value.len() {
            return Err(Refusal {
                node: value.name.clone(),
                operator: "tensor".to_owned(),
                attribute: "shape".to_owned(),
                why: format!("{:?} is a batch", value.shape),
                remedy: "export the network for a batch of one".to_owned(),
            });
        }
        value.shape = vec![1, h, w, c];
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for mut node in nodes {
        let before = 4 - ranks[node.inputs[0].0];
        match &mut node.op {
            Op::Mean { axes } | Op::Max { axes } => {
                axes.iter_mut().for_each(|axis| *axis += before);
                // The file may drop the axes; the same bytes lie in other extents then.
                let kept: Vec<usize> = graph
                    .value(node.inputs[0])
                    .shape
                    .iter()
                    .enumerate()
                    .map(|(i, &n)| if axes.contains(&i) { 1 } else { n })
                    .collect();
                if kept != graph.value(node.output).shape {
                    let mut value = graph.value(node.output).clone();
                    value.shape = kept;
                    let output = std::mem::replace(&mut node.output, graph.add(value));
                    let reshape = Node { op: Op::Reshape, inputs: vec![node.output], output, ..node.clone() };
                    graph.nodes.extend([node, reshape]);
                    continue;
                }
            }
            Op::Concat { axis } => *axis += before,
            Op::Pad { pads } => drop(pads.splice(0..0, std::iter::repeat_n([0, 0], before))),
            Op::Transpose { permutation } => {
                permutation.iter_mut().for_each(|axis| *axis += before);
                drop(permutation.splice(0..0, 0..before));
            }
            _ => {}
        }
        graph.nodes.push(node);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::Op;

    #[test]
    fn dropped_axes_and_small_ranks_become_maps() {
        let mut graph = start(&[1, 4, 6]);
        let x = then(&mut graph, Op::Transpose { permutation: vec![0, 2, 1] }, &[crate::ir::Id(0)], &[1, 6, 4]);
        let x = then(&mut graph, Op::Pad { pads: vec![[0, 0], [1, 0], [0, 0]] }, &[x], &[1, 7, 4]);
        then(&mut graph, Op::Mean { axes: vec![1] }, &[x], &[1, 4]);
        assert_eq!(folded(&graph), ["transpose", "pad", "mean"]);
    }

    #[test]
    fn batches_are_refused() {
        let mut graph = start(&[2, 4, 4, 1]);
        then(&mut graph, Op::Tanh, &[crate::ir::Id(0)], &[2, 4, 4, 1]);
        assert!(crate::fold::fold(&mut graph).unwrap_err().to_string().contains("batch of one"));
    }
}
