//! Max-pooling (ONNX `MaxPool` on int8, without padding), one output row.

use super::Rows;
use crate::format::Layer;
use crate::shape::Window2d;

/// Computes one output row into `out` (`output width * channels`).
pub fn row(layer: &Layer<'_>, window: Window2d, rows: &Rows<'_>, out: &mut [i8]) {
    let channels = layer.input.channels as usize;
    let (span, step) = (window.kernel[1] as usize * channels, window.stride[1] as usize * channels);
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        pixel.fill(i8::MIN);
        for row in rows {
            if let Some(under) = row.get(x * step..x * step + span) {
                for cell in under.chunks_exact(channels) {
                    for (best, value) in pixel.iter_mut().zip(cell) {
                        *best = (*best).max(*value);
                    }
                }
            }
        }
    }
}
