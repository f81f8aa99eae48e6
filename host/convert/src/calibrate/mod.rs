//! Float networks to int8, by what they compute on inputs of the user: scales of activations from measured ranges, weights
//! symmetric for each output channel, rounded together where that measures better, biases corrected.
//!
//! What is tried is judged by the outputs on inputs that are held back where there are enough; docs/networks.md has figures.

mod equalize;
mod quantize;
mod range;
mod report;
pub(crate) mod rounding;
mod statistics;

pub use quantize::Options;
pub use range::Range;
pub use report::{Accuracy, Layer, Report, Trial};

use crate::ir::{Arithmetic, Element, Graph, Op, Refusal};
use crate::reference::{self, Data, Tensor};
use crate::samples;
use anyhow::{Context, Result, ensure};
use quantize::quantize;
use statistics::{Statistics, observe};

/// Most inputs that ranges are taken from, and most that trials are judged by.
const MOST: [usize; 2] = [128, 32];
/// Strengths of equalisation that are tried.
const STRENGTHS: [f32; 2] = [0.5, 1.0];

/// A network of bytes, and how it was made.
pub struct Calibrated {
    /// In ONNX's arithmetic.
    pub graph: Graph,
    /// What was tried and what it gives.
    pub report: Report,
}

/// Whether a network is to be calibrated: its values are floats.
pub fn is_float(graph: &Graph) -> bool {
    let weighted = |op: &Op| match op {
        Op::Conv2d { weights, .. } | Op::Dense { weights, .. } => matches!(weights, crate::ir::Weights::Float { .. }),
        _ => false,
    };
    graph.values.iter().all(|value| value.element == Element::F32) || graph.nodes.iter().any(|node| weighted(&node.op))
}

/// Takes off a softmax at the end: the classes are the same, and float probabilities need none on the device.
pub fn without_softmax(graph: &mut Graph) {
    for index in (0..graph.nodes.len()).rev() {
        let node = graph.nodes[index].clone();
        if matches!(node.op, Op::Softmax { .. }) && graph.outputs.contains(&node.output) && graph.uses(node.output) == 1 {
            graph.notes.push(format!("{} ({}): left out; the output is what goes into it", node.name, node.kind));
            graph.nodes.remove(index);
            graph.replace(node.output, node.inputs[0]);
        }
    }
}

/// A float file as a .onnx file of bytes.
pub struct Converted {
    /// What is imported in its place.
    pub onnx: Vec<u8>,
    /// How it was quantised.
    pub report: Report,
    /// What was left out or is not exact.
    pub notes: Vec<String>,
}

/// Reads a float network, folds it, quantises it by inputs `[n, ...]` and writes it as .onnx.
///
/// # Errors
/// What cannot run: the node, its attribute, why, and what to change; inputs that do not fit.
pub fn convert(file: &[u8], inputs: &Tensor) -> Result<Converted> {
    let mut graph = crate::import::read(file)?;
    without_softmax(&mut graph);
    let shapes = |ids: &[crate::ir::Id]| ids.iter().map(|&id| graph.value(id).shape.clone()).collect::<Vec<_>>();
    let (given, made) = (shapes(&graph.inputs), shapes(&graph.outputs));
    crate::fold::fold(&mut graph)?;
    if let Some(first) = graph.nodes.iter().find(|node| node.inputs == graph.inputs)
        && matches!(&first.op, Op::Conv2d { window, weights, .. } if window.kernel == [1, 1] && weights.shape()[3] == 1)
        && first.kind != "Conv"
    {
        graph
            .notes
            .push(format!("{} ({}): stays a convolution of one cell: what follows pads with zeros", first.name, first.kind));
    }
    let calibrated = calibrate(&graph, inputs)?;
    let input = given.first().context("the network has no input")?;
    let onnx = crate::export::onnx(&calibrated.graph, input, &made)?;
    Ok(Converted { onnx, report: calibrated.report, notes: graph.notes })
}

/// How often the greatest value of the last output is the class of `targets`, `[n]`, before and after: `float` as it was read,
/// `onnx` as [`convert`] wrote it.
///
/// # Errors
/// Targets of another number or type than the inputs.
pub fn accuracy(float: &Graph, onnx: &[u8], inputs: &Tensor, targets: &Tensor) -> Result<Accuracy> {
    let count = inputs.shape.first().copied().unwrap_or(0);
    let classes: Vec<i64> = match &targets.data {
        Data::U8(all) => all.iter().map(|&c| c.into()).collect(),
        Data::I8(all) => all.iter().map(|&c| c.into()).collect(),
        Data::F32(all) => all.iter().map(|&c| c as i64).collect(),
    };
    ensure!(classes.len() == count && count > 0, "{} targets for {count} inputs; give one for each", classes.len());
    let quantized = crate::import::read(onnx)?;
    let mut right = [0usize; 3];
    for (i, &wanted) in classes.iter().enumerate() {
        let x = [samples::sample(inputs, i)];
        let class = |graph: &Graph| -> Result<Option<usize>> {
            Ok(reference::outputs(graph, &x)?.last().and_then(|tensor| report::class(&tensor.data)))
        };
        let (before, after) = (class(float)?, class(&quantized)?);
        let is = |class: Option<usize>| usize::from(class.is_some_and(|c| c as i64 == wanted));
        right[0] += is(before);
        right[1] += is(after);
        right[2] += usize::from(before == after);
    }
    let [float, int8, same_class] = right.map(|n| n as f64 / count as f64);
    Ok(Accuracy { inputs: count, float, int8, same_class })
}

