//! WebP, lossy and lossless, by `image-webp`.

use super::bmp::reduced;
use super::plane::Plane;
use super::{Decoded, Header, damaged};
use anyhow::Result;
use cxr_core::image::Window;
use image::metadata::Orientation;
use image_webp::{DecodingError, WebPDecoder};
use std::io::Cursor;

/// Most memory for chunks beside the pixels.
const CHUNKS: usize = 2 << 20;

fn open<'a>(bytes: &'a [u8], name: &str) -> Result<WebPDecoder<Cursor<&'a [u8]>>> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| unreadable(name, &error))?;
    decoder.set_memory_limit(CHUNKS);
    Ok(decoder)
}

fn unreadable(name: &str, error: &DecodingError) -> anyhow::Error {
    match error {
        DecodingError::IoError(_) => damaged(name, "WebP", "it breaks off"),
        _ => damaged(name, "WebP", error),
    }
}

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let mut decoder = open(bytes, name)?;
    let (width, height) = decoder.dimensions();
    let exif = decoder.exif_metadata().ok().flatten();
    // In whole macroblocks of 16 x 16. What the decoder holds beside its output: lossless, a copy of four channels;
    // lossy, three planes; for alpha, another lossless picture and its own plane; animated, a frame and a canvas.
    let pixels = u64::from(width.next_multiple_of(16)) * u64::from(height.next_multiple_of(16));
    let output = if decoder.has_alpha() { 4 } else { 3 };
    let beside = match (decoder.is_lossy(), decoder.has_alpha()) {
        (true, false) => 2,
        (true, true) => 7,
        (false, _) => 6,
    };
    let animated = if decoder.is_animated() { 8 } else { 0 };
    Ok(Header {
        width,
        height,
        orientation: exif.and_then(|exif| Orientation::from_exif_chunk(&exif)).unwrap_or(Orientation::NoTransforms),
        sample: 1,
        peak: pixels * (output + beside + animated) + CHUNKS as u64,
    })
}

pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Decoded> {
    let mut decoder = open(bytes, name)?;
    let mut warnings = Vec::new();
    if decoder.is_animated() {
        warnings.push(format!("it is animated, {} frames: the first picture is read", decoder.num_frames()));
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let size = decoder.output_buffer_size().ok_or_else(|| damaged(name, "WebP", "its size is not possible"))?;
    let mut pixels = vec![0; size];
    let read = if decoder.is_animated() { decoder.read_frame(&mut pixels).map(drop) } else { decoder.read_image(&mut pixels) };
    read.map_err(|error| unreadable(name, &error))?;
    let gray = reduced(pixels, channels, &mut warnings);
    Ok(Decoded { plane: Plane::Eight(gray), window: Window::FULL_16, warnings })
}
