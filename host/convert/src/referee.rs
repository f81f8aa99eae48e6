//! Referees in Python: TFLite Micro runs the file that was imported.

use crate::npy;
use crate::reference::Tensor;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

const TFLITE: &str = include_str!("../../../scripts/tflite_referee.py");

/// What a referee answers: arrays `[n, ...]`.
#[derive(Debug)]
pub struct Answers {
    /// One for each output.
    pub outputs: Vec<Tensor>,
    /// Name and array of each value between the operators, where asked for.
    pub values: Vec<(String, Tensor)>,
}

#[derive(serde::Deserialize)]
struct Listed {
    name: String,
    file: String,
}

/// The Python that has the referees: `$CXR_PYTHON`, else python3.
pub fn python() -> String {
    std::env::var("CXR_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether that Python has a module.
pub fn has(module: &str) -> bool {
    let mut ask = Command::new(python());
    ask.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// Runs a .tflite file in TFLite Micro on inputs `[n, ...]`.
///
/// # Errors
/// No Python with tflite-micro and numpy; TFLite Micro refuses the file or the inputs.
pub fn tflite_micro(network: &Path, inputs: &Tensor, values: bool) -> Result<Answers> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("referee.py"), TFLITE)?;
    std::fs::write(at("x.npy"), npy::write(inputs)?)?;
    let mut command = Command::new(python());
    command.arg(at("referee.py")).arg(network).args([at("x.npy"), at("y")]).args(values.then_some("--values"));
    let done = command
        .output()
        .with_context(|| format!("{}: cannot be run; set CXR_PYTHON to a Python with tflite-micro and numpy", python()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    ensure!(done.status.success(), "TFLite Micro: {last}; pip install tflite-micro numpy and set CXR_PYTHON to that Python");
    let read = |name: &str| {
        std::fs::read(at(name)).map_err(Into::into).and_then(|file| npy::read(&file)).with_context(|| name.to_owned())
    };
    let mut answers = Answers { outputs: Vec::new(), values: Vec::new() };
    while at(&format!("y.{}.npy", answers.outputs.len())).exists() {
        answers.outputs.push(read(&format!("y.{}.npy", answers.outputs.len()))?);
    }
    if values {
        let listed: Vec<Listed> = serde_json::from_slice(&std::fs::read(at("y.values.json"))?)?;
        for Listed { name, file } in listed {
            answers.values.push((name, read(&file)?));
        }
    }
    Ok(answers)
}
