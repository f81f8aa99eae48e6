//! Picture files, not DICOM: PNG, JPEG, TIFF, WebP and BMP, all reduced to gray while they are decoded.
//!
//! A format gives its [`Header`] before any pixel is decoded: the extents, and the most bytes that will be alive at
//! once. What would take more than allowed is refused then. Every decoder runs behind [`guarded`].

mod bmp;
mod decoded;
mod format;
mod jpeg;
mod plane;
mod png;
mod range;
mod tiff;
mod tone;
mod webp;

use super::guard::guarded;
use super::raster::Image;
use super::refusal::{REMEDY, refuse, too_large};
use anyhow::Result;
use decoded::{Decoded, Header, damaged};
use format::Format;
use plane::is_transposed;

/// Width and height, from the header and turned by Exif orientation.
pub(super) fn dimensions(bytes: &[u8], name: &str, max_bytes: u64) -> Result<(u32, u32)> {
    let format = recognised(bytes, name)?;
    let header = header(format, bytes, name, max_bytes)?;
    let (width, height) = (header.width, header.height);
    Ok(if is_transposed(header.orientation) { (height, width) } else { (width, height) })
}

/// Decodes and turns by Exif orientation; refuses before it decodes what needs more than `max_bytes`.
pub(super) fn decode<'n>(bytes: &[u8], name: &'n str, max_bytes: u64) -> Result<Image<'n>> {
    let format = recognised(bytes, name)?;
    let header = header(format, bytes, name, max_bytes)?;
    let decode = match format {
        Format::Png => png::decode,
        Format::Jpeg => jpeg::decode,
        Format::Tiff => tiff::decode,
        Format::Bmp => bmp::decode,
        Format::WebP => webp::decode,
    };
    let failed = || damaged(name, format.name(), "its decoder gave up");
    let Decoded { plane, window, warnings } = guarded(|| decode(bytes, name)).unwrap_or_else(|| Err(failed()))?;
    let pixels = plane.into_image(header.width, header.height, header.orientation).ok_or_else(failed)?;
    Ok(Image { name, format: format.name(), pixels, window, presets: Vec::new(), warnings })
}

fn recognised(bytes: &[u8], name: &str) -> Result<Format> {
    if bytes.is_empty() {
        refuse!(Empty, "{name}: empty file: {REMEDY}");
    }
    match Format::of(bytes) {
        Some(format) => Ok(format),
        None => refuse!(NotAnImage, "{name}: {}", format::named(bytes)),
    }
}

/// The header, of a picture that is not too large.
fn header(format: Format, bytes: &[u8], name: &str, max_bytes: u64) -> Result<Header> {
    let read = match format {
        Format::Png => png::header,
        Format::Jpeg => jpeg::header,
        Format::Tiff => tiff::header,
        Format::Bmp => bmp::header,
        Format::WebP => webp::header,
    };
    let failed = || damaged(name, format.name(), "its decoder gave up");
    let header = guarded(|| read(bytes, name)).unwrap_or_else(|| Err(failed()))?;
    if header.width == 0 || header.height == 0 {
        refuse!(Damaged, "{name}: a {} of no pixels: replace the file or leave it out", format.name());
    }
    // Before any pixel is decoded: a few bytes of header can claim gigabytes.
    too_large(name, header.width, header.height, header.needed(), max_bytes)?;
    Ok(header)
}

#[cfg(test)]
mod tests;
