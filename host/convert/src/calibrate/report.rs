//! What a calibration gives, layer by layer.

use super::quantize::Options;
use crate::ir::{Graph, Quantization};
use crate::reference::{self, Data, Tensor};
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// One way of quantising that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// How.
    pub options: Options,
    /// Power of the float outputs over that of their error.
    pub outputs_sqnr_db: f64,
}

/// What a node makes, against the float network; errors of the layers before are in it.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The node.
    pub name: String,
    /// Its operator in the file.
    pub kind: String,
    /// Power of the float values over that of their error.
    pub sqnr_db: f64,
    /// Least and greatest value that its bytes stand for.
    pub range: [f32; 2],
}

/// How a float network was quantised.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Inputs that ranges were taken from.
    pub calibrated_on: usize,
    /// Other inputs that trials were judged by; the same ones where there are fewer than eight.
    pub judged_on: usize,
    /// What was kept.
    pub options: Options,
    /// What was tried.
    pub trials: Vec<Trial>,
    /// Power of the float outputs over that of their error.
    pub outputs_sqnr_db: f64,
    /// Share of the judged inputs for which the greatest value of the last output is the same.
    pub same_class: f64,
    /// Each node.
    pub layers: Vec<Layer>,
}

/// Error power over signal power of all outputs of all inputs.
pub fn noise(wanted: &[Vec<Tensor>], made: &[Vec<Tensor>]) -> f64 {
    let mut sums = [0.0; 2];
    wanted
        .iter()
        .flatten()
        .zip(made.iter().flatten())
        .for_each(|(a, b)| add(&mut sums, &floats(&a.data, None), &floats(&b.data, None)));
    ratio(sums)
}

fn add([signal, error]: &mut [f64; 2], wanted: &[f32], made: &[f32]) {
    for (&a, &b) in wanted.iter().zip(made) {
        *signal += f64::from(a).powi(2);
        *error += (f64::from(a) - f64::from(b)).powi(2);
    }
}

fn ratio([signal, error]: [f64; 2]) -> f64 {
    if error == 0.0 { 0.0 } else { error / signal.max(f64::MIN_POSITIVE) }
}

/// Noise as a distance in decibels, at most 200.
pub fn decibels(noise: f64) -> f64 {
    (-10.0 * noise.max(1e-20).log10() * 100.0).round() / 100.0
}

fn floats(data: &Data, quantization: Option<Quantization>) -> Vec<f32> {
    let q = quantization.unwrap_or(Quantization { scale: 1.0, zero_point: 0 });
    let real = |byte: i32| (byte - q.zero_point) as f32 * q.scale;
    match data {
        Data::F32(all) => all.clone(),
        Data::I8(all) => all.iter().map(|&b| real(b.into())).collect(),
        Data::U8(all) => all.iter().map(|&b| real(b.into())).collect(),
    }
}

/// Index of the greatest value.
pub fn class(data: &Data) -> Option<usize> {
    let all = floats(data, None);
    (0..all.len()).reduce(|best, i| if all[i] > all[best] { i } else { best })
}

/// Compares a float graph with the graph of bytes that was made from it; values have the same indices.
pub fn report(
    float: &Graph,
    quantized: &Graph,
    judged: &[Tensor],
    (options, trials, calibrated_on): (Options, Vec<Trial>, usize),
) -> Result<Report> {
    let mut sums = vec![[0.0; 2]; float.values.len()];
    let (mut outputs, mut same) = ([0.0; 2], 0usize);
    for x in judged {
        let (a, b) = (reference::run(float, std::slice::from_ref(x))?, reference::run(quantized, std::slice::from_ref(x))?);
        for (id, sums) in sums.iter_mut().enumerate() {
            if let (Some(a), Some(b)) = (&a[id], &b[id]) {
                add(sums, &floats(&a.data, None), &floats(&b.data, quantized.values[id].quantization));
            }
        }
        let pairs = float.outputs.iter().zip(&quantized.outputs).filter_map(|(i, j)| a[i.0].as_ref().zip(b[j.0].as_ref()));
        let pairs: Vec<_> = pairs.collect();
        pairs.iter().for_each(|(a, b)| add(&mut outputs, &floats(&a.data, None), &floats(&b.data, None)));
        same += usize::from(pairs.last().is_some_and(|(a, b)| class(&a.data) == class(&b.data)));
    }
    let layer = |node: &crate::ir::Node| {
        let q = quantized.value(node.output).quantization.unwrap_or(Quantization { scale: 0.0, zero_point: 0 });
        Layer {
            name: node.name.clone(),
            kind: node.kind.clone(),
            sqnr_db: decibels(ratio(sums[node.output.0])),
            range: [-128, 127].map(|byte| (byte - q.zero_point) as f32 * q.scale),
        }
    };
    Ok(Report {
        calibrated_on,
        judged_on: judged.len(),
        options,
        trials,
        outputs_sqnr_db: decibels(ratio(outputs)),
        same_class: same as f64 / judged.len().max(1) as f64,
        layers: float.nodes.iter().map(layer).collect(),
    })
}

/// How often networks are right.
#[derive(Clone, Debug, Serialize)]
pub struct Accuracy {
    /// Inputs of known class.
    pub inputs: usize,
    /// Share that the float network gets right.
    pub float: f64,
    /// Share that the network of bytes gets right.
    pub int8: f64,
    /// Share for which both say the same.
    pub same_class: f64,
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [float, int8, same] = [self.float, self.int8, self.same_class].map(|share| 100.0 * share);
        write!(f, "accuracy on {} inputs: float {float:.2} %, int8 {int8:.2} %, same class {same:.2} %", self.inputs)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<48} {:<20} {:>9} {:>24}", "layer", "operator", "SQNR, dB", "range")?;
        for layer in &self.layers {
            let name: String = layer.name.chars().take(48).collect();
            let [low, high] = layer.range;
            writeln!(f, "{name:<48} {:<20} {:>9.2} {:>24}", layer.kind, layer.sqnr_db, format!("{low:.4} to {high:.4}"))?;
        }
        writeln!(
            f,
            "outputs: {:.2} dB, same class for {:.1} % of {} inputs; calibrated on {} others, {:?}",
            self.outputs_sqnr_db,
            100.0 * self.same_class,
            self.judged_on,
            self.calibrated_on,
            self.options
        )
    }
}
