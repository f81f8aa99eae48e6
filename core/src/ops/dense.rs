//! Fully connected layer over a whole feature map, accumulated row by row (ONNX `MatMulInteger`).

use crate::format::Layer;
use crate::kernels::Kernel;
use crate::kernels::scalar::dot;

/// Adds row `y` of the map to the accumulators, one a class.
pub fn accumulate(layer: &Layer<'_>, y: usize, row: &[i8], kernel: &Kernel, accumulators: &mut [i32]) {
    let (map, row_len) = (layer.input.len(), layer.input.row_len());
    if map == 0 {
        return;
    }
    for (sum, weights) in accumulators.iter_mut().zip(layer.weights.chunks_exact(map)) {
        if let Some(w) = weights.get(y * row_len..(y + 1) * row_len) {
            *sum += kernel.dot(row, w);
        }
    }
}

/// Writes what each cell of row `y` adds to each accumulator into `map`, `[class][y][x]`; nothing if `map` is empty.
pub fn explain(layer: &Layer<'_>, y: usize, row: &[i8], map: &mut [i32]) {
    let (height, width, channels) = (layer.input.height as usize, layer.input.width as usize, layer.input.channels as usize);
    if channels == 0 || width == 0 {
        return;
    }
    for (k, cells) in map.chunks_exact_mut((height * width).max(1)).enumerate() {
        let at = (k * height + y) * width;
        let weights = layer.weights.get(at * channels..(at + width) * channels).unwrap_or(&[]);
        let line = cells.get_mut(y * width..(y + 1) * width).unwrap_or(&mut []);
        for ((cell, values), w) in line.iter_mut().zip(row.chunks_exact(channels)).zip(weights.chunks_exact(channels)) {
            *cell = dot(values, w);
        }
    }
}
