//! Push rows, get outputs.

mod accumulate;
pub(crate) mod memory;
mod outputs;
mod schedule;
mod strips;

use crate::error::Error;
use crate::kernels::Kernel;
use crate::model::Model;
use crate::model::desc::ValueId;
use crate::plan::columns::is_with_caller;
use crate::plan::schedule::Segment;
use crate::prepared::Prepared;
pub use outputs::Outputs;

/// Receives `(value, row, bytes)` for each row that an operator makes; a row may come in several pieces, from left to right.
/// An operator that took a row and finished none gives an empty piece.
pub type Observer<'f> = dyn FnMut(ValueId, u32, &[i8]) + 'f;

/// One inference in progress: a network, a buffer, and where it stands.
///
/// Dropping or [`reset`](Session::reset)ting it at any row is fine. It holds no locks and never waits.
pub struct Session<'m, 'b> {
    model: Model<'m>,
    arena: &'b mut [i8],
    kernel: Kernel,
    /// Filters that were packed, or nothing.
    packed: &'m [u8],
    segment: Segment,
    /// Number of the running segment; as many as there are when all is done.
    index: usize,
    /// An internal check failed.
    failed: bool,
}

impl<'m, 'b> Session<'m, 'b> {
    /// Starts an inference in a buffer of at least [`Model::arena_bytes`] elements; what lies beyond is not touched.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'m>, arena: &'b mut [i8]) -> Result<Self, Error> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let Some(arena) = arena.get_mut(..needed) else {
            return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
        };
        let segment = Segment { first: 0, end: 0, input_rows: 0 };
        let mut session = Self { model: *model, arena, kernel: Kernel::best(), packed: &[], segment, index: 0, failed: false };
        session.reset();
        Ok(session)
    }

    /// Computes with another kernel; the results are the same.
    #[must_use]
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self.packed = &[];
        self
    }

    /// Computes with filters that were packed, and with their kernel; the results are the same.
    ///
    /// # Errors
    /// [`Error::OtherModel`].
    pub const fn with_prepared(mut self, prepared: Prepared<'m>) -> Result<Self, Error> {
        if !prepared.is_of(&self.model) {
            return Err(Error::OtherModel);
        }
        self.kernel = prepared.kernel();
        self.packed = prepared.packed();
        Ok(self)
    }

    /// The network.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Forgets the rows so far.
    pub fn reset(&mut self) {
        self.failed = false;
        self.index = 0;
        self.begin();
    }

    /// Takes the next row of the input, `width * channels` int8 values.
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; the row is not taken.
    pub fn push_row(&mut self, row: &[i8]) -> Result<(), Error> {
        self.push_row_observed(row, &mut |_, _, _| {})
    }

    /// [`push_row`](Self::push_row) of u8 values: 128 is the int8 value 0.
    ///
    /// # Errors
    /// As of [`push_row`](Self::push_row).
    pub fn push_row_u8(&mut self, row: &[u8]) -> Result<(), Error> {
        self.push(row.len(), row.iter().map(|q| (*q ^ 0x80) as i8), &mut |_, _, _| {})
    }

    /// [`push_row`](Self::push_row); the observer sees every row that an operator makes.
    ///
    /// # Errors
    /// As of [`push_row`](Self::push_row).
    pub fn push_row_observed(&mut self, row: &[i8], observe: &mut Observer<'_>) -> Result<(), Error> {
        self.push(row.len(), row.iter().copied(), observe)
    }

    /// A whole input, row after row.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is not that of the input; [`Error::Internal`].
    pub fn run(&mut self, input: &[i8]) -> Result<Outputs<'m, '_>, Error> {
        let shape = self.model.shape(0);
        if input.len() as u64 != shape.len() {
            return Err(Error::RowLength { expected: shape.len() as u32, given: input.len() as u32 });
        }
        self.reset();
        while let Some(y) = self.next_input_row() {
            let at = y as usize * shape.row_len();
            self.push_row(input.get(at..at + shape.row_len()).unwrap_or_default())?;
        }
        self.finish()
    }

    /// The row of the input that [`push_row`](Self::push_row) takes next: from the first to the last, and that as often as
    /// [`Model::input_passes`] says. `None` once all were given.
    pub fn next_input_row(&self) -> Option<u32> {
        let given = self.segment.input_rows;
        (self.index < self.model.segment_count() && given < u32::from(self.model.shape(0).height)).then_some(given)
    }

    /// The outputs, once all rows were given.
    ///
    /// # Errors
    /// [`Error::MissingRows`]; [`Error::Internal`] where a check of the engine's own failed.
    pub fn finish(&self) -> Result<Outputs<'m, '_>, Error> {
        let (given, expected) = (self.segment.input_rows, u32::from(self.model.shape(0).height));
        if given < expected {
            return Err(Error::MissingRows { given, expected });
        }
        if self.failed || self.index < self.model.segment_count() {
            return Err(Error::Internal);
        }
        Ok(Outputs::new(self.model, self.arena))
    }

    fn push(&mut self, given: usize, values: impl Iterator<Item = i8>, observe: &mut Observer<'_>) -> Result<(), Error> {
        let shape = self.model.shape(0);
        if given != shape.row_len() {
            return Err(Error::RowLength { expected: shape.row_len() as u32, given: given as u32 });
        }
        if self.next_input_row().is_none() {
            return Err(Error::TooManyRows);
        }
        // Rows of padding need no input.
        if self.segment.input_rows == 0 && self.go_on(self.segment.begin(), None, observe).is_none() {
            self.failed = true;
        }
        let taken = if is_with_caller(&self.model) { self.cut(values, observe) } else { self.take_row(values) };
        self.segment.input_rows += 1;
        let gone_on = taken.filter(|_| !self.failed).and_then(|(cursor, fresh)| self.go_on(cursor, fresh, observe));
        self.failed |= gone_on.is_none();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    /// Whatever the network: counters are in the arena.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<super::Session<'_, '_>>() <= 256, "{}", size_of::<super::Session<'_, '_>>());
    }
}
