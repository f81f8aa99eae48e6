//! Readers: files to the representation.

pub mod tflite;

use crate::ir::Graph;
use anyhow::{Result, bail};

/// Formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TensorFlow Lite's flatbuffer.
    Tflite,
}

impl Format {
    /// The format of a file, by its content.
    ///
    /// # Errors
    /// It is of no format that can be read.
    pub fn of(file: &[u8]) -> Result<Self> {
        match file.get(4..8) {
            Some(b"TFL3") => Ok(Self::Tflite),
            _ => bail!("not a .tflite file (no TFL3 at byte 4); export the network to .tflite"),
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
    }
}
