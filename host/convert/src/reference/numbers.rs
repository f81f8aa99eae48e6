//! Integers that follow from scales: multipliers, clamps, tables. The interpreter computes with them and the file carries
//! the same.

use super::elementwise::real;
use super::fixed::{Multiplier, divide_by_pot, logistic, tanh};
use super::tensor::Data;
use crate::ir::{Activation, Arithmetic, Element, Graph, Id, Node, Op, Quantization, Refusal, Weights};

/// Scale and zero point of a value of bytes.
///
/// # Errors
/// It has none.
pub fn quantization(graph: &Graph, node: &Node, id: Id) -> Result<Quantization, Refusal> {
    let value = graph.value(id);
    value
        .quantization
        .ok_or_else(|| node.refuse("quantization", format!("value {} has no scale", value.name), "quantise the whole network"))
}

/// How a sum of an operator's output channel becomes a byte, before the zero point is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rescale {
    /// By a fixed-point multiplier.
    Fixed(Multiplier),
    /// By an f32, rounded half to even.
    Float(f32),
}

impl Rescale {
    /// The byte without its zero point, not clamped.
    pub fn apply(self, sum: i32) -> i32 {
        match self {
            Self::Fixed(multiplier) => multiplier.apply(sum),
            Self::Float(scale) => (sum as f32 * scale).round_ties_even() as i32,
        }
    }
}

/// One for each output channel of a convolution or dense layer.
///
/// # Errors
/// A value without a scale.
pub fn rescales(graph: &Graph, node: &Node, weights: &Weights) -> Result<Vec<Rescale>, Refusal> {
    let Weights::Int8 { scales, .. } = weights else {
        return Err(node.refuse("weights", "they are floats", "quantise the network"));
    };
    let sx = quantization(graph, node, node.inputs[0])?.scale;
    let sy = quantization(graph, node, node.output)?.scale;
    let one = |sw: f32| match graph.arithmetic {
        Arithmetic::Tflite => Rescale::Fixed(Multiplier::new(f64::from(sx) * f64::from(sw) / f64::from(sy))),
        Arithmetic::Onnx => Rescale::Float(sx * sw / sy),
    };
    Ok((0..weights.outputs()).map(|c| one(scales[if scales.len() == 1 { 0 } else { c }])).collect())
}

/// Least and greatest byte that a node may make.
///
/// # Errors
/// Its output has no scale.
pub fn clamp(graph: &Graph, node: &Node) -> Result<[i8; 2], Refusal> {
    let activation = match node.op {
        Op::Conv2d { activation, .. } | Op::Dense { activation, .. } | Op::Add { activation } | Op::Mul { activation } => {
            activation
        }
        Op::AveragePool { activation, .. } | Op::MaxPool { activation, .. } | Op::Clip { activation } => activation,
        _ => Activation::None,
    };
    let Activation::Clip { low, high } = activation else { return Ok([i8::MIN, i8::MAX]) };
    let q = quantization(graph, node, node.output)?;
    let byte =
        |x: f32, unbounded: i8| if x.is_finite() { nearest(graph.arithmetic, q, x).clamp(-128, 127) as i8 } else { unbounded };
    Ok([byte(low, i8::MIN), byte(high, i8::MAX)])
}

/// Multipliers of ADD: of the first input, the second, and the output.
///
/// # Errors
/// A value without a scale.
pub fn add_multipliers(graph: &Graph, node: &Node) -> Result<[Multiplier; 3], Refusal> {
    let scale = |id: Id| quantization(graph, node, id).map(|q| f64::from(q.scale));
    let (a, b, y) = (scale(node.inputs[0])?, scale(node.inputs[1])?, scale(node.output)?);
    let twice = 2.0 * a.max(b);
    Ok([Multiplier::new(a / twice), Multiplier::new(b / twice), Multiplier::new(twice / (f64::from(1 << 20) * y))])
}

/// Multiplier of MUL.
///
/// # Errors
/// A value without a scale.
pub fn mul_multiplier(graph: &Graph, node: &Node) -> Result<Multiplier, Refusal> {
    let scale = |id: Id| quantization(graph, node, id).map(|q| f64::from(q.scale));
    Ok(Multiplier::new(scale(node.inputs[0])? * scale(node.inputs[1])? / scale(node.output)?))
}

