//! Max-pooling (ONNX `MaxPool` on int8, without padding, and `GlobalMaxPool`), an input row at a time.

use crate::shape::Window2d;

/// Takes the maxima of an input row under each horizontal window into `best` (`output width * channels`), on top of what
/// is there.
pub fn fold(window: Window2d, channels: usize, row: &[i8], best: &mut [i8]) {
    let channels = channels.max(1);
    let (span, step) = (window.kernel[1] as usize * channels, window.stride[1] as usize * channels);
    for (x, pixel) in best.chunks_exact_mut(channels).enumerate() {
        if let Some(under) = row.get(x * step..x * step + span) {
            fold_all(under, pixel);
        }
    }
}

/// Takes the maxima over all cells of a row into `best` (one value a channel), on top of what is there.
pub fn fold_all(row: &[i8], best: &mut [i8]) {
    for cell in row.chunks_exact(best.len().max(1)) {
        for (best, value) in best.iter_mut().zip(cell) {
            *best = (*best).max(*value);
        }
    }
}
