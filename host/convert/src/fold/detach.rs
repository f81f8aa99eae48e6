//! Nodes taken out of a graph.

use crate::ir::Graph;

/// Takes out a node that hands on what it reads: its readers read its input instead.
pub(super) fn bypass(graph: &mut Graph, index: usize) {
    let node = graph.nodes.remove(index);
    graph.replace(node.output, node.inputs[0]);
}
