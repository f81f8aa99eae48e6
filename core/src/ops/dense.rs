//! Fully connected layer over a whole feature map, accumulated row by row (ONNX `MatMulInteger`).

use crate::format::Layer;
use crate::kernels::{Kernel, dot};

/// Adds row `y` of the map to the accumulators, one a class; none where there are no weights for it.
pub fn accumulate(layer: &Layer<'_>, y: usize, row: &[i8], kernel: &Kernel, accumulators: &mut [i32]) -> Option<()> {
    let (map, row_len) = (layer.input.len().max(1), layer.input.row_len());
    if layer.groups > 1 {
        let channels = (layer.input.channels as usize).max(1);
        for (sum, weights) in accumulators.iter_mut().zip(layer.weights.chunks_exact(channels)) {
            for cell in row.chunks_exact(channels) {
                *sum += kernel.dot(cell, weights);
            }
        }
        return Some(());
    }
    for (sum, weights) in accumulators.iter_mut().zip(layer.weights.chunks_exact(map)) {
        *sum += kernel.dot(row, weights.get(y * row_len..(y + 1) * row_len)?);
    }
    Some(())
}

/// Writes what each cell of row `y` adds to each accumulator into `map`, `[class][y][x]`; nothing if `map` is empty.
pub fn explain(layer: &Layer<'_>, y: usize, row: &[i8], map: &mut [i32]) {
    let (height, width, channels) = (layer.input.height as usize, layer.input.width as usize, layer.input.channels as usize);
    if channels == 0 || width == 0 {
        return;
    }
    for (k, cells) in map.chunks_exact_mut((height * width).max(1)).enumerate() {
        // Where the weights of the row's first cell are, and how far it is to the next cell's.
        let (first, step) = if layer.groups > 1 { (k * channels, 0) } else { ((k * height + y) * width * channels, channels) };
        let line = cells.get_mut(y * width..(y + 1) * width).unwrap_or(&mut []);
        for (x, (cell, values)) in line.iter_mut().zip(row.chunks_exact(channels)).enumerate() {
            let at = first + x * step;
            *cell = dot(values, layer.weights.get(at..at + channels).unwrap_or(&[]));
        }
    }
}
