//! The resizer of a width that is known at run time.

use super::row::{Row, Window};
use super::stream::{self, Memory, Stream};
use crate::error::Error;

/// [`Resizer`](super::Resizer) in memory of the caller, to any number of columns.
///
/// ```
/// use rownet::image::{BorrowedResizer, Row, Window};
/// let (mut sums, mut out) = ([0; 2 * 2], [0; 2]);
/// let mut resizer = BorrowedResizer::new(&mut sums, &mut out, [4, 4], [2, 2], Window::FULL_8)?;
/// for _ in 0..4 {
///     resizer.push_row(Row::Gray8(&[10, 10, 10, 10]), |row| assert_eq!(row, &[10, 10]))?;
/// }
/// # Ok::<(), rownet::error::Error>(())
/// ```
#[derive(Debug)]
pub struct BorrowedResizer<'b> {
    stream: Stream,
    sums: &'b mut [u32],
    out: &'b mut [u8],
}

impl<'b> BorrowedResizer<'b> {
    /// A resizer from `[width, height]` of the image to those of the network, in memory of twice the network's width (`sums`) and
    /// once (`out`).
    ///
    /// # Errors
    /// As [`Resizer::new`](super::Resizer::new); [`Error::BufferTooSmall`].
    pub fn new(sums: &'b mut [u32], out: &'b mut [u8], image: [usize; 2], to: [usize; 2], window: Window) -> Result<Self, Error> {
        let stream = Stream::new(image, to, window)?;
        let (sums, out) = stream::lent(sums, out, to[0])?;
        let mut resizer = Self { stream, sums, out };
        resizer.restart();
        Ok(resizer)
    }

    /// Forgets the rows taken: for the next image of the same kind, or after one that was cut short.
    pub fn restart(&mut self) {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.restart([a, b]);
    }

    /// As [`Resizer::push_row`](super::Resizer::push_row).
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    pub fn push_row(&mut self, row: Row<'_>, emit: impl FnMut(&[u8])) -> Result<(), Error> {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.push_row(row, Memory { rows: [a, b], out: self.out }, emit)
    }

    /// Columns of the network.
    pub const fn width(&self) -> usize {
        self.out.len()
    }

    /// Rows still missing.
    pub const fn rows_left(&self) -> usize {
        self.stream.rows_left() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_memory_of_exactly_its_size_and_begins_anew() {
        let error = |sums: usize, out: usize| {
            BorrowedResizer::new(&mut [0; 512][..sums], &mut [0; 256][..out], [3000, 3000], [256, 256], Window::FULL_16).err()
        };
        assert_eq!(error(512, 256), None);
        assert_eq!(error(511, 256), Some(Error::BufferTooSmall { needed: 512, given: 511 }));
        assert_eq!(error(512, 255), Some(Error::BufferTooSmall { needed: 256, given: 255 }));
        let (mut sums, mut out) = ([0; 4], [0; 2]);
        let mut resizer = BorrowedResizer::new(&mut sums, &mut out, [1, 2], [2, 2], Window::FULL_8).unwrap();
        assert_eq!((resizer.width(), resizer.rows_left()), (2, 2));
        resizer.push_row(Row::Gray8(&[10]), |_| ()).unwrap();
        assert_eq!(resizer.rows_left(), 1);
        resizer.restart();
        assert_eq!(resizer.rows_left(), 2);
    }
}
