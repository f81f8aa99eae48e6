//! A small writer for ONNX graphs over tract's protobuf types.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;

/// Operator set of every file written here: the first with per-axis integer operators settled, read by every runtime.
const OPSET: i64 = 13;
/// File format version that goes with it.
const IR_VERSION: i64 = 8;

/// A graph under construction. Every node has one output, named as the node.
#[derive(Default)]
pub(super) struct Graph {
    proto: pb::GraphProto,
}

impl Graph {
    /// An empty graph.
    pub(super) fn new(name: &str) -> Self {
        Self { proto: pb::GraphProto { name: name.to_owned(), ..Default::default() } }
    }

    /// Declares a graph input.
    pub(super) fn input(&mut self, name: &str, kind: DataType, dims: &[usize]) {
        self.proto.input.push(value_info(name, kind, dims));
    }

    /// Declares a graph output.
    pub(super) fn output(&mut self, name: &str, kind: DataType, dims: &[usize]) {
        self.proto.output.push(value_info(name, kind, dims));
    }

    /// Declares the type of an intermediate value, so that tools can show and fetch it.
    pub(super) fn value(&mut self, name: &str, kind: DataType, dims: &[usize]) {
        self.proto.value_info.push(value_info(name, kind, dims));
    }

    /// A constant of f32.
    pub(super) fn f32s(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.constant(name, DataType::Float, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    /// A constant of i32.
    pub(super) fn i32s(&mut self, name: &str, dims: &[usize], values: &[i32]) {
        self.constant(name, DataType::Int32, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    /// A constant of i64.
    pub(super) fn i64s(&mut self, name: &str, dims: &[usize], values: &[i64]) {
        self.constant(name, DataType::Int64, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    /// A constant of i8.
    pub(super) fn i8s(&mut self, name: &str, dims: &[usize], values: impl IntoIterator<Item = i8>) {
        self.constant(name, DataType::Int8, dims, values.into_iter().map(|v| v as u8).collect());
    }

    fn constant(&mut self, name: &str, kind: DataType, dims: &[usize], raw_data: Vec<u8>) {
        self.proto.initializer.push(pb::TensorProto {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: kind as i32,
            name: name.to_owned(),
            raw_data,
            ..Default::default()
        });
    }

    /// Adds a node whose output has the node's name.
    pub(super) fn node(&mut self, op: &str, name: &str, inputs: &[&str], attribute: Vec<pb::AttributeProto>) {
        self.proto.node.push(pb::NodeProto {
            input: inputs.iter().map(|&s| s.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op.to_owned(),
            attribute,
            ..Default::default()
        });
    }

    /// The file's bytes.
    pub(super) fn finish(self, doc: &str, properties: &[(&str, String)]) -> Vec<u8> {
        pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "cxr-host".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: doc.to_owned(),
            graph: Some(self.proto),
            metadata_props: properties
                .iter()
                .map(|(key, value)| pb::StringStringEntryProto { key: (*key).to_owned(), value: value.clone() })
                .collect(),
            ..Default::default()
        }
        .encode_to_vec()
    }
}

/// An integer-list attribute.
pub(super) fn ints(name: &str, values: &[usize]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|&v| v as i64).collect(),
        r#type: AttributeType::Ints as i32,
        ..Default::default()
    }
}

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), i: value, r#type: AttributeType::Int as i32, ..Default::default() }
}

fn value_info(name: &str, kind: DataType, dims: &[usize]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    let dim =
        dims.iter().map(|&d| Dimension { value: Some(dimension::Value::DimValue(d as i64)), ..Default::default() }).collect();
    let tensor = pb::type_proto::Tensor { elem_type: kind as i32, shape: Some(pb::TensorShapeProto { dim }) };
    pb::ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
