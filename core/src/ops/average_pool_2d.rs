//! Means: over a window (as `QLinearConv` with weights of 1), over the whole map, and the sums that they share.

use super::Rows;
use crate::format::Layer;
use crate::plan::SUM;
use crate::quant::requantize;
use crate::shape::Window2d;

/// Computes one output row into `out` (`output width * channels`); false where a row is short.
pub fn row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, out: &mut [i8]) -> bool {
    let channels = (layer.input.channels as usize).max(1);
    let (span, step) = (window.kernel[1] as usize * channels, window.stride[1] as usize * channels);
    let end = (layer.output.width as usize).saturating_sub(1) * step + span;
    if rows.iter().any(|row| row.len() < end) {
        return false;
    }
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        for (c, q) in pixel.iter_mut().enumerate() {
            let windows = rows.iter().map(|row| row.get(x * step..x * step + span).unwrap_or(&[]));
            let values = windows.flat_map(|under| under.iter().skip(c).step_by(channels));
            let sum: i32 = values.map(|v| i32::from(*v)).sum();
            *q = requantize(sum + layer.bias_at(0), layer.scale_at(0), layer.output_zero_point);
        }
    }
    true
}

/// Adds the cells of a row to running sums, one a channel, kept as little-endian bytes in the arena.
pub fn add_cells(row: &[i8], sums: &mut [i8]) {
    let channels = (sums.len() / SUM).max(1);
    for (c, sum) in sums.chunks_exact_mut(SUM).enumerate() {
        let total = load(sum) + row.iter().skip(c).step_by(channels).map(|v| i32::from(*v)).sum::<i32>();
        for (byte, value) in sum.iter_mut().zip(total.to_le_bytes()) {
            *byte = value as i8;
        }
    }
}

/// Reads the running sums.
pub fn sums(sums: &[i8]) -> impl Iterator<Item = i32> + Clone {
    sums.chunks_exact(SUM).map(load)
}

/// Requantises the sums of a whole map into `out`, one value a channel.
pub fn global(layer: &Layer<'_>, running: &[i8], out: &mut [i8]) {
    for (q, sum) in out.iter_mut().zip(sums(running)) {
        *q = requantize(sum + layer.bias_at(0), layer.scale_at(0), layer.output_zero_point);
    }
}

fn load(bytes: &[i8]) -> i32 {
    match bytes {
        [a, b, c, d] => i32::from_le_bytes([*a as u8, *b as u8, *c as u8, *d as u8]),
        _ => 0,
    }
}
