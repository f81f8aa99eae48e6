//! Picture files, not DICOM: PNG, JPEG, TIFF, BMP.

use super::{Image, Kind, REMEDY, Refusal, refuse, too_large};
use anyhow::Result;
use cxr_core::image::Window;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Width and height, from the header and turned by Exif orientation.
pub(super) fn dimensions(bytes: &[u8], name: &str, max_bytes: u64) -> Result<(u32, u32)> {
    let (decoder, orientation, _) = open(bytes, name, max_bytes)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    Ok(if turned { (height, width) } else { (width, height) })
}

/// Decodes and turns by Exif orientation; refuses before it decodes what needs more than `max_bytes`.
pub(super) fn decode<'n>(bytes: &[u8], name: &'n str, max_bytes: u64) -> Result<Image<'n>> {
    let (decoder, orientation, format) = open(bytes, name, max_bytes)?;
    let mut pixels = DynamicImage::from_decoder(decoder).map_err(|error| {
        Refusal::new(Kind::Damaged, format!("{name}: damaged image ({error}): replace the file or leave it out"))
    })?;
    pixels.apply_orientation(orientation);
    // Gray with alpha has no row type of its own; all others are read in place.
    let pixels = match pixels {
        DynamicImage::ImageLumaA8(_) => DynamicImage::ImageLuma8(pixels.into_luma8()),
        DynamicImage::ImageLumaA16(_) => DynamicImage::ImageLuma16(pixels.into_luma16()),
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
            refuse!(Unsupported, "{name}: floating-point pixels have no black and white: convert it to an 8 or 16-bit PNG")
        }
        other => other,
    };
    Ok(Image { name, format, pixels, window: Window::FULL_16, presets: Vec::new(), warnings: Vec::new() })
}

/// A decoder held to the limits, the Exif orientation and the format's name.
fn open<'a>(bytes: &'a [u8], name: &str, max_bytes: u64) -> Result<(impl ImageDecoder + 'a, Orientation, &'static str)> {
    if bytes.is_empty() {
        refuse!(Empty, "{name}: empty file: {REMEDY}");
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = match reader.format() {
        Some(ImageFormat::Png) => "PNG",
        Some(ImageFormat::Jpeg) => "JPEG",
        Some(ImageFormat::Tiff) => "TIFF",
        Some(ImageFormat::Bmp) => "BMP",
        _ => refuse!(NotAnImage, "{name}: not an image: {REMEDY}"),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_bytes);
    reader.limits(limits);
    let unreadable = |error: image::ImageError| {
        let kind = if matches!(error, image::ImageError::Limits(_)) { Kind::TooLarge } else { Kind::Damaged };
        Refusal::new(kind, format!("{name}: not an image that can be read ({error}): {REMEDY}"))
    };
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    // Before any pixel is decoded: a few bytes of header can claim gigabytes.
    too_large(name, width, height, decoder.total_bytes(), max_bytes)?;
    // An unreadable Exif block is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation, format))
}
