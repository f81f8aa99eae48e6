//! Streaming image resize: rows of any size in, rows of `W` gray pixels out, integers only.
//!
//! The filter is the triangle (bilinear) filter widened by the reduction factor, the one that Pillow
//! calls `BILINEAR` and the `image` crate `Triangle`, so reduction does not alias. In units of
//! `1 / (2 * out)` of an input pixel its weights are whole numbers:
//! `w = max(0, R - |(2 j + 1) * out - (2 i + 1) * in|)` with `R = 2 * max(in, out)` for input pixel `j` and
//! output pixel `i`, normalised by their sum; arithmetic is exact up to one rounding to 1/16 gray level
//! after the horizontal pass and one to a gray level at the end.
//!
//! The picture is stretched to the output size; its aspect ratio is not kept (the training images
//! were squashed to squares by their publishers, and inference must do as training did).

mod axis;
mod borrowed;
mod color;
mod row;
mod stream;

pub use axis::MAX_EXTENT;
pub use borrowed::BorrowedResizer;
pub use color::ColorResizer;
pub use row::{Row, Window, luma};

use crate::error::Error;
use stream::{Memory, Stream};

/// Resizes an image to `W` columns while its rows arrive; [`BorrowedResizer`] does it to a number known only at run time.
///
/// Holds two output rows of sums (8 `W` bytes) and one of pixels; no input row is kept.
///
/// ```
/// use rownet::image::{Resizer, Row, Window};
/// let mut resizer = Resizer::<2>::new(4, 4, 2, Window::FULL_8)?;
/// let mut rows = 0;
/// for _ in 0..4 {
///     resizer.push_row(Row::Gray8(&[10, 10, 10, 10]), |row| { assert_eq!(row, &[10, 10]); rows += 1; })?;
/// }
/// assert_eq!(rows, 2);
/// # Ok::<(), rownet::error::Error>(())
/// ```
pub struct Resizer<const W: usize> {
    stream: Stream,
    rows: [[u32; W]; 2],
    out: [u8; W],
}

impl<const W: usize> Resizer<W> {
    /// A resizer from `in_width` x `in_height` to `W` x `out_height`.
    ///
    /// # Errors
    /// [`Error::ImageSize`] where an extent, of input or output, is zero or above [`MAX_EXTENT`]; [`Error::EmptyWindow`].
    pub fn new(in_width: usize, in_height: usize, out_height: usize, window: Window) -> Result<Self, Error> {
        let stream = Stream::new([in_width, in_height], [W, out_height], window)?;
        Ok(Self { stream, rows: [[0; W]; 2], out: [0; W] })
    }

    /// Takes the next input row; calls `emit` with each output row that it completes, in order.
    ///
    /// ```
    /// use rownet::{image::{Resizer, Row, Window}, model::Model, session::Session};
    /// let model = Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.rnet")))?;
    /// let mut arena = vec![0; model.arena_bytes()];
    /// let mut session = Session::new(&model, &mut arena)?;
    /// let mut resizer = Resizer::<4>::new(300, 200, 3, Window::FULL_8)?;
    /// for _ in 0..200 {
    ///     let mut pushed = Ok(());
    ///     resizer.push_row(Row::Gray8(&[128; 300]), |row| pushed = pushed.and_then(|()| session.push_row_u8(row)))?;
    ///     pushed?;
    /// }
    /// let outputs = session.finish()?;
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    // A caller that knows its rows' format has the loops of that format alone: 11.5 KB less code on a Cortex-M33.
    #[inline(always)]
    pub fn push_row(&mut self, row: Row<'_>, mut emit: impl FnMut(&[u8; W])) -> Result<(), Error> {
        let [a, b] = &mut self.rows;
        let memory = Memory { rows: [a, b], out: &mut self.out };
        self.stream.push_row(row, memory, |out| {
            // As long as the array that it is.
            if let Some(out) = out.as_array() {
                emit(out);
            }
        })
    }

