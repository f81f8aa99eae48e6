//! What a network's file says of itself.

use crate::ir::{Arithmetic, Element};
use crate::plan::parts::Parts;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// An input or output as the user sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the network that was read.
    pub name: String,
    /// Extents, batch first.
    pub shape: Vec<usize>,
    /// int8, uint8 or float32.
    #[serde(rename = "type")]
    pub element: String,
    /// Scale of its bytes; none of floats.
    pub scale: Option<f32>,
    /// Zero point of its bytes; none of floats.
    pub zero_point: Option<i32>,
}

/// An operator as the file that was read names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The node.
    pub name: String,
    /// Its operator.
    pub kind: String,
}

/// What the file says of itself beside what the engine needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// File name of the network that was read.
    pub source: String,
    /// Its SHA-256.
    pub source_sha256: String,
    /// tflite or onnx.
    pub arithmetic: String,
    /// Inputs.
    pub inputs: Vec<Port>,
    /// Outputs, in order.
    pub outputs: Vec<Port>,
    /// Operators, in order.
    pub operators: Vec<Named>,
    /// How the first operators are split into parts of columns, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

impl Metadata {
    /// Of a parsed file.
    ///
    /// # Errors
    /// The file has none: it was not imported.
    pub fn read(model: &rownet::model::Model<'_>) -> Result<Self> {
        serde_json::from_str(model.metadata())
            .context("the file does not say what it was imported from; import the network again")
    }

    /// Which arithmetic it computes in.
    pub fn arithmetic(&self) -> Arithmetic {
        if self.arithmetic == "onnx" { Arithmetic::Onnx } else { Arithmetic::Tflite }
    }
}

/// The type that a port's name stands for.
///
/// # Errors
/// No such type.
pub fn element(name: &str) -> Result<Element> {
    [Element::I8, Element::U8, Element::F32]
        .into_iter()
        .find(|element| element.to_string() == name)
        .with_context(|| format!("{name} is no type; import the network again"))
}
