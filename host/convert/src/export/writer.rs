//! A .onnx graph under construction.

use crate::import::onnx::schema::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use crate::ir::{Id, Quantization};
use std::collections::HashMap;

/// The operator set that is written.
const OPSET: i64 = 17;
/// The version of the file format that goes with it.
const IR_VERSION: i64 = 8;
/// Domain of onnxruntime's own operators.
pub const MICROSOFT: &str = "com.microsoft";

/// Nodes and constants so far.
#[derive(Default)]
pub struct Writer {
    graph: Graph,
    /// Names of values, as `[1, channels, height, width]`.
    pub names: HashMap<Id, String>,
    count: usize,
}

impl Writer {
    fn fresh(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}_{}", self.count)
    }

    fn constant(&mut self, kind: i32, dims: &[usize], raw: Vec<u8>) -> String {
        let name = self.fresh("constant");
        let dims = dims.iter().map(|&n| n as i64).collect();
        self.graph.initializer.push(Tensor {
            name: name.clone(),
            dims,
            data_type: kind,
            raw_data: raw.into(),
            ..Tensor::default()
        });
        name
    }

    /// A constant of float32.
    pub fn floats(&mut self, dims: &[usize], all: &[f32]) -> String {
        self.constant(1, dims, all.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// A constant of int8.
    pub fn bytes(&mut self, dims: &[usize], all: &[i8]) -> String {
        self.constant(3, dims, all.iter().map(|b| b.cast_unsigned()).collect())
    }

    /// A constant of int32.
    pub fn whole32(&mut self, all: &[i32]) -> String {
        self.constant(6, &[all.len()], all.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// A constant of int64.
    pub fn whole64(&mut self, all: &[i64]) -> String {
        self.constant(7, &[all.len()], all.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// Names of a scale and a zero point.
    pub fn scale(&mut self, q: Quantization) -> [String; 2] {
        [self.floats(&[], &[q.scale]), self.bytes(&[], &[q.zero_point as i8])]
    }

    /// Adds a node; the name of what it makes.
    pub fn node(&mut self, kind: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.node_of("", kind, inputs, attributes)
    }

    /// Adds a node of a domain.
    pub fn node_of(&mut self, domain: &str, kind: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let name = self.fresh(&kind.to_lowercase());
        self.graph.node.push(Node {
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: kind.to_owned(),
            domain: domain.to_owned(),
            attribute,
        });
        name
    }

    /// DequantizeLinear.
    pub fn real(&mut self, bytes: &str, q: Quantization) -> String {
        let [scale, zero] = self.scale(q);
        self.node("DequantizeLinear", &[bytes, &scale, &zero], Vec::new())
    }

    /// QuantizeLinear.
    pub fn quantized(&mut self, real: &str, q: Quantization) -> String {
        let [scale, zero] = self.scale(q);
        self.node("QuantizeLinear", &[real, &scale, &zero], Vec::new())
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, name: &str, shape: &[usize]) -> String {
        let shape = self.whole64(&shape.iter().map(|&n| n as i64).collect::<Vec<_>>());
        self.node("Reshape", &[name, &shape], Vec::new())
    }

    /// Axis i of the result is axis `perm[i]`.
    pub fn transpose(&mut self, name: &str, perm: &[i64]) -> String {
        self.node("Transpose", &[name], vec![ints("perm", perm)])
    }

    /// Declares the input.
    pub fn input(&mut self, name: &str, shape: &[usize]) {
        self.graph.input.push(info(name, shape));
    }

    /// Declares an output of another name.
    pub fn output(&mut self, made: &str, name: &str, shape: &[usize]) {
        self.graph.node.push(Node {
            input: vec![made.to_owned()],
            output: vec![name.to_owned()],
            name: format!("{made}_out"),
            op_type: "Identity".to_owned(),
            ..Node::default()
        });
        self.graph.output.push(info(name, shape));
    }

    /// The whole.
    pub fn model(mut self) -> Model {
        self.graph.name = "rownet".to_owned();
        let set = |domain: &str, version: i64| OperatorSet { domain: domain.to_owned(), version };
        Model {
            ir_version: IR_VERSION,
            producer_name: "rownet-convert".to_owned(),
            graph: Some(self.graph),
            opset_import: vec![set("", OPSET), set(MICROSOFT, 1)],
        }
    }
}

fn info(name: &str, shape: &[usize]) -> ValueInfo {
    let dim = shape.iter().map(|&n| Dimension { dim_value: n as i64 }).collect();
    let tensor_type = Some(TensorType { elem_type: 1, shape: Some(Shape { dim }) });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
}

/// An attribute of whole numbers.
pub fn ints(name: &str, all: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), ints: all.to_vec(), r#type: 7, ..Attribute::default() }
}

/// An attribute of counts.
pub fn counts(name: &str, all: &[usize]) -> Attribute {
    ints(name, &all.iter().map(|&n| n as i64).collect::<Vec<_>>())
}

/// An attribute of a whole number.
pub fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.to_owned(), i, r#type: 2, ..Attribute::default() }
}

/// An attribute of a float.
pub fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.to_owned(), f, r#type: 1, ..Attribute::default() }
}

/// An attribute of text.
pub fn text(name: &str, s: &str) -> Attribute {
    Attribute { name: name.to_owned(), s: s.as_bytes().to_vec().into(), r#type: 3, ..Attribute::default() }
}