/// How MEAN's sum over `cells` cells, zero points taken off, becomes a byte.
///
/// # Errors
/// A value without a scale.
pub fn mean_rescale(graph: &Graph, node: &Node, cells: usize) -> Result<Rescale, Refusal> {
    let (x, y) = (quantization(graph, node, node.inputs[0])?, quantization(graph, node, node.output)?);
    if graph.arithmetic == Arithmetic::Onnx {
        // As onnxruntime's QLinearGlobalAveragePool multiplies them.
        return Ok(Rescale::Float(x.scale / (y.scale * cells as f32)));
    }
    let Multiplier { multiplier, shift } = Multiplier::new(f64::from(x.scale) / f64::from(y.scale));
    let bits = (63 - (cells as u64).leading_zeros() as i32).min(32).min(31 + shift);
    let multiplier = ((i64::from(multiplier) << bits) / cells as i64) as i32;
    Ok(Rescale::Fixed(Multiplier { multiplier, shift: shift - bits }))
}

/// How the sum under a whole window of an average, zero points taken off, becomes a byte in ONNX's arithmetic: as QLinearConv
/// with weights of 1 at the scale of one over `cells`.
///
/// # Errors
/// A value without a scale.
pub fn average_scale(graph: &Graph, node: &Node, cells: usize) -> Result<f32, Refusal> {
    let (x, y) = (quantization(graph, node, node.inputs[0])?, quantization(graph, node, node.output)?);
    Ok(x.scale * (1.0 / cells as f32) / y.scale)
}

/// The byte that stands for a real number, not clamped: halves away from 0, or to even.
pub fn nearest(arithmetic: Arithmetic, q: Quantization, x: f32) -> i32 {
    let rounded = match arithmetic {
        Arithmetic::Tflite => (x / q.scale).round(),
        Arithmetic::Onnx => (x / q.scale).round_ties_even(),
    };
    // The cast saturates; so does the sum.
    (rounded as i32).saturating_add(q.zero_point)
}

/// Bytes of floats, at the scale of a value.
pub fn quantize(graph: &Graph, id: Id, x: &[f32]) -> Data {
    let value = graph.value(id);
    let q = value.quantization.unwrap_or(Quantization { scale: 1.0, zero_point: 0 });
    let byte = |x: f32| nearest(graph.arithmetic, q, x);
    match value.element {
        Element::U8 => Data::U8(x.iter().map(|&x| byte(x).clamp(0, 255) as u8).collect()),
        _ => Data::I8(x.iter().map(|&x| byte(x).clamp(-128, 127) as i8).collect()),
    }
}

/// Floats of bytes, at the scale of a value.
pub fn dequantize(graph: &Graph, id: Id, data: &Data) -> Vec<f32> {
    let q = graph.value(id).quantization.unwrap_or(Quantization { scale: 1.0, zero_point: 0 });
    let real = |byte: i32| (byte - q.zero_point) as f32 * q.scale;
    match data {
        Data::I8(d) => d.iter().map(|&q| real(q.into())).collect(),
        Data::U8(d) => d.iter().map(|&q| real(q.into())).collect(),
        Data::F32(d) => d.clone(),
    }
}

/// The output byte of each input byte of an operator of one input, from the least byte on.
///
/// # Errors
/// A value without a scale; scales that TFLite Micro refuses.
pub fn table(graph: &Graph, node: &Node) -> Result<[i8; 256], Refusal> {
    let (x, y) = (quantization(graph, node, node.inputs[0])?, quantization(graph, node, node.output)?);
    let least = if graph.value(node.inputs[0]).element == Element::U8 { 0 } else { -128 };
    let byte: Box<dyn Fn(i32) -> i32> = match graph.arithmetic {
        Arithmetic::Onnx => Box::new(|q| {
            let input = (q - x.zero_point) as f32 * x.scale;
            let output = if matches!(node.op, Op::Quantize) { input } else { real(&node.op, input) };
            ((output / y.scale).round_ties_even() as i32).saturating_add(y.zero_point)
        }),
        Arithmetic::Tflite => tflite_byte(graph, node, x, y)?,
    };
    Ok(std::array::from_fn(|i| byte(least + i as i32).clamp(-128, 127) as i8))
}

type Byte = Box<dyn Fn(i32) -> i32>;

