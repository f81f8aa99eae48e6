//! Rows as they are stored, and how stored values become gray levels.

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
    ///
    /// ```
    /// # use rownet::image::{Resizer, Row, Window};
    /// Resizer::<2>::new(2, 1, 1, Window::FULL_8)?.push_row(Row::Gray8(&[7, 200]), |row| assert_eq!(row, &[7, 200]))?;
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    pub const FULL_8: Self = Self { low: 0, high: 255, invert: false };
    /// The whole 16-bit range.
    ///
    /// ```
    /// # use rownet::image::{Resizer, Row, Window};
    /// Resizer::<1>::new(1, 1, 1, Window::FULL_16)?.push_row(Row::Gray16(&[200 * 257]), |row| assert_eq!(row, &[200]))?;
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
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
