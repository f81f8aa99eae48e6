//! A decoded image: gray or colour at its own size, and how it becomes the network's gray levels.

use super::dicom::Preset;
use super::refusal::{Kind, Refusal, refuse};
use anyhow::{Result, bail};
use cxr_core::image::{MAX_EXTENT, Resizer, Row, Window};
use image::DynamicImage;

/// Most memory that decoding one image may take, in bytes, all that is alive at once: 8192 x 8192 pixels of 16-bit gray,
/// four times over.
pub(super) const MAX_ALLOC: u64 = 512 << 20;

/// A decoded image: decode once, resize to several sizes.
pub struct Image<'n> {
    pub(super) name: &'n str,
    pub(super) format: &'static str,
    pub(super) pixels: DynamicImage,
    /// Of 16-bit samples; those of 8 bits are taken as they are.
    pub(super) window: Window,
    pub(super) presets: Vec<Preset>,
    pub(super) warnings: Vec<String>,
}

impl Image<'_> {
    /// The file format: PNG, JPEG, TIFF, WebP, BMP or DICOM.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// Bits a sample in memory: 8 or 16.
    pub fn bits(&self) -> u32 {
        match self.pixels {
            DynamicImage::ImageLuma16(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => 16,
            _ => 8,
        }
    }

    /// The windows that a DICOM file offers, the one in use first; none for other formats.
    pub fn presets(&self) -> &[Preset] {
        &self.presets
    }

    /// What makes the answer doubtful although the file could be read, a sentence each: torn data, a view or a body
    /// part that is not a frontal chest, values that are not what they are taken for.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.pixels.width(), self.pixels.height())
    }

    /// The pixels at their own size, and the window of 16-bit ones.
    pub fn raw(&self) -> (&DynamicImage, Window) {
        let window = match &self.pixels {
            DynamicImage::ImageLuma16(_) => self.window,
            pixels if pixels.color().bytes_per_pixel() / pixels.color().channel_count() == 2 => Window::FULL_16,
            _ => Window::FULL_8,
        };
        (&self.pixels, window)
    }

    /// Stretches to `width` x `height` gray levels, row by row.
    ///
    /// # Errors
    /// A `width` without a resizer.
    pub fn gray(&self, width: usize, height: usize) -> Result<Vec<u8>> {
        // The resizer's width is a constant so that a device knows its memory; these are the ones in use.
        match width {
            32 => self.resize::<32>(height),
            64 => self.resize::<64>(height),
            96 => self.resize::<96>(height),
            128 => self.resize::<128>(height),
            160 => self.resize::<160>(height),
            192 => self.resize::<192>(height),
            224 => self.resize::<224>(height),
            256 => self.resize::<256>(height),
            320 => self.resize::<320>(height),
            384 => self.resize::<384>(height),
            512 => self.resize::<512>(height),
            _ => bail!("{}: no resizer for width {width}: use 32, 64, 96, 128, 160, 192, 224, 256, 320, 384 or 512", self.name),
        }
    }

    fn resize<const W: usize>(&self, height: usize) -> Result<Vec<u8>> {
        let width = self.pixels.width() as usize;
        match &self.pixels {
            DynamicImage::ImageLuma8(p) => self.push::<W, _>(p, width, height, Window::FULL_8, Row::Gray8),
            DynamicImage::ImageRgb8(p) => self.push::<W, _>(p, width * 3, height, Window::FULL_8, Row::Rgb8),
            DynamicImage::ImageRgba8(p) => self.push::<W, _>(p, width * 4, height, Window::FULL_8, Row::Rgba8),
            DynamicImage::ImageLuma16(p) => self.push::<W, _>(p, width, height, self.window, Row::Gray16),
            DynamicImage::ImageRgb16(p) => self.push::<W, _>(p, width * 3, height, Window::FULL_16, Row::Rgb16),
            DynamicImage::ImageRgba16(p) => self.push::<W, _>(p, width * 4, height, Window::FULL_16, Row::Rgba16),
            _ => refuse!(Unsupported, "{}: this pixel format is not supported: convert it to an 8 or 16-bit PNG", self.name),
        }
    }

    fn push<'a, const W: usize, T>(
        &self,
        pixels: &'a [T],
        stride: usize,
        height: usize,
        window: Window,
        row: fn(&'a [T]) -> Row<'a>,
    ) -> Result<Vec<u8>> {
        let (in_width, in_height) = self.dimensions();
        let refused = |error| {
            let message = format!("{}: {error}: give an image of 1 to {MAX_EXTENT} pixels a side", self.name);
            Refusal::new(Kind::TooLarge, message)
        };
        let mut resizer = Resizer::<W>::new(in_width as usize, in_height as usize, height, window).map_err(refused)?;
        let mut out = Vec::with_capacity(W * height);
        for line in pixels.chunks_exact(stride) {
            resizer.push_row(row(line), |gray| out.extend_from_slice(gray)).map_err(refused)?;
        }
        Ok(out)
    }
}