fn tflite_byte(graph: &Graph, node: &Node, x: Quantization, y: Quantization) -> Result<Byte, Refusal> {
    let ratio = f64::from(x.scale) / f64::from(y.scale);
    let moved = Multiplier::new(ratio);
    let fixed_output = |scale: f32, zero_point: i32| match (y.scale, y.zero_point) == (scale, zero_point) {
        true => Ok(()),
        false => Err(node.refuse(
            "output scale",
            format!("{} and zero point {}", y.scale, y.zero_point),
            format!("use {scale} and {zero_point}"),
        )),
    };
    Ok(match node.op {
        Op::Clip { activation: Activation::Clip { high, .. } } if high.is_finite() => {
            // RELU6 compares bytes and does not rescale.
            if x != y {
                return Err(node.refuse("output scale", "it differs from the input's", "let the converter fuse the activation"));
            }
            let [low, high] = clamp(graph, node)?;
            Box::new(move |q| q.clamp(low.into(), high.into()))
        }
        Op::Clip { .. } => {
            let [low, high] = clamp(graph, node)?;
            Box::new(move |q| moved.apply(q - x.zero_point).saturating_add(y.zero_point).clamp(low.into(), high.into()))
        }
        Op::Quantize => Box::new(move |q| moved.apply(q - x.zero_point).saturating_add(y.zero_point)),
        Op::LeakyRelu { alpha } => {
            // A negative slope has a negative multiplier.
            let slope = Multiplier::new(f64::from(x.scale) * f64::from(alpha.abs()) / f64::from(y.scale));
            let slope = Multiplier { multiplier: if alpha < 0.0 { -slope.multiplier } else { slope.multiplier }, ..slope };
            Box::new(move |q| {
                let q = q - x.zero_point;
                (if q >= 0 { moved } else { slope }).apply(q).saturating_add(y.zero_point)
            })
        }
        Op::Logistic => {
            fixed_output(1.0 / 256.0, -128)?;
            sigmoid(x, |q4| divide_by_pot(logistic(q4), 23) - 128)
        }
        Op::Tanh => {
            fixed_output(1.0 / 128.0, 0)?;
            sigmoid(x, |q4| divide_by_pot(tanh(q4), 24))
        }
        Op::HardSwish => hard_swish(node, x, y)?,
        _ => return Err(node.refuse("operator", "it has no table", "report this network")),
    })
}

/// A function of a Q4.27 number that is constant beyond +-16.
fn sigmoid(x: Quantization, function: fn(i32) -> i32) -> Byte {
    let multiplier = Multiplier::new(f64::from(x.scale) * f64::from(1 << 27));
    let radius = (15.0 * f64::from(1 << 27) / 2f64.powi(multiplier.shift)).floor() as i32;
    Box::new(move |q| match q - x.zero_point {
        q if q <= radius.saturating_neg() => -128,
        q if q >= radius => 127,
        q => function(multiplier.apply(q)),
    })
}

/// HARD_SWISH in 16-bit fixed point.
fn hard_swish(node: &Node, x: Quantization, y: Quantization) -> Result<Byte, Refusal> {
    let short = |m: Multiplier| (m.multiplier.saturating_add(1 << 15)) >> 16;
    let hires = 1.0 / 128.0 * x.scale;
    let output = Multiplier::new(f64::from(hires / y.scale));
    let reluish = Multiplier::new(f64::from(hires / (3.0 / 32768.0)));
    if output.shift > 0 {
        return Err(node.refuse("output scale", "it is less than 1/128 of the input's", "quantise the network again"));
    }
    let (m, r) = (short(output), short(reluish));
    Ok(Box::new(move |q| {
        let value = (q - x.zero_point) << 7;
        let scaled = high_mul_16(value, m);
        let mut slope = value;
        if reluish.shift > 0 {
            slope = left_16(slope, reluish.shift - 1);
        }
        slope = high_mul_16(slope, r);
        if reluish.shift > 0 {
            slope = left_16(slope, 1);
        } else {
            slope = divide_by_pot(slope, -reluish.shift);
        }
        let slope = (slope + (1 << 15)) >> 1;
        divide_by_pot(slope * scaled / (1 << 15), -output.shift) + y.zero_point
    }))
}

fn left_16(x: i32, shift: i32) -> i32 {
    (i64::from(x) << shift.min(31)).clamp(-(1 << 15), (1 << 15) - 1) as i32
}

/// The upper half of twice the product of 16-bit numbers, to nearest.
fn high_mul_16(a: i32, b: i32) -> i32 {
    if (a, b) == (-(1 << 15), -(1 << 15)) {
        return (1 << 15) - 1;
    }
    let product = a * b;
    (product + if product >= 0 { 1 << 14 } else { 1 - (1 << 14) }) / (1 << 15)
}
