//! Fully connected layer over a whole feature map, accumulated row by row (ONNX `MatMulInteger`).

use crate::format::Layer;
use crate::kernels::scalar::dot;

/// Adds row `y` of the map to the accumulators, one a class.
pub fn accumulate(layer: &Layer<'_>, y: usize, row: &[i8], accumulators: &mut [i32]) {
    let (map, row_len) = (layer.input.len(), layer.input.row_len());
    if map == 0 {
        return;
    }
    for (sum, weights) in accumulators.iter_mut().zip(layer.weights.chunks_exact(map)) {
        if let Some(w) = weights.get(y * row_len..(y + 1) * row_len) {
            *sum += dot(row, w);
        }
    }
}
