//! `cxr.import_network` and `cxr.verify`: `host import` and `host verify`.

use crate::error::{object, of_network};
use anyhow::{Context, Result, ensure};
use cxr_app::files;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rownet_convert::execute;
use rownet_convert::imported::{Calibration, Request, imported};
use rownet_convert::reference::{Data, Tensor};
use serde_json::Value;
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
    let json = py.detach(|| import(&network, &out, inputs, &labels, ram)).map_err(|error| of_network(&error))?;
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

fn import(network: &Path, out: &Path, inputs: Option<Tensor>, labels: &str, ram: Option<usize>) -> Result<Value> {
    let named = network.display().to_string();
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let prefix = files::prefix(out);
    let [cxr, about, onnx] = ["cxr", "json", "onnx"].map(|suffix| files::with_suffix(&prefix, suffix));
    let (source, onnx_name) = (name(network), name(&onnx));
    let request = Request { source: &source, onnx: &onnx_name, labels, ram, sha256: files::sha256 };
    let calibration = |_: &_| Ok(inputs.map(|inputs| Calibration { inputs, targets: None }));
    let imported = imported(&files::read(network)?, &request, calibration).with_context(|| named)?;
    let text = imported.json()?;
    let written = [(cxr, imported.cxr), (about, text)];
    files::write_all(&written.into_iter().chain(imported.onnx.map(|file| (onnx, file))).collect::<Vec<_>>())?;
    Ok(imported.about)
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
