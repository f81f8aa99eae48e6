//! From a network's file to the files that are written for it: what `host import` and the Python package do alike.

use crate::calibrate::{self, Accuracy, Report};
use crate::inspect::{self, Inspection};
use crate::ir::Graph;
use crate::reference::Tensor;
use crate::{execute, import, package};
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

/// What is known of the file, and what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Name of the file that is read.
    pub source: &'a str,
    /// Name of the .onnx that is written for a float network.
    pub onnx: &'a str,
    /// Labels, one a line; empty for none.
    pub labels: &'a str,
    /// Bytes of arena that the network may take.
    pub ram: Option<usize>,
    /// SHA-256, hexadecimal.
    pub sha256: fn(&[u8]) -> String,
}

/// What calibrates a float network.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Inputs, `[n, ...]`, float32.
    pub inputs: Tensor,
    /// Their classes.
    pub targets: Option<Tensor>,
}

/// What is written, and what is said.
#[derive(Debug)]
pub struct Imported {
    /// NAME.cxr.
    pub cxr: Vec<u8>,
    /// NAME.json.
    pub about: Value,
    /// NAME.onnx: the int8 form of a float network.
    pub onnx: Option<Vec<u8>>,
    /// Layers, memory, plan.
    pub inspection: Inspection,
    /// How a float network was quantised.
    pub calibration: Option<Report>,
    /// Before and after that.
    pub accuracy: Option<Accuracy>,
    /// What was left out or is not exact.
    pub notes: Vec<String>,
}

impl Imported {
    /// NAME.json as it is written.
    ///
    /// # Errors
    /// None that is known.
    pub fn json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(&self.about)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Imports a network; `calibration` is asked for what calibrates it if it is of floats, and whether it has any if it is not.
///
/// # Errors
/// What cannot run: the node, its operator, the attribute, why, and what to change; a float network without inputs, another with them.
pub fn imported(
    file: &[u8],
    request: &Request<'_>,
    calibration: impl FnOnce(&Graph) -> Result<Option<Calibration>>,
) -> Result<Imported> {
    let read = import::read(file)?;
    let (mut extra, mut accuracy) = (Map::new(), None);
    let converted = match (calibrate::is_float(&read), calibration(&read)?) {
        (true, Some(Calibration { inputs, targets })) => {
            let converted = calibrate::convert(file, &inputs)?;
            extra.insert("calibration".to_owned(), serde_json::to_value(&converted.report)?);
            extra.insert("float_source".to_owned(), json!({ "file": request.source, "sha256": (request.sha256)(file) }));
            if let Some(targets) = targets {
                let found = calibrate::accuracy(&read, &converted.onnx, &inputs, &targets)?;
                extra.insert("accuracy".to_owned(), serde_json::to_value(&found)?);
                accuracy = Some(found);
            }
            Some(converted)
        }
        (true, None) => bail!("a float network: give inputs that calibrate it"),
        (false, Some(_)) => bail!("quantised already, and it keeps its scales; leave out what would calibrate it"),
        (false, None) => None,
    };
    let notes = converted.as_ref().map_or(&read.notes, |converted| &converted.notes).clone();
    extra.insert("notes".to_owned(), json!(notes));
    let (bytes, source) = match &converted {
        Some(converted) => (converted.onnx.as_slice(), request.onnx),
        None => (file, request.source),
    };
    let package = package::import(bytes, source, &(request.sha256)(bytes), request.labels, request.ram)?;
    let inspection = inspect::inspect(&execute::Network::parse(&package.file)?);
    let mut about = serde_json::to_value(&inspection)?;
    if let Some(about) = about.as_object_mut() {
        about.extend(extra);
    }
    let (onnx, calibration) = converted.map(|converted| (converted.onnx, converted.report)).unzip();
    Ok(Imported { cxr: package.file, about, onnx, inspection, calibration, accuracy, notes })
}
