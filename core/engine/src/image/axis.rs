//! The triangle filter along one axis, in whole numbers.

use super::row::STEPS;

/// Largest extent of an input image, in pixels.
///
/// ```
/// use rownet::image::{MAX_EXTENT, Resizer, Window};
/// assert!(Resizer::<256>::new(MAX_EXTENT, MAX_EXTENT, 256, Window::FULL_16).is_ok());
/// assert!(Resizer::<256>::new(MAX_EXTENT + 1, 1, 256, Window::FULL_16).is_err());
/// ```
pub const MAX_EXTENT: usize = 8192;

/// One axis of the resize.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub input: u32,
    pub output: u32,
    /// Bits cut from the weights, see [`cut`].
    pub cut: u8,
}

impl Axis {
    pub const fn radius(self) -> i32 {
        2 * (if self.input > self.output { self.input } else { self.output }) as i32
    }

    /// Distance from output `i` to input `j`, in 1 / (2 * output) input pixels.
    pub const fn distance(self, i: u32, j: u32) -> i32 {
        (2 * j + 1) as i32 * self.output as i32 - (2 * i + 1) as i32 * self.input as i32
    }

    pub const fn weight(self, i: u32, j: u32) -> u32 {
        let w = self.radius() - self.distance(i, j).abs();
        if w > 0 { self.shorten(w as u32) } else { 0 }
    }

    /// A weight with the last bits rounded away, so that sums fit.
    #[inline(always)]
    pub const fn shorten(self, weight: u32) -> u32 {
        if self.cut == 0 { weight } else { (weight + (1 << (self.cut - 1))) >> self.cut }
    }

    /// True if no input after `j` has weight in output `i`.
    pub const fn weight_ends(self, i: u32, j: u32) -> bool {
        self.distance(i, j) + 2 * self.output as i32 >= self.radius()
    }
}

/// Bits to cut from the weights of an axis so that sums of weights times pixels fit 32 bits with a factor of two to
/// spare: none up to a reduction of 8192 to 256. `None` for an extent out of range.
pub(super) fn cut(input: usize, output: usize) -> Option<u8> {
    if input == 0 || output == 0 || input > MAX_EXTENT || output > MAX_EXTENT {
        return None;
    }
    // A filter's weights sum to radius^2 / spacing.
    let (input, output) = (input as u64, output as u64);
    let total = if input > output { (2 * input * input).checked_div(output)? } else { 2 * output };
    let sum = total * (255 * u64::from(STEPS));
    let bits = sum.checked_sub(1)?.checked_ilog2()?;
    Some(bits.saturating_sub(30) as u8)
}
