//! The resizer in colour.

use super::row::{Row, Window};
use super::stream::{self, Memory, Stream};
use crate::error::Error;

/// Resizes an image in colour while its rows arrive, in memory of the caller: rows of RGB come out, as
/// [`push_row_u8`](crate::session::Session::push_row_u8) takes them.
///
/// The filter is the gray resizer's, for red, green and blue by themselves.
///
/// ```
/// use rownet::image::{ColorResizer, Row, Window};
/// let (mut sums, mut out) = ([0; 6 * 2], [0; 3 * 2]);
/// let mut resizer = ColorResizer::new(&mut sums, &mut out, [4, 2], [2, 1], Window::FULL_8)?;
/// for _ in 0..2 {
///     resizer.push_row(Row::Rgb565(&[0xF800, 0xF800, 0x001F, 0x001F]), |row| assert_eq!(row.len(), 6))?;
/// }
/// # Ok::<(), rownet::error::Error>(())
/// ```
#[derive(Debug)]
pub struct ColorResizer<'b> {
    stream: Stream,
    sums: &'b mut [u32],
    out: &'b mut [u8],
}

impl<'b> ColorResizer<'b> {
    /// A resizer from `[width, height]` of the image to those of the network, in memory of six times the network's width (`sums`) and
    /// three times (`out`).
    ///
    /// # Errors
    /// As [`Resizer::new`](super::Resizer::new); [`Error::BufferTooSmall`].
    pub fn new(sums: &'b mut [u32], out: &'b mut [u8], image: [usize; 2], to: [usize; 2], window: Window) -> Result<Self, Error> {
        let stream = Stream::new(image, to, window)?;
        let (sums, out) = stream::lent(sums, out, 3 * to[0])?;
        let mut resizer = Self { stream, sums, out };
        resizer.restart();
        Ok(resizer)
    }

    /// Forgets the rows taken.
    pub fn restart(&mut self) {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.restart([a, b]);
    }

    /// Takes the next input row; calls `emit` with each row of RGB that it completes, in order.
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    pub fn push_row(&mut self, row: Row<'_>, emit: impl FnMut(&[u8])) -> Result<(), Error> {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.push_color(row, Memory { rows: [a, b], out: self.out }, emit)
    }

