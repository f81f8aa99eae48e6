//! An image in progress: pixels in, rows of the network out.

use super::answer::{Failure, LineError, send};
use super::platform::Platform;
use crate::fault::Fault;
use crate::frame::{Crc32, crc32};
use crate::message::{Begin, Format, Reply};
use cxr_core::error::Error;
use cxr_core::format::Model;
use cxr_core::image::{Resizer, Row};
use cxr_core::session::Session;

/// The network's rows between two signs of life.
const WORKING_ROWS: u32 = 16;

/// An image in progress.
pub(super) struct Incoming<const W: usize> {
    pub image: u32,
    pub resizer: Resizer<W>,
    format: Format,
    /// Bytes of a row, and those of the present one so far.
    row_len: usize,
    filled: usize,
    /// Sequence number that is due.
    pub sequence: u32,
    pub crc: Crc32,
}

/// Ends the image in progress, if any, and says so.
pub(super) fn abandon<const W: usize, P: Platform>(
    incoming: &mut Option<Incoming<W>>,
    out: &mut [u8],
    platform: &mut P,
) -> Result<(), LineError<P>> {
    match incoming.take() {
        Some(incoming) => send(out, &Reply::Error { image: incoming.image, fault: Fault::Abandoned }, platform),
        None => Ok(()),
    }
}

pub(super) fn current<const W: usize>(incoming: &mut Option<Incoming<W>>, image: u32) -> Result<&mut Incoming<W>, Fault> {
    incoming.as_mut().filter(|incoming| incoming.image == image).ok_or(Fault::NoSuchImage { image })
}

impl<const W: usize> Incoming<W> {
    pub fn new(begin: &Begin, model: &Model<'_>, longest: usize) -> Result<Self, Fault> {
        let (width, height) = (usize::from(begin.width), usize::from(begin.height));
        let row_len = width * begin.format.bytes();
        if begin.image == 0 {
            return Err(Fault::BadImage);
        }
        let resizer = Resizer::new(width, height, usize::from(model.input().height), begin.window.into());
        let resizer = resizer.map_err(|error| match Error::from(error) {
            Error::EmptyWindow => Fault::EmptyWindow,
            _ => Fault::BadImage,
        })?;
        if row_len > longest {
            return Err(Fault::RowTooLong { bytes: row_len as u32 });
        }
        let Begin { image, format, .. } = *begin;
        Ok(Self { image, resizer, format, row_len, filled: 0, sequence: 0, crc: crc32() })
    }

    /// Takes pixels; each row that they complete goes through the resizer into the session.
    pub fn push<P: Platform>(
        &mut self,
        mut pixels: &[u8],
        row: &mut [u8],
        session: &mut Session<'_, '_>,
        out: &mut [u8],
        platform: &mut P,
    ) -> Result<(), Failure<LineError<P>>> {
        while !pixels.is_empty() {
            if self.resizer.rows_left() == 0 {
                return Err(Fault::TooMuch.into());
            }
            let (now, later) = pixels.split_at(pixels.len().min(self.row_len - self.filled));
            if let Some(place) = row.get_mut(self.filled..self.filled + now.len()) {
                place.copy_from_slice(now);
            }
            self.filled += now.len();
            pixels = later;
            if self.filled == self.row_len {
                self.filled = 0;
                self.finish_row(row, session, out, platform)?;
            }
        }
        Ok(())
    }

    fn finish_row<P: Platform>(
        &mut self,
        row: &mut [u8],
        session: &mut Session<'_, '_>,
        out: &mut [u8],
        platform: &mut P,
    ) -> Result<(), Failure<LineError<P>>> {
        let row = row.get_mut(..self.row_len).unwrap_or_default();
        let row = match self.format {
            Format::Gray8 => Row::Gray8(row),
            Format::Rgb8 => Row::Rgb8(row),
            Format::Gray16 => Row::Gray16(words(row)),
            Format::Rgb16 => Row::Rgb16(words(row)),
        };
        let (mut rows, mut failure) = (0, None);
        let resized = self.resizer.push_row(row, |gray| {
            if failure.is_some() {
                return;
            }
            if session.push_gray_row(gray).is_err() {
                failure = Some(Failure::Fault(Fault::Internal));
            }
            platform.breathe();
            rows += 1;
            // A picture lower than the network's input has rows that keep the board busy for long.
            if rows % WORKING_ROWS == 0 {
                failure = failure.take().or_else(|| send(out, &Reply::Working, platform).err().map(Failure::Line));
            }
        });
        match failure {
            Some(failure) => Err(failure),
            None => resized.map_err(|_| Fault::Internal.into()),
        }
    }
}

/// 16-bit values, from little-endian to the processor's order, in place.
fn words(row: &mut [u8]) -> &[u16] {
    let words: &mut [u16] = bytemuck::cast_slice_mut(row);
    for word in &mut *words {
        *word = u16::from_le(*word);
    }
    words
}
