//! Softmax along the last axis.

use super::fixed::{Multiplier, divide_by_pot, exp_on_negative_values, high_mul, one_over_one_plus};
use super::numbers;
use crate::ir::{Arithmetic, Graph, Node, Refusal};

/// What TFLite's softmax multiplies differences by, and the least difference that counts.
///
/// # Errors
/// The output has another scale than 1/256 and zero point than -128.
pub fn parameters(graph: &Graph, node: &Node, beta: f32) -> Result<(Multiplier, i32), Refusal> {
    let (x, y) = (numbers::quantization(graph, node, node.inputs[0])?, numbers::quantization(graph, node, node.output)?);
    if (y.scale, y.zero_point) != (1.0 / 256.0, -128) {
        return Err(node.refuse(
            "output scale",
            format!("{} and zero point {}", y.scale, y.zero_point),
            "use 1/256 and -128, as the converter does",
        ));
    }
    // Differences are Q5.26.
    let real = (f64::from(beta) * f64::from(x.scale) * f64::from(1 << 26)).min(f64::from(i32::MAX));
    if real <= 1.0 {
        return Err(node.refuse("input scale", format!("{} is too small", x.scale), "quantise the network again"));
    }
    let multiplier = Multiplier::new(real);
    let radius = (31.0 * f64::from(1 << 26) / 2f64.powi(multiplier.shift)).floor();
    Ok((multiplier, -radius as i32))
}

/// Softmax of bytes.
pub fn softmax_i8(graph: &Graph, node: &Node, beta: f32, x: &[i8]) -> Result<Vec<i8>, Refusal> {
    if graph.arithmetic == Arithmetic::Onnx {
        return Err(node.refuse("operator", "ONNX has no softmax on bytes", "take the network's output before it"));
    }
    let (multiplier, diff_min) = parameters(graph, node, beta)?;
    let depth = *graph.value(node.inputs[0]).shape.last().unwrap_or(&1);
    Ok(x.chunks_exact(depth).flat_map(|row| softmax_row(row, multiplier, diff_min)).collect())
}

fn softmax_row(row: &[i8], multiplier: Multiplier, diff_min: i32) -> Vec<i8> {
    let greatest = row.iter().copied().max().unwrap_or(0);
    let exps: Vec<Option<i32>> = row
        .iter()
        .map(|&q| {
            let difference = i32::from(q) - i32::from(greatest);
            (difference >= diff_min).then(|| {
                let scaled = high_mul(difference.wrapping_shl(multiplier.shift.cast_unsigned()), multiplier.multiplier);
                exp_on_negative_values(scaled, 26)
            })
        })
        .collect();
    // The sum is Q12.19.
    let sum = exps.iter().flatten().fold(0i32, |sum, &e| sum.wrapping_add(divide_by_pot(e, 12)));
    let headroom = sum.leading_zeros();
    let scale = one_over_one_plus((sum.cast_unsigned().wrapping_shl(headroom)).wrapping_sub(1 << 31).cast_signed());
    let exponent = 12 - headroom as i32 + 31 - 8;
    let byte = |e: Option<i32>| e.map_or(-128, |e| (divide_by_pot(high_mul(scale, e), exponent) - 128).clamp(-128, 127) as i8);
    exps.into_iter().map(byte).collect()
}

/// Softmax of floats.
pub fn softmax_f32(beta: f32, x: &[f32], depth: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f32> = row.iter().map(|x| ((x - greatest) * beta).exp()).collect();
        let sum: f32 = exps.iter().sum();
        exps.into_iter().map(move |e| e / sum).collect::<Vec<_>>()
    };
    x.chunks_exact(depth).flat_map(row).collect()
}
