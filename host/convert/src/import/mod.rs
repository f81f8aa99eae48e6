//! Readers: files to the representation.

pub mod onnx;
pub mod tflite;

use crate::ir::Graph;
use anyhow::{Result, bail};

/// Formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TensorFlow Lite's flatbuffer.
    Tflite,
    /// ONNX's protobuf.
    Onnx,
}

impl Format {
    /// The format of a file, by its content.
    ///
    /// # Errors
    /// It is of no format that can be read.
    pub fn of(file: &[u8]) -> Result<Self> {
        match (file.get(4..8), file.first()) {
            (Some(b"TFL3"), _) => Ok(Self::Tflite),
            // ONNX has no magic: the first field is the version of its IR, or another of the first fields.
            (_, Some(0x08 | 0x12 | 0x1a | 0x22 | 0x2a | 0x32 | 0x3a | 0x42)) => Ok(Self::Onnx),
            _ => bail!("neither a .tflite nor a .onnx file; export the network to one of them"),
        }
    }
}

/// Reads a network.
///
/// # Errors
/// A damaged file, or what cannot run: the node, its attribute, why, and what to change.
pub fn read(file: &[u8]) -> Result<Graph> {
    match Format::of(file)? {
        Format::Tflite => tflite::read(file),
        Format::Onnx => onnx::read(file),
    }
}
