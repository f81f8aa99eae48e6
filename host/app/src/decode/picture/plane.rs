//! Gray levels as they are decoded: colour becomes luma and alpha is composed row by row, so that no second picture is
//! ever in memory.

use cxr_core::image::luma;
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};

/// A sample of 8 or 16 bits.
pub(super) trait Sample: Copy + Default + Ord {
    /// White.
    const WHITE: u32;
    fn wide(self) -> u32;
    fn narrow(value: u32) -> Self;
}

impl Sample for u8 {
    const WHITE: u32 = 255;
    fn wide(self) -> u32 {
        self.into()
    }
    fn narrow(value: u32) -> Self {
        value as u8
    }
}

impl Sample for u16 {
    const WHITE: u32 = 65_535;
    fn wide(self) -> u32 {
        self.into()
    }
    fn narrow(value: u32) -> Self {
        value as u16
    }
}

/// What happens to the alpha of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alpha {
    /// The colour is composed over the background.
    #[default]
    Compose,
    /// The stored colour is over black already.
    Composed,
    /// Left out.
    Ignore,
}

/// Makes a gray level of the channels of a pixel: gray, gray and alpha, RGB or RGBA.
#[derive(Clone, Debug, Default)]
pub(super) struct Mixer {
    alpha: Alpha,
    /// R, G and B; black by default.
    background: [u32; 3],
    /// Pixels that are not opaque.
    hidden: usize,
    /// Some pixel had an alpha above zero. Until then stored colours are taken, for a picture that is transparent
    /// everywhere is a writer's mistake.
    visible: bool,
    /// Some pixel had an alpha of zero.
    invisible: bool,
}

impl Mixer {
    /// Of the sort of alpha and the background, in the samples' range.
    pub(super) fn new(alpha: Alpha, background: [u32; 3]) -> Self {
        Self { alpha, background, ..Self::default() }
    }

    /// One pixel of 1 to 4 channels.
    #[inline]
    pub(super) fn mix<T: Sample>(&mut self, pixel: &[T]) -> T {
        match *pixel {
            [gray] => gray,
            [gray, alpha] => self.over([gray; 3], alpha, |[gray, ..]| gray.wide()),
            [r, g, b] => T::narrow(luma(&[r, g, b].map(T::wide))),
            [r, g, b, alpha, ..] => self.over([r, g, b], alpha, |rgb| luma(&rgb.map(T::wide))),
            [] => T::default(),
        }
    }

    fn over<T: Sample>(&mut self, colour: [T; 3], alpha: T, gray: impl Fn([T; 3]) -> u32) -> T {
        let alpha = alpha.wide();
        let stored = gray(colour);
        if self.alpha == Alpha::Ignore {
            return T::narrow(stored);
        }
        if alpha == T::WHITE {
            self.visible = true;
            return T::narrow(stored);
        }
        if self.alpha == Alpha::Composed {
            self.hidden += 1;
            return T::narrow(stored);
        }
        let shown = match alpha {
            0 => gray(self.background.map(T::narrow)),
            _ => gray([0, 1, 2].map(|k| {
                // 65535 * 65535 fits 32 bits; the two products together do not.
                let sum = u64::from(colour[k].wide()) * u64::from(alpha)
                    + u64::from(self.background[k]) * u64::from(T::WHITE - alpha)
                    + u64::from(T::WHITE / 2);
                T::narrow((sum / u64::from(T::WHITE)) as u32)
            })),
        };
        self.visible |= alpha > 0;
        self.invisible |= alpha == 0;
        self.hidden += 1;
        T::narrow(if self.visible { shown } else { stored })
    }

    /// Says beforehand that some pixel has an alpha above zero.
    pub(super) fn expect_visible(&mut self) {
        self.visible = true;
    }

    /// Writes a row: calls `row` with the picture so far, and once more where it held the first pixel that is not
    /// transparent: what stands before that in `plane` becomes background.
    pub(super) fn write<T: Sample>(&mut self, plane: &mut [T], mut row: impl FnMut(&mut Self, &mut [T])) {
        let before = (self.visible, self.hidden);
        row(self, plane);
        if !before.0 && self.visible && self.invisible && self.alpha == Alpha::Compose {
            plane.fill(T::narrow(luma(&self.background)));
            self.hidden = before.1;
            row(self, plane);
        }
    }

    /// The sentence that transparent places deserve, of `pixels` in all.
    pub(super) fn warning(&self, pixels: usize) -> Option<String> {
        if self.alpha == Alpha::Compose && self.invisible && !self.visible {
            return Some("its alpha channel makes all of it transparent and was left out".to_owned());
        }
        let share = (100.0 * self.hidden as f64 / pixels.max(1) as f64).max(0.1);
        let ground = if self.background == [0; 3] { "black" } else { "the background that the file names" };
        (self.hidden > 0).then(|| {
            format!(
                "{share:.1} % of its pixels are transparent: they are shown over {ground}, not in colours that may be stored under them"
            )
        })
    }
}

