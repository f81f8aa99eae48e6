//! Rows as they are stored, and how stored values become gray levels.

use crate::error::Error;

/// Fraction steps of a gray level between the passes.
pub(super) const STEPS: u32 = 16;

/// One row of an image, channels interleaved. Colour becomes luma (77 R + 150 G + 29 B) / 256; alpha is ignored.
///
/// ```
/// use rownet::image::{Resizer, Row, Window};
/// let mut resizer = Resizer::<2>::new(2, 1, 1, Window::FULL_8)?;
/// resizer.push_row(Row::Rgb8(&[90, 90, 90, 255, 0, 0]), |row| assert_eq!(row, &[90, 77]))?;
/// # Ok::<(), rownet::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// 8-bit gray.
    Gray8(&'a [u8]),
    /// 16-bit gray.
    Gray16(&'a [u16]),
    /// 8-bit RGB.
    Rgb8(&'a [u8]),
    /// 16-bit RGB.
    Rgb16(&'a [u16]),
    /// 8-bit RGB with alpha.
    Rgba8(&'a [u8]),
    /// 16-bit RGB with alpha.
    Rgba16(&'a [u16]),
    /// A camera's 5 bits red, 6 green, 5 blue, from the highest bit on: `v << 3 | v >> 2` and `v << 2 | v >> 4` of 8 bits.
    Rgb565(&'a [u16]),
    /// A camera's YUV 4:2:2, full range (JPEG's): Y0 U Y1 V for two pixels. Gray is Y. Of an odd width the last Y1 is not read.
    Yuyv(&'a [u8]),
    /// The same in the order U Y0 V Y1.
    Uyvy(&'a [u8]),
}

impl Row<'_> {
    /// Values given, and those of a row of so many pixels.
    pub(super) const fn lengths(&self, width: usize) -> (usize, usize) {
        match self {
            Row::Gray8(r) => (r.len(), width),
            Row::Gray16(r) | Row::Rgb565(r) => (r.len(), width),
            Row::Rgb8(r) => (r.len(), 3 * width),
            Row::Rgb16(r) => (r.len(), 3 * width),
            Row::Rgba8(r) => (r.len(), 4 * width),
            Row::Rgba16(r) => (r.len(), 4 * width),
            Row::Yuyv(r) | Row::Uyvy(r) => (r.len(), width.next_multiple_of(2) * 2),
        }
    }

    /// Writes the row as 8-bit RGB, of which 16-bit rows keep the high bytes: what a network in colour takes whose width this is.
    ///
    /// ```
    /// use rownet::image::Row;
    /// let mut rgb = [0; 6];
    /// Row::Rgb565(&[0xF800, 0x07E0]).write_rgb(&mut rgb)?;
    /// assert_eq!(rgb, [255, 0, 0, 0, 255, 0]);
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::RowLength`] where `rgb` has room for another number of pixels.
    pub fn write_rgb(&self, rgb: &mut [u8]) -> Result<(), Error> {
        let (given, expected) = self.lengths(rgb.len() / 3);
        if given != expected || !rgb.len().is_multiple_of(3) {
            return Err(Error::RowLength { expected: expected as u32, given: given as u32 });
        }
        fn fill(rgb: &mut [u8], pixels: impl Iterator<Item = [u32; 3]>, shift: u32) {
            for (to, pixel) in rgb.chunks_exact_mut(3).zip(pixels) {
                for (to, level) in to.iter_mut().zip(pixel) {
                    *to = (level >> shift) as u8;
                }
            }
        }
        match *self {
            Row::Gray8(r) => fill(rgb, r.iter().map(|v| [u32::from(*v); 3]), 0),
            Row::Gray16(r) => fill(rgb, r.iter().map(|v| [u32::from(*v); 3]), 8),
            Row::Rgb8(r) => fill(rgb, r.chunks_exact(3).map(rgb_of), 0),
            Row::Rgb16(r) => fill(rgb, r.chunks_exact(3).map(rgb_of), 8),
            Row::Rgba8(r) => fill(rgb, r.chunks_exact(4).map(rgb_of), 0),
            Row::Rgba16(r) => fill(rgb, r.chunks_exact(4).map(rgb_of), 8),
            Row::Rgb565(r) => fill(rgb, r.iter().map(|v| rgb565(*v)), 0),
            Row::Yuyv(r) => fill(rgb, yuv(r, [0, 1, 2, 3]), 0),
            Row::Uyvy(r) => fill(rgb, yuv(r, [1, 0, 3, 2]), 0),
        }
        Ok(())
    }
}

/// The first three values of a pixel.
#[inline(always)]
pub(super) fn rgb_of<T: Copy + Into<u32>>(pixel: &[T]) -> [u32; 3] {
    match pixel {
        [r, g, b, ..] => [(*r).into(), (*g).into(), (*b).into()],
        _ => [0; 3],
    }
}

/// Eight bits of each of a camera's five, six and five.
#[inline(always)]
pub(super) fn rgb565(pixel: u16) -> [u32; 3] {
    let [r, g, b] = [u32::from(pixel >> 11), u32::from(pixel >> 5 & 63), u32::from(pixel & 31)];
    [r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2]
}

/// Pixels of a YUV 4:2:2 row, of which Y0, U, Y1 and V stand at these places of four bytes.
#[inline(always)]
pub(super) fn yuv(row: &[u8], [y0, u, y1, v]: [usize; 4]) -> impl Iterator<Item = [u32; 3]> + Clone {
    row.chunks_exact(4).flat_map(move |pair| {
        let at = |i: usize| pair.get(i).copied().unwrap_or(0);
        [rgb_of_yuv(at(y0), at(u), at(v)), rgb_of_yuv(at(y1), at(u), at(v))]
    })
}

/// JPEG's YCbCr (ITU-R BT.601, full range) in steps of 1/256, rounded.
fn rgb_of_yuv(y: u8, u: u8, v: u8) -> [u32; 3] {
    let [y, u, v] = [i32::from(y), i32::from(u) - 128, i32::from(v) - 128];
    [359 * v, -88 * u - 183 * v, 454 * u].map(|chroma| (y + ((chroma + 128) >> 8)).clamp(0, 255) as u32)
}

/// Maps stored values to gray: `low` and below is black, `high` and above is white, linear between.
///
/// DICOM's window centre `c` and width `w` (PS3.3, C.11.2.1.2) are `low = c - 0.5 - (w - 1) / 2` and
/// `high = c - 0.5 + (w - 1) / 2`; a photometric interpretation of MONOCHROME1 is `invert`.
///
/// ```
/// use rownet::image::{Resizer, Row, Window};
/// let window = Window { low: 1000, high: 2000, invert: true }; // centre 1500.5, width 1001, MONOCHROME1
/// let mut resizer = Resizer::<3>::new(3, 1, 1, window)?;
/// resizer.push_row(Row::Gray16(&[900, 1200, 2500]), |row| assert_eq!(row, &[255, 204, 0]))?;
/// # Ok::<(), rownet::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Level shown black.
    pub low: u16,
    /// Level shown white; above `low`.
    pub high: u16,
    /// Swap black and white (DICOM MONOCHROME1).
    pub invert: bool,
}

impl Window {
    /// The whole 8-bit range: values stay as they are.
    pub const FULL_8: Self = Self { low: 0, high: 255, invert: false };
    /// The whole 16-bit range.
    pub const FULL_16: Self = Self { low: 0, high: u16::MAX, invert: false };

    /// Gray level times [`STEPS`], 0 to 4080.
    #[inline(always)]
    pub(super) fn apply(self, value: u32) -> u32 {
        let (low, high) = (u32::from(self.low), u32::from(self.high));
        let span = (high - low).max(1);
        let level = (value.max(low).min(high) - low) * (255 * STEPS);
        let level = if span == 255 { level / 255 } else { (level + span / 2) / span };
        if self.invert { 255 * STEPS - level } else { level }
    }
}

/// Luma of a pixel that starts with red, green and blue: `(77 R + 150 G + 29 B + 128) / 256`, rounded down; 0 for fewer
/// than three values. [`Resizer`](super::Resizer) gives an image in colour and its luma, pushed as gray, the same result.
///
/// ```
/// assert_eq!(rownet::image::luma(&[255u8, 255, 255]), 255);
/// ```
#[inline(always)]
pub fn luma<T: Copy + Into<u32>>(pixel: &[T]) -> u32 {
    match pixel {
        [r, g, b, ..] => (77 * (*r).into() + 150 * (*g).into() + 29 * (*b).into() + 128) >> 8,
        _ => 0,
    }
}
