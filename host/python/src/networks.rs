//! `cxr.import_network` and `cxr.verify`: `host import` and `host verify`.

use crate::error::{object, of_network};
use anyhow::{Context, Result, ensure};
use cxr_app::files;
use pyo3::prelude::*;
use rownet_convert::{execute, inspect, package};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Writes OUT.cxr and OUT.json for a network; returns what is in the .json.
#[pyfunction]
#[pyo3(signature = (network, out, *, labels=None, ram=None))]
pub(crate) fn import_network<'py>(
    py: Python<'py>,
    network: PathBuf,
    out: PathBuf,
    labels: Option<Vec<String>>,
    ram: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let labels = labels.unwrap_or_default().join("\n");
    let json = py.detach(|| import(&network, &out, &labels, ram)).map_err(|error| of_network(&error))?;
    object(py, &json)
}

fn import(network: &Path, out: &Path, labels: &str, ram: Option<usize>) -> Result<Value> {
    let named = network.display().to_string();
    let file = files::read(network)?;
    let source = network.file_name().map_or_else(|| named.clone(), |name| name.to_string_lossy().into_owned());
    let package = package::import(&file, &source, &files::sha256(&file), labels, ram).with_context(|| named.clone())?;
    let needed = package.plan.bytes;
    if let Some(ram) = ram {
        ensure!(
            needed <= ram,
            "{named}: needs {needed} bytes of arena, and {ram} are allowed: give it more, or a smaller network"
        );
    }
    let inspection = serde_json::to_value(inspect::inspect(&execute::Network::parse(&package.file)?))?;
    let mut text = serde_json::to_vec_pretty(&inspection)?;
    text.push(b'\n');
    let prefix = files::prefix(out);
    files::write_all(&[(files::with_suffix(&prefix, "cxr"), package.file), (files::with_suffix(&prefix, "json"), text)])?;
    Ok(inspection)
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
