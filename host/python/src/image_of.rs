//! Images as they come from Python: files held in memory, and arrays of pixels.

use crate::error::ImageError;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The bytes of an image file: `bytes` and the like are one; an array becomes one.
///
/// An array is what a PNG of it would be, so that there is one rule for what is black and white; docs/serve.md has it.
pub(crate) fn file(image: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = image.py();
    if let Ok(buffer) = PyBuffer::<u8>::get(image) {
        let values = || buffer.to_vec(py);
        return match *buffer.shape() {
            [_] => values(),
            [rows, columns] => png(rows, columns, &values()?, ExtendedColorType::L8),
            [rows, columns, 3] => png(rows, columns, &values()?, ExtendedColorType::Rgb8),
            _ => Err(shape(buffer.shape())),
        };
    }
    if let Ok(buffer) = PyBuffer::<u16>::get(image) {
        let bytes: Vec<u8> = buffer.to_vec(py)?.into_iter().flat_map(u16::to_ne_bytes).collect();
        return match *buffer.shape() {
            [rows, columns] => png(rows, columns, &bytes, ExtendedColorType::L16),
            [rows, columns, 3] => png(rows, columns, &bytes, ExtendedColorType::Rgb16),
            _ => Err(shape(buffer.shape())),
        };
    }
    Err(PyTypeError::new_err(
        "an image is a file as bytes, or an array of uint8 or uint16 with the shape (rows, columns) or (rows, columns, 3)",
    ))
}

fn shape(shape: &[usize]) -> PyErr {
    ImageError::new_err(format!(
        "an array of shape {shape:?}: give (rows, columns), or (rows, columns, 3) of red, green and blue"
    ))
}

fn png(rows: usize, columns: usize, values: &[u8], colour: ExtendedColorType) -> PyResult<Vec<u8>> {
    let extent = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
    let (Some(width), Some(height)) = (extent(columns), extent(rows)) else { return Err(shape(&[rows, columns])) };
    let mut file = Vec::with_capacity(values.len() + values.len() / 64 + 256);
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Uncompressed, FilterType::NoFilter);
    let written = encoder.write_image(values, width, height, colour);
    written.map_err(|error| ImageError::new_err(format!("an array that is no image: {error}")))?;
    Ok(file)
}