    /// Rows still missing.
    pub const fn rows_left(&self) -> usize {
        self.stream.rows_left() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn resize<const W: usize>(pixels: &[u8], w: usize, h: usize, out_h: usize) -> Vec<u8> {
        let mut resizer = Resizer::<W>::new(w, h, out_h, Window::FULL_8).unwrap();
        assert_eq!(resizer.rows_left(), h);
        let mut out = Vec::new();
        for row in pixels.chunks_exact(w) {
            resizer.push_row(Row::Gray8(row), |r| out.extend_from_slice(r)).unwrap();
        }
        assert_eq!((out.len(), resizer.rows_left()), (W * out_h, 0));
        out
    }

    /// The same filter in f64, without streaming: an independent statement of it.
    fn reference(pixels: &[u8], w: usize, h: usize, out_w: usize, out_h: usize) -> Vec<f64> {
        let taps = |input: usize, output: usize, i: usize| -> Vec<f64> {
            let scale = (input as f64 / output as f64).max(1.0);
            let centre = (i as f64 + 0.5) * input as f64 / output as f64;
            let w: Vec<f64> = (0..input).map(|j| (1.0 - ((j as f64 + 0.5 - centre) / scale).abs()).max(0.0)).collect();
            let total: f64 = w.iter().sum();
            w.into_iter().map(|v| v / total).collect()
        };
        let columns: Vec<Vec<f64>> = (0..out_w).map(|x| taps(w, out_w, x)).collect();
        let mut out = Vec::new();
        for y in 0..out_h {
            let rows = taps(h, out_h, y);
            for column in &columns {
                let mut sum = 0.0;
                for (j, wy) in rows.iter().enumerate().filter(|(_, wy)| **wy > 0.0) {
                    for (i, wx) in column.iter().enumerate().filter(|(_, wx)| **wx > 0.0) {
                        sum += wy * wx * f64::from(pixels[j * w + i]);
                    }
                }
                out.push(sum);
            }
        }
        out
    }

    fn noise(n: usize) -> Vec<u8> {
        cxr_testkit::Lcg(7).take(n).collect()
    }

    #[test]
    fn agrees_with_the_reference_filter() {
        for (w, h, out_h) in [(32, 32, 32), (28, 28, 32), (64, 48, 32), (100, 75, 32), (1, 1, 32), (31, 200, 33), (500, 3, 7)] {
            let pixels = noise(w * h);
            let ours = resize::<32>(&pixels, w, h, out_h);
            let exact = reference(&pixels, w, h, 32, out_h);
            for (a, b) in ours.iter().zip(&exact) {
                assert!((f64::from(*a) - b).abs() <= 0.6, "{w}x{h}: {a} against {b}");
            }
        }
    }

    #[test]
    fn same_size_is_the_identity() {
        let pixels = noise(16 * 16);
        assert_eq!(resize::<16>(&pixels, 16, 16, 16), pixels);
    }

    #[test]
    fn constant_images_stay_constant_at_the_largest_reduction() {
        let mut resizer = Resizer::<256>::new(8192, 8192, 256, Window::FULL_16).unwrap();
        let row = std::vec![u16::MAX; 8192];
        let mut count = 0;
        for _ in 0..8192 {
            resizer
                .push_row(Row::Gray16(&row), |r| {
                    assert!(r.iter().all(|v| *v == 255));
                    count += 1;
                })
                .unwrap();
        }
        assert_eq!(count, 256);
    }

    #[test]
    fn every_row_kind_and_window() {
        fn one(row: Row<'_>, window: Window) -> u8 {
            let mut out = 0;
            Resizer::<1>::new(1, 1, 1, window).unwrap().push_row(row, |r| out = r[0]).unwrap();
            out
        }
        assert_eq!(one(Row::Gray8(&[200]), Window::FULL_8), 200);
        assert_eq!(one(Row::Gray16(&[200 * 257]), Window::FULL_16), 200);
        assert_eq!(one(Row::Rgb8(&[90, 90, 90]), Window::FULL_8), 90);
        assert_eq!(one(Row::Rgb8(&[255, 0, 0]), Window::FULL_8), 77);
        assert_eq!(one(Row::Rgba8(&[90, 90, 90, 0]), Window::FULL_8), 90);
        assert_eq!(one(Row::Rgb16(&[257, 257, 257]), Window::FULL_16), 1);
        assert_eq!(one(Row::Rgba16(&[65535, 65535, 65535, 0]), Window::FULL_16), 255);
        assert_eq!(one(Row::Gray8(&[200]), Window { invert: true, ..Window::FULL_8 }), 55);
        assert_eq!(one(Row::Gray16(&[1500]), Window { low: 1000, high: 2000, invert: false }), 128);
        assert_eq!(one(Row::Gray16(&[9]), Window { low: 1000, high: 2000, invert: false }), 0);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(matches!(Resizer::<256>::new(0, 5, 256, Window::FULL_8), Err(Error::ImageSize { .. })));
        assert!(matches!(Resizer::<256>::new(8193, 5, 256, Window::FULL_8), Err(Error::ImageSize { .. })));
        assert!(matches!(Resizer::<2>::new(8, 8, 8193, Window::FULL_8), Err(Error::ImageSize { .. })));
        let empty = Window { low: 9, high: 9, invert: false };
        assert!(matches!(Resizer::<4>::new(4, 4, 4, empty), Err(Error::EmptyWindow)));
        let mut resizer = Resizer::<4>::new(4, 1, 1, Window::FULL_8).unwrap();
        assert_eq!(resizer.push_row(Row::Gray8(&[1, 2, 3]), |_| ()), Err(Error::RowLength { expected: 4, given: 3 }));
        resizer.push_row(Row::Gray8(&[1, 2, 3, 4]), |_| ()).unwrap();
        assert_eq!(resizer.push_row(Row::Gray8(&[1, 2, 3, 4]), |_| ()), Err(Error::TooManyRows));
    }
}
