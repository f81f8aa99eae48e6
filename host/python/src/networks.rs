//! `cxr.import_network` and `cxr.verify`: `host import` and `host verify`.

use crate::error::{object, of_network};
use anyhow::{Context, Result, bail, ensure};
use cxr_app::files;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rownet_convert::reference::{Data, Tensor};
use rownet_convert::{calibrate, execute, import, inspect, package};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Writes OUT.cxr and OUT.json for a network, of a float one also OUT.onnx; returns what is in the .json.
#[pyfunction]
#[pyo3(signature = (network, out, *, inputs=None, labels=None, ram=None))]
pub(crate) fn import_network<'py>(
    py: Python<'py>,
    network: PathBuf,
    out: PathBuf,
    inputs: Option<&Bound<'py, PyAny>>,
    labels: Option<Vec<String>>,
    ram: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let labels = labels.unwrap_or_default().join("\n");
    let inputs = inputs.map(tensor).transpose()?;
    let json = py.detach(|| import(&network, &out, inputs.as_ref(), &labels, ram)).map_err(|error| of_network(&error))?;
    object(py, &json)
}

/// An array of float32 or uint8, [n, ...]: what a float network is calibrated with.
fn tensor(inputs: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = inputs.py();
    if let Ok(buffer) = PyBuffer::<f32>::get(inputs) {
        return Ok(Tensor { shape: buffer.shape().to_vec(), data: Data::F32(buffer.to_vec(py)?) });
    }
    let buffer = PyBuffer::<u8>::get(inputs).map_err(|_| PyTypeError::new_err("inputs are an array of float32 or uint8"))?;
    let floats = buffer.to_vec(py)?.into_iter().map(f32::from).collect();
    Ok(Tensor { shape: buffer.shape().to_vec(), data: Data::F32(floats) })
}

fn import(network: &Path, out: &Path, inputs: Option<&Tensor>, labels: &str, ram: Option<usize>) -> Result<Value> {
    let named = network.display().to_string();
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let prefix = files::prefix(out);
    let (mut file, mut source) = (files::read(network)?, name(network));
    let read = import::read(&file).with_context(|| named.clone())?;
    let (mut extra, mut onnx) = (serde_json::Map::new(), None);
    let mut notes = read.notes.clone();
    match (calibrate::is_float(&read), inputs) {
        (true, Some(inputs)) => {
            let converted = calibrate::convert(&file, inputs).with_context(|| named.clone())?;
            extra.insert("calibration".to_owned(), serde_json::to_value(&converted.report)?);
            extra.insert("float_source".to_owned(), json!({ "file": source, "sha256": files::sha256(&file) }));
            notes = converted.notes;
            let path = files::with_suffix(&prefix, "onnx");
            (source, file) = (name(&path), converted.onnx);
            onnx = Some((path, file.clone()));
        }
        (true, None) => bail!("{named}: a float network: calibrate it with inputs, an array of what it is fed"),
        (false, Some(_)) => bail!("{named}: quantised already, and it keeps its scales: leave inputs out"),
        (false, None) => {}
    }
    extra.insert("notes".to_owned(), json!(notes));
    let package = package::import(&file, &source, &files::sha256(&file), labels, ram).with_context(|| named.clone())?;
    let mut said = serde_json::to_value(inspect::inspect(&execute::Network::parse(&package.file)?))?;
    if let Some(said) = said.as_object_mut() {
        said.extend(extra);
    }
    let mut text = serde_json::to_vec_pretty(&said)?;
    text.push(b'\n');
    let written = [(files::with_suffix(&prefix, "cxr"), package.file), (files::with_suffix(&prefix, "json"), text)];
    files::write_all(&written.into_iter().chain(onnx).collect::<Vec<_>>())?;
    Ok(said)
}

/// Compares an imported network with the file that it was imported from; returns the report of `host verify --json`.
#[pyfunction]
#[pyo3(signature = (model, against))]
pub(crate) fn verify<'py>(py: Python<'py>, model: PathBuf, against: PathBuf) -> PyResult<Bound<'py, PyAny>> {
    let compared = py.detach(|| compare(&model, &against)).map_err(|error| of_network(&error))?;
    object(py, &compared)
}

fn compare(model: &Path, against: &Path) -> Result<Value> {
    let name = model.display().to_string();
    let bytes = files::read(model)?;
    let network = execute::Network::parse(&bytes).with_context(|| name.clone())?;
    let sha256 = files::sha256(&files::read(against)?);
    ensure!(
        network.metadata.source_sha256 == sha256,
        "{}: not the file that {name} was imported from; import it again",
        against.display()
    );
    let report = rownet_convert::verify::verify(&name, &network, against, None).with_context(|| against.display().to_string())?;
    Ok(serde_json::to_value(report)?)
}
