//! A small gray copy of an image for people to look at; the network never sees it.

use super::Image;
use cxr_core::image::Window;
use image::imageops::thumbnail;
use image::{DynamicImage, ImageBuffer, Luma};

/// A reduced image in its own depth, not yet windowed, so that a viewer can choose the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples, row by row, top to bottom.
    pub samples: Samples,
    /// The window with which the classifier reads the samples.
    pub window: Window,
}

/// The samples of a [`Thumbnail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Eight bits.
    Eight(Vec<u8>),
    /// Sixteen bits.
    Sixteen(Vec<u16>),
}

impl Image<'_> {
    /// Shrinks to at most `longest` pixels a side, keeping the proportions; never enlarges.
    pub fn thumbnail(&self, longest: u32) -> Thumbnail {
        let (width, height) = self.dimensions();
        let scale = |side: u32| {
            let sides = u64::from(width.max(height));
            if sides <= u64::from(longest) { side } else { ((u64::from(side) * u64::from(longest)) / sides).max(1) as u32 }
        };
        let (width, height) = (scale(width), scale(height));
        let samples = match &self.pixels {
            DynamicImage::ImageLuma8(pixels) => Samples::Eight(thumbnail(pixels, width, height).into_raw()),
            DynamicImage::ImageLuma16(pixels) => Samples::Sixteen(thumbnail(pixels, width, height).into_raw()),
            DynamicImage::ImageRgb16(pixels) => Samples::Sixteen(luma_16(thumbnail(pixels, width, height).pixels().map(|p| p.0))),
            DynamicImage::ImageRgba16(pixels) => {
                Samples::Sixteen(luma_16(thumbnail(pixels, width, height).pixels().map(|p| [p.0[0], p.0[1], p.0[2]])))
            }
            DynamicImage::ImageRgb8(pixels) => Samples::Eight(luma_8(thumbnail(pixels, width, height).pixels().map(|p| p.0))),
            DynamicImage::ImageRgba8(pixels) => {
                Samples::Eight(luma_8(thumbnail(pixels, width, height).pixels().map(|p| [p.0[0], p.0[1], p.0[2]])))
            }
            other => {
                let gray: ImageBuffer<Luma<u8>, _> = other.to_luma8();
                Samples::Eight(thumbnail(&gray, width, height).into_raw())
            }
        };
        let window = if matches!(samples, Samples::Eight(_)) { Window::FULL_8 } else { self.window };
        Thumbnail { width, height, samples, window }
    }
}

/// The weights of `cxr_core::image`.
fn luma([r, g, b]: [u32; 3]) -> u32 {
    (77 * r + 150 * g + 29 * b + 128) >> 8
}

fn luma_8(pixels: impl Iterator<Item = [u8; 3]>) -> Vec<u8> {
    pixels.map(|p| luma(p.map(u32::from)) as u8).collect()
}

fn luma_16(pixels: impl Iterator<Item = [u16; 3]>) -> Vec<u16> {
    pixels.map(|p| luma(p.map(u32::from)) as u16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pixels: DynamicImage, window: Window) -> Thumbnail {
        Image { name: "x", format: "PNG", pixels, window, presets: Vec::new(), warnings: Vec::new() }.thumbnail(50)
    }

    #[test]
    fn proportions_and_depth_are_kept() {
        let wide = of(DynamicImage::new_luma16(200, 100), Window { low: 5, high: 9, invert: true });
        assert_eq!((wide.width, wide.height), (50, 25));
        assert_eq!(wide.window, Window { low: 5, high: 9, invert: true });
        assert_eq!(wide.samples, Samples::Sixteen(vec![0; 50 * 25]));
        let small = of(DynamicImage::new_rgb8(30, 20), Window::FULL_16);
        assert_eq!((small.width, small.height, small.window), (30, 20, Window::FULL_8));
        let thin = of(DynamicImage::new_rgba16(8000, 2), Window::FULL_16);
        assert_eq!((thin.width, thin.height), (50, 1));
        let white = of(DynamicImage::ImageRgb8(image::RgbImage::from_pixel(3, 3, image::Rgb([255; 3]))), Window::FULL_16);
        assert_eq!(white.samples, Samples::Eight(vec![255; 9]));
    }
}
