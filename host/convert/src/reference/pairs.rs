//! Operators on two elements.

use super::elementwise::clip;
use super::numbers;
use crate::ir::{Arithmetic, Graph, Node, Op, Refusal};

/// Sum or product of bytes; `b` repeats where it is shorter.
pub fn pair_i8(graph: &Graph, node: &Node, a: &[i8], b: &[i8]) -> Result<Vec<i8>, Refusal> {
    let (x, z) = (numbers::quantization(graph, node, node.inputs[0])?, numbers::quantization(graph, node, node.inputs[1])?);
    let y = numbers::quantization(graph, node, node.output)?;
    let [low, high] = numbers::clamp(graph, node)?;
    let sum = matches!(node.op, Op::Add { .. });
    let byte: Box<dyn Fn(i32, i32) -> i32> = match graph.arithmetic {
        Arithmetic::Tflite if sum => {
            let [first, second, output] = numbers::add_multipliers(graph, node)?;
            Box::new(move |a, b| output.apply(first.apply(a << 20) + second.apply(b << 20)))
        }
        Arithmetic::Tflite => {
            let multiplier = numbers::mul_multiplier(graph, node)?;
            Box::new(move |a, b| multiplier.apply(a * b))
        }
        Arithmetic::Onnx => Box::new(move |a, b| {
            let (a, b) = (a as f32 * x.scale, b as f32 * z.scale);
            ((if sum { a + b } else { a * b }) / y.scale).round_ties_even() as i32
        }),
    };
    let pairs = a.iter().zip(b.iter().cycle());
    let one = |(&a, &b): (&i8, &i8)| {
        let q = byte(i32::from(a) - x.zero_point, i32::from(b) - z.zero_point);
        q.saturating_add(y.zero_point).clamp(low.into(), high.into()) as i8
    };
    Ok(pairs.map(one).collect())
}

/// Sum or product of floats; `b` repeats where it is shorter.
pub fn pair_f32(op: &Op, a: &[f32], b: &[f32]) -> Vec<f32> {
    let pairs = a.iter().zip(b.iter().cycle());
    match *op {
        Op::Add { activation } => pairs.map(|(a, b)| clip(a + b, activation)).collect(),
        Op::Mul { activation } => pairs.map(|(a, b)| clip(a * b, activation)).collect(),
        _ => Vec::new(),
    }
}
