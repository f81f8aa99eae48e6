//! Nodes and values that nothing reads go.

use crate::ir::{Graph, Id};

pub fn fold(graph: &mut Graph) -> bool {
    let before = graph.nodes.len();
    let mut read: Vec<bool> = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|id| read[id.0] = true);
    let mut kept = Vec::with_capacity(before);
    while let Some(node) = graph.nodes.pop() {
        if read[node.output.0] {
            node.inputs.iter().for_each(|id| read[id.0] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    graph.nodes.len() != before
}

/// Numbers the values anew: inputs, then what the nodes make, in order.
pub fn compact(graph: &mut Graph) {
    let old: Vec<Id> = graph.inputs.iter().copied().chain(graph.nodes.iter().map(|node| node.output)).collect();
    let new = |id: Id| old.iter().position(|&o| o == id).map_or(id, Id);
    let ids: std::collections::HashMap<Id, Id> = old.iter().map(|&id| (id, new(id))).collect();
    graph.values = old.iter().map(|id| graph.values[id.0].clone()).collect();
    let mapped = |id: &mut Id| *id = ids.get(id).copied().unwrap_or(*id);
    graph.inputs.iter_mut().for_each(mapped);
    graph.outputs.iter_mut().for_each(mapped);
    graph.nodes.iter_mut().for_each(|node| {
        node.inputs.iter_mut().for_each(mapped);
        mapped(&mut node.output);
    });
}
