//! Referees in Python: TFLite Micro or onnxruntime runs the file that was imported.

use crate::npy;
use crate::reference::Tensor;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

const TFLITE: &str = include_str!("../scripts/tflite_referee.py");
const ONNX: &str = include_str!("../scripts/onnx_referee.py");

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

/// Runs a referee's script in a folder that has x.npy and gets y.*.
fn run(referee: &str, (script, packages): (&str, &str), folder: &Path, network: &Path, more: &[&OsStr]) -> Result<()> {
    std::fs::write(folder.join("referee.py"), script)?;
    let mut command = Command::new(python());
    command.arg(folder.join("referee.py")).arg(network).args([folder.join("x.npy"), folder.join("y")]).args(more);
    let done =
        command.output().with_context(|| format!("{}: cannot be run; set CXR_PYTHON to a Python with {packages}", python()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    ensure!(done.status.success(), "{referee}: {last}; pip install {packages} and set CXR_PYTHON to that Python");
    Ok(())
}

/// Reads an array that a referee wrote.
fn array(folder: &Path, name: &str) -> Result<Tensor> {
    std::fs::read(folder.join(name)).map_err(Into::into).and_then(|file| npy::read(&file)).with_context(|| name.to_owned())
}

/// Runs a .tflite file in TFLite Micro on inputs `[n, ...]`.
///
/// # Errors
/// No Python with tflite-micro and numpy; TFLite Micro refuses the file or the inputs.
pub fn tflite_micro(network: &Path, inputs: &Tensor, values: bool) -> Result<Answers> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("x.npy"), npy::write(inputs)?)?;
    let more: &[&OsStr] = if values { &[OsStr::new("--values")] } else { &[] };
    run("TFLite Micro", (TFLITE, "tflite-micro numpy"), folder.path(), network, more)?;
    let mut answers = Answers { outputs: Vec::new(), values: Vec::new() };
    while at(&format!("y.{}.npy", answers.outputs.len())).exists() {
        answers.outputs.push(array(folder.path(), &format!("y.{}.npy", answers.outputs.len()))?);
    }
    if values {
        let listed: Vec<Listed> = serde_json::from_slice(&std::fs::read(at("y.values.json"))?)?;
        for Listed { name, file } in listed {
            answers.values.push((name, array(folder.path(), &file)?));
        }
    }
    Ok(answers)
}

/// A value of a .onnx file, and the order in which its axes are wanted.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tap {
    /// Name in the file.
    pub name: String,
    /// Axis k of the array is this axis of the file.
    pub axes: Vec<usize>,
}

/// What onnxruntime answers: an array for each tap, from the integer form of a file and from the file as it is.
#[derive(Debug)]
pub struct Onnx {
    /// Convolutions and matrix products summed in int32.
    pub integer: Vec<Tensor>,
    /// Summed as the file says, in float32 between DequantizeLinear and QuantizeLinear.
    pub plain: Vec<Tensor>,
}

/// Runs a .onnx file in onnxruntime, graph optimisation off, on inputs `[n, ...]` whose axes lie as `input` says.
///
/// # Errors
/// No Python with onnxruntime, onnx and numpy; onnxruntime refuses the file or the inputs.
pub fn onnxruntime(network: &Path, inputs: &Tensor, input: &[usize], outputs: &[Tap]) -> Result<Onnx> {
    let folder = tempfile::tempdir()?;
    let taps = folder.path().join("taps.json");
    std::fs::write(folder.path().join("x.npy"), npy::write(inputs)?)?;
    std::fs::write(&taps, serde_json::to_vec(&serde_json::json!({ "input": input, "outputs": outputs }))?)?;
    let more = [OsStr::new("--taps"), taps.as_os_str()];
    run("onnxruntime", (ONNX, "onnxruntime onnx numpy"), folder.path(), network, &more)?;
    let all = |suffix: &str| -> Result<Vec<Tensor>> {
        (0..outputs.len()).map(|i| array(folder.path(), &format!("y.{i}{suffix}.npy"))).collect()
    };
    Ok(Onnx { integer: all("")?, plain: all(".plain")? })
}
