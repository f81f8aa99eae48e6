//! A float graph and its statistics to a graph of bytes.

use super::range::Range;
use super::rounding::{nearest, step};
use super::statistics::Statistics;
use crate::ir::{Arithmetic, Bias, Element, Graph, Id, Node, Op, Quantization, Refusal, Value, Weights};
use serde::Serialize;

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Options {
    /// How far channels were equalised before, 0 to 1.
    pub equalization: f32,
    /// Ranges of activations.
    pub range: Range,
    /// Steps of filters by least squares; else by their greatest weight.
    pub least_squares_weights: bool,
    /// Weights of a filter are rounded together; else each to the nearest.
    pub compensated: bool,
    /// Biases take up the mean error of their weights.
    pub bias_correction: bool,
}

impl Options {
    /// What is tried first.
    pub const DEFAULT: Self = Self {
        equalization: 0.0,
        range: Range::Percentile(0.99999),
        least_squares_weights: true,
        compensated: false,
        bias_correction: true,
    };
}

/// Largest magnitude of a bias in steps of its accumulator: exact in f32.
const BIAS_LIMIT: f64 = (1 << 23) as f64;

/// Quantises a graph.
///
/// # Errors
/// A value that is always zero where a scale is needed; a bias beyond its accumulator.
pub fn quantize(float: &Graph, statistics: &Statistics, options: &Options) -> Result<Graph, Refusal> {
    let mut graph = float.clone();
    graph.arithmetic = Arithmetic::Onnx;
    let groups = groups(float);
    let mut ranges = vec![[0.0f32; 2]; float.values.len()];
    for (id, &group) in groups.iter().enumerate() {
        let [low, high] = statistics.histograms[id].range(options.range);
        ranges[group] = [ranges[group][0].min(low), ranges[group][1].max(high)];
    }
    for (id, value) in graph.values.iter_mut().enumerate() {
        value.element = Element::I8;
        value.quantization = Some(scale(ranges[groups[id]]));
    }
    for (index, node) in graph.nodes.iter_mut().enumerate() {
        let x = node.inputs[0];
        let incoming = Incoming {
            scale: graph.values[x.0].quantization.map_or(1.0, |q| q.scale),
            means: &statistics.means[x.0],
            factor: statistics.moments[index].as_ref().filter(|_| options.compensated).and_then(super::rounding::Moments::factor),
        };
        weigh(node, &incoming, options)?;
    }
    ports(&mut graph, float);
    Ok(graph)
}

/// The input becomes bytes, the outputs floats again.
fn ports(graph: &mut Graph, float: &Graph) {
    let node = |name: &str, kind: &str, op: Op, input: Id, output: Id| Node {
        name: name.to_owned(),
        kind: kind.to_owned(),
        op,
        inputs: vec![input],
        output,
    };
    for input in graph.inputs.clone() {
        let own = float.value(input).clone();
        let outside = graph.add(own.clone());
        graph.nodes.insert(0, node(&own.name, "input", Op::Quantize, outside, input));
        graph.inputs.iter_mut().filter(|id| **id == input).for_each(|id| *id = outside);
    }
    for output in graph.outputs.clone() {
        let own = float.value(output).clone();
        let outside = graph.add(Value { quantization: None, ..own.clone() });
        graph.nodes.push(node(&own.name, "output", Op::Dequantize, output, outside));
        graph.outputs.iter_mut().filter(|id| **id == output).for_each(|id| *id = outside);
    }
}

/// For each value the one that stands for all that share its scale: what operators move without computing.
fn groups(graph: &Graph) -> Vec<usize> {
    let mut of: Vec<usize> = (0..graph.values.len()).collect();
    fn root(of: &[usize], mut id: usize) -> usize {
        while of[id] != id {
            id = of[id];
        }
        id
    }
    for node in &graph.nodes {
        let shares = matches!(
            node.op,
            Op::Reshape
                | Op::Transpose { .. }
                | Op::Pad { .. }
                | Op::Max { .. }
                | Op::MaxPool { .. }
                | Op::ResizeNearest { .. }
                | Op::Concat { .. }
        );
        for input in node.inputs.iter().filter(|_| shares) {
            let (a, b) = (root(&of, node.output.0), root(&of, input.0));
            of[a] = b;
        }
    }
    (0..of.len()).map(|id| root(&of, id)).collect()
}

/// 255 steps over a range that contains 0; 0 is a step.
fn scale([low, high]: [f32; 2]) -> Quantization {
    let step = (high - low) / 255.0;
    // What is always zero has any scale.
    let step = if step > 1e-30 { step } else { 1.0 };
    let zero_point = (-128.0 - f64::from(low) / f64::from(step)).round_ties_even().clamp(-128.0, 127.0) as i32;
    Quantization { scale: step, zero_point }
}

/// What a node reads.
struct Incoming<'s> {
    scale: f32,
    means: &'s [f32],
    factor: Option<super::rounding::Factor>,
}

/// Quantises weights and biases.
fn weigh(node: &mut Node, incoming: &Incoming<'_>, options: &Options) -> Result<(), Refusal> {
    let template = Node { op: Op::Reshape, inputs: Vec::new(), ..node.clone() };
    let (Op::Conv2d { weights, bias, .. } | Op::Dense { weights, bias, .. }) = &mut node.op else { return Ok(()) };
    let (Weights::Float { shape, data }, Bias::Float(biases)) = (&*weights, &*bias) else {
        return Err(template.refuse(
            "weights",
            "they are int8 and the values floats",
            "export float weights, or quantise the whole network",
        ));
    };
    let (outputs, groups) = (shape[0], incoming.means.len() / shape.last().map_or(1, |&n| n.max(1)));
    let dense = shape.len() == 2;
    let groups = if dense { 1 } else { groups.max(1) };
    let length = data.len() / outputs;
    let (mut bytes, mut scales, mut whole) = (Vec::with_capacity(data.len()), Vec::new(), Vec::new());
    for (out, (filter, &b)) in data.chunks_exact(length).zip(biases).enumerate() {
        // A filter of (nearly) zeros still needs a step in which its bias is representable.
        let least = (f64::from(b.abs()) / (f64::from(incoming.scale) * BIAS_LIMIT)).max(1e-30) as f32;
        let step = step(filter, options.least_squares_weights).max(least);
        let rounded: Vec<i8> = match &incoming.factor {
            Some(factor) => factor.round(filter, step),
            None => filter.iter().map(|&w| nearest(w, step)).collect(),
        };
        let mut b = f64::from(b);
        if options.bias_correction {
            let per_group = if dense { incoming.means.len() } else { shape[3] };
            let first = out / (outputs / groups).max(1) * per_group;
            let error = |(i, (&w, &q)): (usize, (&f32, &i8))| {
                (f64::from(q) * f64::from(step) - f64::from(w))
                    * f64::from(incoming.means[(first + i % per_group) % incoming.means.len()])
            };
            b -= filter.iter().zip(&rounded).enumerate().map(error).sum::<f64>();
        }
        let quantized = (b / f64::from(incoming.scale * step)).round_ties_even();
        if quantized.is_nan() || quantized.abs() > 2.0 * BIAS_LIMIT {
            return Err(template.refuse("bias", format!("{b} does not fit its accumulator"), "train with more weight decay"));
        }
        bytes.extend(rounded);
        scales.push(step);
        whole.push(quantized as i32);
    }
    *weights = Weights::Int8 { shape: shape.clone(), data: bytes, scales };
    *bias = Bias::Int32(whole);
    Ok(())
}
