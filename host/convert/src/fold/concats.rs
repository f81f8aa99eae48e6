//! Concatenations of many values become chains of two; of one, nothing.

use crate::ir::{Graph, Node, Op, Value};

pub fn fold(graph: &mut Graph) -> bool {
    let Some(index) =
        (0..graph.nodes.len()).find(|&i| matches!(graph.nodes[i].op, Op::Concat { .. }) && graph.nodes[i].inputs.len() != 2)
    else {
        return false;
    };
    if graph.nodes[index].inputs.len() == 1 {
        super::detach::bypass(graph, index);
        return true;
    }
    let node = graph.nodes[index].clone();
    let Op::Concat { axis } = node.op else { return false };
    let (first, second) = (node.inputs[0], node.inputs[1]);
    let mut shape = graph.value(first).shape.clone();
    shape[axis] += graph.value(second).shape[axis];
    let name = format!("{} (first two)", graph.value(node.output).name);
    let joined = graph.add(Value { name, shape, ..graph.value(node.output).clone() });
    graph.nodes[index].inputs.splice(0..2, [joined]);
    graph.nodes.insert(index, Node { inputs: vec![first, second], output: joined, ..node });
    true
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Id, Op};

    #[test]
    fn many_become_pairs() {
        let mut graph = start(&[1, 3, 4, 2]);
        let x = then(&mut graph, Op::Tanh, &[Id(0)], &[1, 3, 4, 2]);
        graph.values[x.0].quantization = Some(crate::ir::Quantization { scale: 1.0 / 128.0, zero_point: 0 });
        let y = then(&mut graph, Op::Quantize, &[x], &[1, 3, 4, 2]);
        then(&mut graph, Op::Concat { axis: 3 }, &[y, Id(0), y, Id(0)], &[1, 3, 4, 8]);
        assert_eq!(folded(&graph), ["tanh", "quantize", "concat", "concat", "concat"]);
    }
}