/// A gray picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    /// Eight bits.
    Eight(Vec<u8>),
    /// Sixteen bits.
    Sixteen(Vec<u16>),
}

impl Plane {
    /// As an image of `width` x `height`, turned; none where the number of samples is another.
    pub(super) fn into_image(self, width: u32, height: u32, orientation: Orientation) -> Option<DynamicImage> {
        let (across, down) = if is_transposed(orientation) { (height, width) } else { (width, height) };
        Some(match self {
            Self::Eight(samples) => {
                let samples = turned(samples, width as usize, height as usize, orientation);
                DynamicImage::ImageLuma8(ImageBuffer::from_raw(across, down, samples)?)
            }
            Self::Sixteen(samples) => {
                let samples = turned(samples, width as usize, height as usize, orientation);
                DynamicImage::ImageLuma16(ImageBuffer::from_raw(across, down, samples)?)
            }
        })
    }
}

/// True where rows become columns.
pub(super) fn is_transposed(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Mirrors in place; a picture whose rows become columns is copied once.
fn turned<T: Sample>(mut samples: Vec<T>, width: usize, height: usize, orientation: Orientation) -> Vec<T> {
    if width == 0 || samples.len() != width * height {
        return samples;
    }
    if is_transposed(orientation) {
        let mut out = vec![T::default(); samples.len()];
        // In tiles, so that neither side leaves the cache at each step.
        const TILE: usize = 32;
        for y0 in (0..height).step_by(TILE) {
            for x0 in (0..width).step_by(TILE) {
                for y in y0..(y0 + TILE).min(height) {
                    for x in x0..(x0 + TILE).min(width) {
                        out[x * height + y] = samples[y * width + x];
                    }
                }
            }
        }
        // The transposed picture is `height` wide; one mirroring makes each of the four of it.
        return match orientation {
            Orientation::Rotate90 => turned(out, height, width, Orientation::FlipHorizontal),
            Orientation::Rotate270 => turned(out, height, width, Orientation::FlipVertical),
            Orientation::Rotate270FlipH => turned(out, height, width, Orientation::Rotate180),
            _ => out,
        };
    }
    match orientation {
        Orientation::FlipHorizontal => samples.chunks_exact_mut(width).for_each(<[T]>::reverse),
        Orientation::Rotate180 => samples.reverse(),
        Orientation::FlipVertical => {
            for y in 0..height / 2 {
                let (above, below) = samples.split_at_mut((height - 1 - y) * width);
                above[y * width..][..width].swap_with_slice(&mut below[..width]);
            }
        }
        _ => {}
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_is_that_of_the_image_crate() {
        for value in 1..=8 {
            let orientation = Orientation::from_exif(value).unwrap();
            for (width, height) in [(1, 1), (3, 2), (40, 70), (64, 64), (5, 1)] {
                let samples: Vec<u16> = (0..width * height).map(|k| (k * 7 + k / 3) as u16).collect();
                let mut expected = DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, samples.clone()).unwrap());
                expected.apply_orientation(orientation);
                let found = Plane::Sixteen(samples).into_image(width, height, orientation).unwrap();
                assert_eq!(found, expected, "{orientation:?} {width}x{height}");
            }
        }
    }

    fn mixed(mixer: &mut Mixer, pixels: &[[u8; 2]]) -> Vec<u8> {
        let mut plane = vec![0; pixels.len()];
        for (k, pixel) in pixels.iter().enumerate() {
            mixer.write(&mut plane, |mixer, plane| plane[k] = mixer.mix(pixel));
        }
        plane
    }

    #[test]
    fn alpha_is_composed_over_the_background() {
        let mut opaque = Mixer::default();
        assert_eq!((mixed(&mut opaque, &[[200, 255], [9, 255]]), opaque.warning(2)), (vec![200, 9], None));
        let mut mixer = Mixer::default();
        assert_eq!(mixed(&mut mixer, &[[200, 0], [80, 0], [200, 51], [7, 255]]), [0, 0, 40, 7]);
        assert!(mixer.warning(4).unwrap().starts_with("75.0 % of its pixels are transparent"));
        assert_eq!(mixer.mix(&[255u8, 255, 255, 51]), 51);
        assert_eq!(mixer.mix(&[65_535u16, 51 * 257]), 51 * 257);
        let mut white = Mixer::new(Alpha::Compose, [255; 3]);
        assert_eq!(mixed(&mut white, &[[0, 0], [0, 128]]), [255, 127]);
        let mut none = Mixer::new(Alpha::Ignore, [0; 3]);
        assert_eq!((mixed(&mut none, &[[9, 0]]), none.warning(1)), (vec![9], None));
    }

    #[test]
    fn a_picture_that_is_transparent_everywhere_is_shown_as_it_is_stored() {
        let mut mixer = Mixer::default();
        assert_eq!(mixed(&mut mixer, &[[200, 0], [80, 0]]), [200, 80]);
        assert!(mixer.warning(2).unwrap().contains("alpha channel"));
    }
}
