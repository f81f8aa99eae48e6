//! WebP, lossy and lossless, by `image-webp`.

use super::bmp::reduced;
use super::decoded::{Decoded, Header, damaged};
use super::plane::Plane;
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

/// True where no frame is larger than the canvas: the decoder makes room for what each frame says.
pub(super) fn frames_fit(bytes: &[u8], width: usize, height: usize) -> bool {
    let (mut at, mut fit) = (12, true);
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = &bytes[at + 8..];
        let word = |at: usize| body.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
        let size = match &head[..4] {
            // Width and height of 14 bits after the start code; lossless, less one, after the signature.
            b"VP8 " => (word(6) & 0x3fff, word(8) & 0x3fff),
            b"VP8L" => {
                let bits = word(1) | word(3) << 16;
                ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
            }
            // A frame of an animation holds such chunks.
            b"ANMF" => {
                at += 8 + 16;
                continue;
            }
            _ => (0, 0),
        };
        fit &= size.0 <= width && size.1 <= height;
        at = at.saturating_add(8).saturating_add(length).saturating_add(length & 1);
    }
    fit
}

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let mut decoder = open(bytes, name)?;
    let (width, height) = decoder.dimensions();
    if !frames_fit(bytes, width as usize, height as usize) {
        return Err(damaged(name, "WebP", "a frame is larger than the picture"));
    }
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

#[cfg(test)]
mod tests {
    use super::frames_fit;

    #[test]
    fn a_frame_larger_than_its_canvas_does_not_fit() {
        let lossy = |width: u16, height: u16| {
            let body = [&[0, 0, 0, 0x9d, 1, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes()].concat();
            [&b"RIFF\0\0\0\0WEBPVP8 "[..], &10u32.to_le_bytes(), &body].concat()
        };
        assert!(frames_fit(&lossy(30, 20), 30, 20));
        assert!(!frames_fit(&lossy(31, 20), 30, 20) && !frames_fit(&lossy(30, 16_000), 30, 20));
        let bits: u32 = 29 | 19 << 14;
        let lossless = [&b"RIFF\0\0\0\0WEBPVP8L\x05\0\0\0\x2f"[..], &bits.to_le_bytes()].concat();
        assert!(frames_fit(&lossless, 30, 20) && !frames_fit(&lossless, 29, 20));
        let frame = [&b"RIFF\0\0\0\0WEBPANMF\x28\0\0\0"[..], &[0; 16], &lossy(31, 20)[12..]].concat();
        assert!(!frames_fit(&frame, 30, 20));
    }
}
