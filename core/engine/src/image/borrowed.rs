//! The resizer of a width that is known at run time.

use super::row::{Row, Window};
use super::stream::{Memory, Stream};
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
    /// ```
    /// use rownet::error::Error;
    /// use rownet::image::{BorrowedResizer, Window};
    /// let (sums, out) = (&mut [0; 511], &mut [0; 256]);
    /// let error = BorrowedResizer::new(sums, out, [3000, 3000], [256, 256], Window::FULL_16).unwrap_err();
    /// assert_eq!(error, Error::BufferTooSmall { needed: 512, given: 511 });
    /// ```
    ///
    /// # Errors
    /// As [`Resizer::new`](super::Resizer::new); [`Error::BufferTooSmall`].
    pub fn new(sums: &'b mut [u32], out: &'b mut [u8], image: [usize; 2], to: [usize; 2], window: Window) -> Result<Self, Error> {
        let (stream, width) = (Stream::new(image, to, window)?, to[0]);
        let too_small = |needed: usize, given: usize| Error::BufferTooSmall { needed: needed as u32, given: given as u32 };
        let given = [sums.len(), out.len()];
        let sums = sums.get_mut(..2 * width).ok_or(too_small(2 * width, given[0]))?;
        let out = out.get_mut(..width).ok_or(too_small(width, given[1]))?;
        let mut resizer = Self { stream, sums, out };
        resizer.restart();
        Ok(resizer)
    }

    /// Forgets the rows taken: for the next image of the same kind, or after one that was cut short.
    ///
    /// ```
    /// # use rownet::image::{BorrowedResizer, Row, Window};
    /// # let (mut sums, mut out) = ([0; 4], [0; 2]);
    /// let mut resizer = BorrowedResizer::new(&mut sums, &mut out, [1, 2], [2, 2], Window::FULL_8)?;
    /// resizer.push_row(Row::Gray8(&[10]), |_| ())?;
    /// resizer.restart();
    /// assert_eq!(resizer.rows_left(), 2);
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    pub fn restart(&mut self) {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.restart([a, b]);
    }

    /// As [`Resizer::push_row`](super::Resizer::push_row).
    ///
    /// ```
    /// # use rownet::image::{BorrowedResizer, Row, Window};
    /// # let (mut sums, mut out) = ([0; 4], [0; 2]);
    /// let mut resizer = BorrowedResizer::new(&mut sums, &mut out, [2, 1], [2, 1], Window::FULL_8)?;
    /// resizer.push_row(Row::Gray8(&[7, 200]), |row| assert_eq!(row, &[7, 200]))?;
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    pub fn push_row(&mut self, row: Row<'_>, emit: impl FnMut(&[u8])) -> Result<(), Error> {
        let (a, b) = self.sums.split_at_mut(self.sums.len() / 2);
        self.stream.push_row(row, Memory { rows: [a, b], out: self.out }, emit)
    }

    /// Columns of the network.
    ///
    /// ```
    /// # use rownet::image::{BorrowedResizer, Window};
    /// # let (mut sums, mut out) = ([0; 4], [0; 2]);
    /// assert_eq!(BorrowedResizer::new(&mut sums, &mut out, [4, 4], [2, 2], Window::FULL_8)?.width(), 2);
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    pub const fn width(&self) -> usize {
        self.out.len()
    }

    /// Rows still missing.
    ///
    /// ```
    /// # use rownet::image::{BorrowedResizer, Window};
    /// # let (mut sums, mut out) = ([0; 4], [0; 2]);
    /// assert_eq!(BorrowedResizer::new(&mut sums, &mut out, [4, 4], [2, 2], Window::FULL_8)?.rows_left(), 4);
    /// # Ok::<(), rownet::error::Error>(())
    /// ```
    pub const fn rows_left(&self) -> usize {
        self.stream.rows_left() as usize
    }
}
