//! An image as it goes over the line: gray, 8 or 16 bits, at its own size.
//!
//! Colour becomes luma here, by the resizer's own formula and before its window, where the resizer would do it: the
//! board gets a third of the bytes and computes the same bits.

use crate::decode::Image;
use crate::lungs::SIDE;
use anyhow::{Result, bail};
use cxr_core::image::luma;
use cxr_protocol::message::{Format, Window};
use image::DynamicImage;

/// Pixels to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// [`Format::Gray8`] or [`Format::Gray16`].
    pub format: Format,
    /// Black and white.
    pub window: Window,
    /// Rows from top to bottom, 16-bit values little-endian.
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// A gray picture of [`SIDE`] x [`SIDE`] levels, such as the box of lungs: a board takes it as it is.
    pub fn of_gray(gray: &[u8]) -> Self {
        let (side, window) = (SIDE as u16, Window { low: 0, high: 255, invert: false });
        Self { width: side, height: side, format: Format::Gray8, window, bytes: gray.to_vec() }
    }

    /// The pixels of a decoded image.
    ///
    /// # Errors
    /// A pixel format that `predict` does not take either.
    pub fn new(image: &Image<'_>) -> Result<Self> {
        let (pixels, window) = image.raw();
        let wide = |value: u32| (value as u16).to_le_bytes();
        let (format, bytes) = match pixels {
            DynamicImage::ImageLuma8(p) => (Format::Gray8, p.as_raw().clone()),
            DynamicImage::ImageRgb8(p) => (Format::Gray8, p.pixels().map(|p| luma(&p.0) as u8).collect()),
            DynamicImage::ImageRgba8(p) => (Format::Gray8, p.pixels().map(|p| luma(&p.0) as u8).collect()),
            DynamicImage::ImageLuma16(p) => (Format::Gray16, p.iter().flat_map(|value| value.to_le_bytes()).collect()),
            DynamicImage::ImageRgb16(p) => (Format::Gray16, p.pixels().flat_map(|p| wide(luma(&p.0))).collect()),
            DynamicImage::ImageRgba16(p) => (Format::Gray16, p.pixels().flat_map(|p| wide(luma(&p.0))).collect()),
            _ => bail!("this pixel format is not supported: convert it to an 8 or 16-bit PNG"),
        };
        let (width, height) = image.dimensions();
        let window = Window { low: window.low, high: window.high, invert: window.invert };
        Ok(Self { width: u16::try_from(width)?, height: u16::try_from(height)?, format, window, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxr_core::image::{Resizer, Row};
    use image::{ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
    use std::io::Cursor;

    #[test]
    fn the_board_resizes_what_is_sent_to_what_predict_sees() {
        let value = |x: u32, y: u32, c: u32| (x * 7919 + y * 104_729 + c * 31_337) % 65_536;
        let at = |x, y| [0, 1, 2].map(|c| value(x, y, c) as u16);
        let byte = |x, y| at(x, y).map(|v| (v >> 8) as u8);
        let images: [DynamicImage; 6] = [
            ImageBuffer::from_fn(90, 300, |x, y| Luma([byte(x, y)[0]])).into(),
            ImageBuffer::from_fn(90, 300, |x, y| Rgb(byte(x, y))).into(),
            ImageBuffer::from_fn(300, 90, |x, y| Rgba([byte(x, y)[0], byte(x, y)[1], byte(x, y)[2], 9])).into(),
            ImageBuffer::from_fn(256, 256, |x, y| Luma([at(x, y)[0]])).into(),
            ImageBuffer::from_fn(31, 17, |x, y| Rgb(at(x, y))).into(),
            ImageBuffer::from_fn(500, 20, |x, y| Rgba([at(x, y)[0], at(x, y)[1], at(x, y)[2], 9])).into(),
        ];
        for image in images {
            let mut file = Cursor::new(Vec::new());
            image.write_to(&mut file, ImageFormat::Png).unwrap();
            let decoded = Image::decode(file.get_ref(), "image").unwrap();
            let pixels = Pixels::new(&decoded).unwrap();
            let mut resizer = Resizer::<256>::new(pixels.width.into(), pixels.height.into(), 256, pixels.window.into()).unwrap();
            let mut found = Vec::new();
            for row in pixels.bytes.chunks_exact(usize::from(pixels.width) * pixels.format.bytes()) {
                let words: Vec<u16> = row.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
                let row = if pixels.format == Format::Gray8 { Row::Gray8(row) } else { Row::Gray16(&words) };
                resizer.push_row(row, |row| found.extend_from_slice(row)).unwrap();
            }
            assert_eq!(found, decoded.gray(256, 256).unwrap(), "{:?}", image.color());
        }
    }
}
