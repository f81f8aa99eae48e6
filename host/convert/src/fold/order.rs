//! Operators in the order that keeps fewest rows: of branches that meet, the shorter first, so that the longer, which makes
//! its rows later, goes on with them before the shorter makes more.

use crate::ir::{Graph, Id};

/// Sorts the nodes; afterwards the graph is in topological order, whatever it was before.
pub fn sort(graph: &mut Graph) {
    let mut depths = vec![0usize; graph.values.len()];
    for node in &graph.nodes {
        depths[node.output.0] = node.inputs.iter().map(|id| depths[id.0] + 1).max().unwrap_or(0);
    }
    let mut makers = vec![None; graph.values.len()];
    graph.nodes.iter().enumerate().for_each(|(i, node)| makers[node.output.0] = Some(i));
    let mut order = Vec::with_capacity(graph.nodes.len());
    let mut seen = vec![false; graph.nodes.len()];
    // Depth first from the outputs, in the order in which the file makes them, without recursion.
    let mut outputs = graph.outputs.clone();
    outputs.sort_by_key(|id| makers[id.0]);
    for output in outputs {
        let mut stack: Vec<(Id, bool)> = vec![(output, false)];
        while let Some((id, done)) = stack.pop() {
            let Some(maker) = makers[id.0] else { continue };
            if done {
                order.push(maker);
            } else if !std::mem::replace(&mut seen[maker], true) {
                stack.push((id, true));
                let mut inputs = graph.nodes[maker].inputs.clone();
                inputs.sort_by_key(|id| std::cmp::Reverse(depths[id.0]));
                stack.extend(inputs.into_iter().map(|id| (id, false)));
            }
        }
    }
    let mut nodes: Vec<Option<_>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
    graph.nodes = order.into_iter().filter_map(|i| nodes[i].take()).collect();
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Id, Op, Padding, Window};

    #[test]
    fn the_shorter_branch_comes_first() {
        let window = |k: usize| Window {
            kernel: [k, k],
            stride: [2, 2],
            dilation: [1, 1],
            padding: Padding { top: k / 2, left: k / 2, bottom: k / 2, right: k / 2 },
        };
        let one = Window { stride: [1, 1], ..window(3) };
        let mut graph = start(&[1, 8, 8, 2]);
        let x = then(&mut graph, conv(window(3), 2, 4, 1), &[Id(0)], &[1, 4, 4, 4]);
        let x = then(&mut graph, conv(one, 4, 4, 2), &[x], &[1, 4, 4, 4]);
        let skip = then(&mut graph, conv(window(1), 2, 4, 3), &[Id(0)], &[1, 4, 4, 4]);
        then(&mut graph, Op::Add { activation: Activation::None }, &[x, skip], &[1, 4, 4, 4]);
        super::sort(&mut graph);
        assert_eq!(graph.nodes.iter().map(|n| n.output.0).collect::<Vec<_>>(), [3, 1, 2, 4]);
        graph.check().unwrap();
        assert_eq!(folded(&graph).len(), 4);
    }
}
