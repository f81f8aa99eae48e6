//! BMP, by the `image` crate.

use super::decoded::{Decoded, Header, of_image_crate};
use super::plane::{Mixer, Plane};
use anyhow::Result;
use cxr_core::image::Window;
use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};
use std::io::Cursor;

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let decoder = open(bytes, name)?;
    let (width, height) = decoder.dimensions();
    // Reduced to gray where it was decoded, then copied; a palette and a row beside it.
    let peak = decoder.total_bytes() + u64::from(width) * u64::from(height) + 16 * u64::from(width) + (64 << 10);
    Ok(Header { width, height, orientation: Orientation::NoTransforms, sample: 1, peak })
}

fn open<'a>(bytes: &'a [u8], name: &str) -> Result<BmpDecoder<Cursor<&'a [u8]>>> {
    BmpDecoder::new(Cursor::new(bytes)).map_err(|error| of_image_crate(name, "BMP", error))
}

pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Decoded> {
    let decoder = open(bytes, name)?;
    let channels = match decoder.color_type() {
        ColorType::L8 => 1,
        ColorType::Rgba8 => 4,
        _ => 3,
    };
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).map_err(|error| of_image_crate(name, "BMP", error))?;
    let mut warnings = Vec::new();
    let gray = reduced(pixels, channels, &mut warnings);
    Ok(Decoded { plane: Plane::Eight(gray), window: Window::FULL_16, warnings })
}

/// Gray in the place of interleaved pixels of 8 bits: no second buffer.
pub(super) fn reduced(mut pixels: Vec<u8>, channels: usize, warnings: &mut Vec<String>) -> Vec<u8> {
    if channels == 1 {
        return pixels;
    }
    let count = pixels.len() / channels;
    // Gray levels before the first visible pixel are stored ones, in place of colours that are gone by then.
    let invisible = channels == 4 && pixels.chunks_exact(4).all(|pixel| pixel[3] == 0);
    let mut mixer = Mixer::default();
    if !invisible {
        mixer.expect_visible();
    }
    for k in 0..count {
        pixels[k] = mixer.mix(&pixels[k * channels..][..channels]);
    }
    pixels.truncate(count);
    pixels.shrink_to_fit();
    warnings.extend(mixer.warning(count));
    pixels
}