/// Quantises a folded float graph by inputs `[n, ...]`.
///
/// # Errors
/// Inputs that do not fit; a layer that no input makes fire.
pub fn calibrate(float: &Graph, inputs: &Tensor) -> Result<Calibrated> {
    let count = inputs.shape.first().copied().unwrap_or(0);
    ensure!(count > 0, "there is no input to calibrate with; give some");
    let value = float.value(float.inputs[0]);
    let length: usize = inputs.shape[1..].iter().product();
    ensure!(
        inputs.data.element() == Element::F32 && length == value.len(),
        "the network takes float32 of {:?}, the inputs are {} of {:?}; convert them",
        value.shape,
        inputs.data.element(),
        inputs.shape
    );
    if let Data::F32(all) = &inputs.data {
        ensure!(all.iter().all(|x| x.is_finite()), "an input is not finite; leave it out");
    }
    if let Some(node) = float.nodes.iter().find(|node| matches!(node.op, Op::Softmax { .. })) {
        let refusal: Refusal = node.refuse("operator", "a softmax inside the network", "use it at the end only");
        return Err(refusal.into());
    }
    // Inputs that trials are judged by are not those that ranges are taken from, where there are enough.
    let judged = MOST[1].min(count.div_ceil(4)).max(1);
    let every = (count / judged).max(1);
    let is_judged = |i: &usize| i.is_multiple_of(every) && i / every < judged;
    let fitted: Vec<usize> = (0..count).filter(|i| count < 8 || !is_judged(i)).collect();
    let step = fitted.len().div_ceil(MOST[0]).max(1);
    let pick = |i: usize| samples::sample(inputs, i);
    let fitted: Vec<Tensor> = fitted.into_iter().step_by(step).map(pick).collect();
    let judged: Vec<Tensor> = (0..count).filter(is_judged).map(pick).collect();
    search(float, &fitted, &judged)
}

/// Tries one change after another and keeps what brings the outputs nearer to those of the float network.
fn search(float: &Graph, fitted: &[Tensor], judged: &[Tensor]) -> Result<Calibrated> {
    let wanted = judged.iter().map(|x| reference::outputs(float, std::slice::from_ref(x))).collect::<Result<Vec<_>>>()?;
    let mut trials: Vec<Trial> = Vec::new();
    let mut attempt = |graph: &Graph, statistics: &Statistics, options: Options| -> Result<(f64, Graph, Options)> {
        let quantized = quantize(graph, statistics, &options)?;
        let made = judged.iter().map(|x| reference::outputs(&quantized, std::slice::from_ref(x))).collect::<Result<Vec<_>>>()?;
        let noise = report::noise(&wanted, &made);
        trials.push(Trial { options, outputs_sqnr_db: report::decibels(noise) });
        Ok((noise, quantized, options))
    };
    let plain = observe(float, fitted)?;
    let mut best = attempt(float, &plain, Options::DEFAULT)?;
    let keep = |best: &mut (f64, Graph, Options), new: (f64, Graph, Options)| {
        let better = new.0 < best.0;
        if better {
            *best = new;
        }
        better
    };
    for range in [Range::MinMax, Range::Percentile(0.9999), Range::LeastSquares] {
        let new = attempt(float, &plain, Options { range, ..Options::DEFAULT })?;
        keep(&mut best, new);
    }
    let options = Options { compensated: true, ..best.2 };
    let new = attempt(float, &plain, options)?;
    keep(&mut best, new);
    let mut chosen = None;
    for equalization in STRENGTHS {
        let Some(equal) = equalize::equalize(float, &plain, equalization) else { break };
        let statistics = observe(&equal, fitted)?;
        let new = attempt(&equal, &statistics, Options { equalization, ..best.2 })?;
        if keep(&mut best, new) {
            chosen = Some((equal, statistics));
        }
    }
    let (graph, statistics) = chosen.as_ref().map_or((float, &plain), |(graph, statistics)| (graph, statistics));
    for change in [|o| Options { least_squares_weights: false, ..o }, |o| Options { bias_correction: false, ..o }] {
        let new = attempt(graph, statistics, change(best.2))?;
        keep(&mut best, new);
    }
    let (_, mut quantized, options) = best;
    quantized.arithmetic = Arithmetic::Onnx;
    quantized.check().context("after calibration")?;
    let report = report::report(graph, &quantized, judged, (options, trials, fitted.len()))?;
    Ok(Calibrated { graph: quantized, report })
}