    /// Rows still missing.
    pub const fn rows_left(&self) -> usize {
        self.stream.rows_left() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::BorrowedResizer;
    use super::*;
    use std::{vec, vec::Vec};

    fn noise(n: usize, seed: u32) -> Vec<u8> {
        cxr_testkit::Lcg(seed).take(n).collect()
    }

    fn gray(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let (mut sums, mut out, mut made) = (vec![0; 2 * to[0]], vec![0; to[0]], Vec::new());
        let mut resizer = BorrowedResizer::new(&mut sums, &mut out, from, to, Window::FULL_8).unwrap();
        for row in pixels.chunks_exact(from[0]) {
            resizer.push_row(Row::Gray8(row), |row| made.extend_from_slice(row)).unwrap();
        }
        made
    }

    fn color(rows: &[Row<'_>], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let (mut sums, mut out, mut made) = (vec![7; 6 * to[0]], vec![7; 3 * to[0]], Vec::new());
        let mut resizer = ColorResizer::new(&mut sums, &mut out, from, to, Window::FULL_8).unwrap();
        for row in rows {
            resizer.push_row(*row, |row| made.extend_from_slice(row)).unwrap();
        }
        assert_eq!(made.len(), 3 * to[0] * to[1]);
        made
    }

    /// Reduced, enlarged and both: each channel is what the gray resizer makes of it.
    #[test]
    fn channels_are_the_gray_resizers() {
        for (from, to) in [([32, 20], [8, 9]), ([5, 7], [16, 20]), ([40, 6], [11, 13]), ([9, 9], [9, 9]), ([1, 1], [3, 2])] {
            let pixels = noise(3 * from[0] * from[1], 7);
            let rows: Vec<Row<'_>> = pixels.chunks_exact(3 * from[0]).map(Row::Rgb8).collect();
            let made = color(&rows, from, to);
            for c in 0..3 {
                let plane: Vec<u8> = pixels.iter().skip(c).step_by(3).copied().collect();
                let expected = gray(&plane, from, to);
                let found: Vec<u8> = made.iter().skip(c).step_by(3).copied().collect();
                assert_eq!(found, expected, "{from:?} to {to:?}, channel {c}");
            }
        }
    }

    /// A camera's rows are resized as the RGB that they stand for.
    #[test]
    fn camera_rows_are_their_rgb() {
        for width in [6usize, 7] {
            let (from, to) = ([width, 4], [4, 3]);
            let bytes = noise(4 * 2 * width.next_multiple_of(2), 99);
            let words: Vec<u16> = bytes.iter().map(|b| (u16::from(*b) * 257) ^ 0x1234).collect();
            for format in 0..3 {
                let rows: Vec<Row<'_>> = match format {
                    0 => words.chunks_exact(width).take(4).map(Row::Rgb565).collect(),
                    1 => bytes.chunks_exact(2 * width.next_multiple_of(2)).map(Row::Yuyv).collect(),
                    _ => bytes.chunks_exact(2 * width.next_multiple_of(2)).map(Row::Uyvy).collect(),
                };
                let mut rgb = vec![0; 3 * width * 4];
                for (row, to) in rows.iter().zip(rgb.chunks_exact_mut(3 * width)) {
                    row.write_rgb(to).unwrap();
                }
                let expected: Vec<Row<'_>> = rgb.chunks_exact(3 * width).map(Row::Rgb8).collect();
                assert_eq!(color(&rows, from, to), color(&expected, from, to), "format {format}, width {width}");
            }
        }
    }

    /// JPEG's conversion in f64, rounded to the nearest, is met within one level.
    #[test]
    fn yuv_is_jpegs() {
        let mut rgb = [0; 6];
        for (y, u, v) in (0..=255).step_by(15).flat_map(|y| (0..=255).step_by(17).map(move |u| (y, u, 255 - u / 2))) {
            Row::Yuyv(&[y, u, y, v]).write_rgb(&mut rgb).unwrap();
            let [y, u, v] = [f64::from(y), f64::from(u) - 128.0, f64::from(v) - 128.0];
            let exact = [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u];
            for (found, exact) in rgb.iter().zip(exact) {
                assert!((f64::from(*found) - exact.clamp(0.0, 255.0)).abs() <= 1.0, "{y} {u} {v}: {found} {exact}");
            }
        }
        Row::Uyvy(&[128, 77, 128, 200]).write_rgb(&mut rgb).unwrap();
        assert_eq!(rgb, [77, 77, 77, 200, 200, 200]);
    }

    #[test]
    fn bad_rows_are_refused() {
        let mut rgb = [0; 6];
        assert_eq!(Row::Yuyv(&[0; 3]).write_rgb(&mut rgb), Err(Error::RowLength { expected: 4, given: 3 }));
        assert!(Row::Gray8(&[0; 2]).write_rgb(&mut [0; 5]).is_err());
        let (mut sums, mut out) = ([0; 6], [0; 3]);
        let mut resizer = ColorResizer::new(&mut sums, &mut out, [3, 1], [1, 1], Window::FULL_8).unwrap();
        assert_eq!(resizer.push_row(Row::Yuyv(&[0; 6]), |_| ()), Err(Error::RowLength { expected: 8, given: 6 }));
        resizer.push_row(Row::Yuyv(&[0; 8]), |_| ()).unwrap();
        assert_eq!(resizer.push_row(Row::Yuyv(&[0; 8]), |_| ()), Err(Error::TooManyRows));
        resizer.restart();
        assert_eq!(resizer.rows_left(), 1);
        let error = |sums: usize, out: usize| {
            ColorResizer::new(&mut [0; 12][..sums], &mut [0; 6][..out], [9, 9], [2, 2], Window::FULL_8).err()
        };
        assert_eq!(error(12, 6), None);
        assert_eq!(error(11, 6), Some(Error::BufferTooSmall { needed: 12, given: 11 }));
        assert_eq!(error(12, 5), Some(Error::BufferTooSmall { needed: 6, given: 5 }));
    }
}
