//! DICOM files: one frame of MONOCHROME1, MONOCHROME2, RGB or YBR_FULL; uncompressed, JPEG or RLE.
//!
//! The data set is walked as a flat stream of tokens, so that neither nesting nor declared lengths cost stack or memory,
//! and only the elements that describe pixels are read: names and dates of patients never enter memory structures.

mod header;
mod pixels;
mod voi;

pub use voi::Preset;

use super::{Image, Kind, Refusal, refuse, too_large};
use anyhow::Result;
use cxr_core::image::Window;
use header::Header;
use image::{DynamicImage, GrayImage, ImageBuffer, RgbImage};

/// True for the 128-byte preamble and its magic.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Width and height, from the header.
pub(super) fn dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32)> {
    let header = Header::read(bytes, name)?;
    Ok((header.columns.into(), header.rows.into()))
}

/// Decodes the only frame; gray keeps its 16 bits and gets the file's window.
pub(super) fn decode<'n>(bytes: &[u8], name: &'n str, max_bytes: u64) -> Result<Image<'n>> {
    let header = Header::read(bytes, name)?;
    let (width, height) = (u32::from(header.columns), u32::from(header.rows));
    if width == 0 || height == 0 {
        refuse!(Damaged, "{name}: a DICOM image of {width} x {height} pixels: replace the file or leave it out");
    }
    // The decoded bytes and the samples made of them.
    let samples = u64::from(width) * u64::from(height) * u64::from(header.samples_per_pixel);
    too_large(name, width, height, samples * (u64::from(header.bits_allocated) / 8 + 2), max_bytes)?;
    let raw = pixels::decode(&header, bytes, name)?;
    let misfit = || Refusal::new(Kind::Damaged, format!("{name}: damaged DICOM pixels: replace the file or leave it out"));
    let whole =
        Image { name, format: "DICOM", pixels: DynamicImage::new_luma8(1, 1), window: Window::FULL_16, presets: Vec::new() };
    match header.photometric.as_str() {
        "MONOCHROME1" | "MONOCHROME2" => {
            let gray = voi::window(&header, pixels::samples(&header, &raw));
            let pixels = ImageBuffer::from_raw(width, height, gray.samples).ok_or_else(misfit)?;
            Ok(Image { pixels: DynamicImage::ImageLuma16(pixels), window: gray.window, presets: gray.presets, ..whole })
        }
        // Luma is the first of three planes or the first of each three bytes; uncompressed alone.
        "YBR_FULL" if header.syntax.is_native() => {
            let count = raw.len() / 3;
            let luma = if header.planar { raw[..count].to_vec() } else { raw.iter().step_by(3).copied().collect() };
            Ok(Image { pixels: GrayImage::from_raw(width, height, luma).ok_or_else(misfit)?.into(), ..whole })
        }
        _ => {
            let rgb = if header.planar && !header.syntax.is_jpeg() { pixels::interleave(&raw) } else { raw };
            Ok(Image { pixels: RgbImage::from_raw(width, height, rgb).ok_or_else(misfit)?.into(), ..whole })
        }
    }
}
