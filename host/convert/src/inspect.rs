//! What an imported network takes and how it runs.

use crate::execute::Network;
use crate::metadata::Port;
use rownet::model::desc::{Shape, Storage};
use serde::Serialize;
use std::collections::HashSet;

/// A layer: an operator and the value that it makes.
#[derive(Debug, Serialize)]
pub struct Layer {
    /// Number of the operator; it makes value `index + 1`.
    pub index: usize,
    /// Its name in the network that was imported.
    pub name: String,
    /// Its operator there.
    pub kind: String,
    /// The engine's operator.
    pub operator: String,
    /// Values that it reads; 0 is the input.
    pub reads: Vec<u16>,
    /// Height, width, channels.
    pub shape: [u16; 3],
    /// Multiply-accumulates, repeated ones included.
    pub macs: u64,
    /// True if no row of its value is kept: its reader has them made anew.
    pub recomputed: bool,
    /// Bytes of weights, biases and scales.
    pub weights_bytes: u64,
    /// Segment in which it runs.
    pub segment: usize,
    /// Rows of its value that are kept; all of them where the value is stored.
    pub rows_kept: u16,
}

/// A segment of the plan.
#[derive(Debug, Serialize)]
pub struct Segment {
    /// First operator.
    pub first: u16,
    /// Last operator.
    pub last: u16,
    /// Values that are stored whole when it ends.
    pub stored: Vec<u16>,
}

/// The whole.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// Bytes of arena, exactly.
    pub arena_bytes: usize,
    /// Bytes of weights, biases, scales and tables.
    pub weights_bytes: u64,
    /// Multiply-accumulates of an inference, repeated ones included.
    pub macs: u64,
    /// How many times the caller gives the input's rows.
    pub input_passes: usize,
    /// tflite or onnx.
    pub arithmetic: String,
    /// Network that was imported.
    pub source: String,
    /// Its SHA-256.
    pub source_sha256: String,
    /// Inputs.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
    /// Labels of the last output.
    pub labels: Vec<String>,
    /// Operators in order.
    pub layers: Vec<Layer>,
    /// Segments in order.
    pub plan: Vec<Segment>,
}

/// Looks into a parsed file.
pub fn inspect(network: &Network<'_>) -> Inspection {
    let (model, metadata) = (&network.model, &network.metadata);
    let segments: Vec<(u16, u16)> = (0..model.segment_count()).map(|i| model.segment(i)).collect();
    let rows = |id: u16| match model.storage(id) {
        Storage::Waiting { rows, .. } | Storage::Ring { rows, .. } => rows,
        Storage::Columns { .. } => model.shape(id).height,
        Storage::Recomputed { .. } => 0,
    };
    let layer = |i: u16| {
        let operator = model.operator(i)?;
        let Shape { height, width, channels } = model.shape(i + 1);
        let named = metadata.operators.get(usize::from(i));
        let operator_name = format!("{:?}", operator.op);
        Some(Layer {
            index: i.into(),
            name: named.map_or_else(String::new, |n| n.name.clone()),
            kind: named.map_or_else(String::new, |n| n.kind.clone()),
            operator: operator_name.split([' ', '{', '(']).next().unwrap_or_default().to_owned(),
            reads: std::iter::once(operator.a).chain(operator.b).collect(),
            shape: [height, width, channels],
            macs: model.operator_macs(i),
            recomputed: matches!(model.storage(i + 1), Storage::Recomputed { .. }),
            weights_bytes: operator.constant_bytes(),
            segment: segments.iter().position(|&(_, end)| i < end).unwrap_or(0),
            rows_kept: rows(i + 1),
        })
    };
    let count = model.operator_count() as u16;
    let reads_later = |id: u16, end: u16| (end..count).any(|i| model.operator(i).is_some_and(|o| o.a == id || o.b == Some(id)));
    Inspection {
        arena_bytes: model.arena_bytes(),
        weights_bytes: weights_bytes(network),
        macs: metadata_macs(network),
        input_passes: model.input_passes(),
        arithmetic: metadata.arithmetic.clone(),
        source: metadata.source.clone(),
        source_sha256: metadata.source_sha256.clone(),
        inputs: metadata.inputs.clone(),
        outputs: metadata.outputs.clone(),
        labels: model.labels().lines().map(str::to_owned).collect(),
        layers: (0..count).filter_map(layer).collect(),
        plan: segments
            .iter()
            .map(|&(first, end)| Segment { first, last: end - 1, stored: (1..=end).filter(|&id| reads_later(id, end)).collect() })
            .collect(),
    }
}

/// Constants, those that parts of a map share once.
fn weights_bytes(network: &Network<'_>) -> u64 {
    let mut seen = HashSet::new();
    let operators = (0..network.model.operator_count() as u16).filter_map(|i| network.model.operator(i));
    operators
        .filter(|o| o.constant_bytes() > 0 && seen.insert((o.weights.as_ptr(), o.bias.as_ptr())))
        .map(|o| o.constant_bytes())
        .sum()
}

/// Convolutions and dense layers alone: pools and additions multiply nothing.
fn metadata_macs(network: &Network<'_>) -> u64 {
    use rownet::model::desc::Op;
    let model = &network.model;
    let macs = (0..model.operator_count() as u16).filter_map(|i| model.operator(i).map(|o| (i, o)));
    macs.filter(|(_, o)| matches!(o.op, Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::Dense { .. }))
        .map(|(i, _)| model.operator_macs(i))
        .sum()
}
