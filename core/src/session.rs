//! Push rows, get a verdict.

use crate::error::Error;
use crate::explain;
use crate::format::{MAX_CLASSES, MAX_LAYERS, Model};
use crate::kernels::Kernel;
use crate::plan::Arena;
use crate::prepared::{Prepared, aligned_rest};
pub use crate::verdict::{AbstainReason, Decision, Verdict};

mod blocks;
mod schedule;
mod storage;

/// Progress of one layer. Input rows are counted with the padding above and below.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Where the layer's ring starts in the arena.
    offset: usize,
    /// Next input row.
    row: u32,
    /// Next output row.
    next: u32,
}

/// One inference in progress: a model, a buffer, and where each layer stands.
///
/// Dropping or [`reset`](Session::reset)ting it at any row is fine. It holds no locks and never waits.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// use cxr_core::session::Session;
/// let mut arena = [0; 65_536];
/// let mut session = Session::new(&model, &mut arena)?;
/// for _ in 0..256 {
///     session.push_gray_row(&[90; 256])?;
/// }
/// println!("{:?}", session.finish()?.decision());
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub struct Session<'m, 'b> {
    model: Model<'m>,
    plan: Arena,
    kernel: Kernel,
    prepared: Option<&'m Prepared<'m>>,
    arena: &'b mut [i8],
    /// What the arena has beyond the model's need: for layers that compute several rows at once.
    spare: &'b mut [i8],
    /// Bit i: layer i has rows that were not handed on yet.
    pending: u32,
    progress: [Progress; MAX_LAYERS],
    accumulators: [i32; MAX_CLASSES],
    /// The layer whose rows the refusal head's features are sums of.
    summed: Option<usize>,
    rows: u16,
    /// A part of the arena was not as long as its plan says: there is no verdict.
    is_faulty: bool,
    /// The rows so far were gray and the first layer keeps one value a pixel.
    gray: bool,
    /// Where the explanation goes, `[class][y][x]`; empty if none is wanted.
    map: &'b mut [i32],
}

/// Receives `(layer, output row, values)` for each row that a layer computes.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// # use cxr_core::session::Session;
/// # let mut arena = [0; 65_536];
/// # let mut session = Session::new(&model, &mut arena)?;
/// let mut rows = [0; 32];
/// let observe: &mut cxr_core::session::Observer<'_> = &mut |layer, _, _| rows[layer] += 1;
/// for _ in 0..256 {
///     session.push_row_observed(&[90; 768], observe)?;
/// }
/// assert_eq!(rows[0], 128); // the first layer of the shipped model halves the height
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
pub type Observer<'f> = dyn FnMut(usize, usize, &[i8]) + 'f;

impl<'m, 'b> Session<'m, 'b> {
    /// Starts an inference in a buffer of at least [`Model::arena_bytes`] elements.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'m>, arena: &'b mut [i8]) -> Result<Self, Error> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        match arena.split_at_mut_checked(needed) {
            Some((arena, spare)) => Ok(Self::start(*model, arena, spare)),
            None => Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 }),
        }
    }

    /// A session in an arena of the right length, and what the caller has beyond it.
    pub(crate) fn start(model: Model<'m>, arena: &'b mut [i8], spare: &'b mut [i8]) -> Self {
        let mut session = Self {
            model,
            plan: Arena::of(&model),
            kernel: Kernel::best(),
            prepared: None,
            arena,
            spare: aligned_rest(spare),
            pending: 0,
            progress: [Progress::default(); MAX_LAYERS],
            accumulators: [0; MAX_CLASSES],
            summed: model.refusal().map(|head| head.layer()),
            rows: 0,
            is_faulty: false,
            gray: false,
            map: &mut [],
        };
        session.reset();
        session
    }

    /// Computes with the given kernel in place of [`Kernel::best`], and with no prepared filters; the results are the same.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        let begins_anew = self.rows > 0 && self.prepared.is_some_and(|prepared| prepared.extra() > 0);
        self.prepared = None;
        if begins_anew {
            self.reset();
        }
        self
    }

    /// Computes with the filters and the kernel of `prepared`, in less time; the results are the same. Rows pushed before are
    /// forgotten where the filters, then or now, are from [`Prepared::blocks`].
    ///
    /// # Errors
    /// [`Error::OtherModel`] if it was prepared from another file; [`Error::BufferTooSmall`] if the arena is shorter than
    /// [`Prepared::arena_bytes`].
    pub fn with_prepared(mut self, prepared: &'m Prepared<'m>) -> Result<Self, Error> {
        if !prepared.is_of(&self.model) {
            return Err(Error::OtherModel);
        }
        if self.spare.len() < prepared.extra() {
            let given = self.arena.len() + self.spare.len();
            return Err(Error::BufferTooSmall { needed: prepared.arena_bytes(&self.model) as u32, given: given as u32 });
        }
        let begins_anew = self.rows > 0 && (prepared.extra() > 0 || self.prepared.is_some_and(|before| before.extra() > 0));
        self.kernel = prepared.kernel();
        self.prepared = Some(prepared);
        if begins_anew {
            self.reset();
        } else {
            self.reset_blocks();
        }
        Ok(self)
    }

    /// Also writes, for each class and cell of the final feature map, what it adds to the class's accumulator
    /// (see [`explain`]). Rows pushed before are forgotten: a map without them would add up to nothing.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// use cxr_core::session::Session;
    /// let mut arena = [0; 65_536];
    /// let mut session = Session::new(&model, &mut arena)?;
    /// let mut map = [0; 3 * 8 * 8];
    /// let mut session = session.with_map(&mut map)?;
    /// let verdict = session.run(&[90; 256 * 256 * 3])?;
    /// let cells = cxr_core::explain::class_map(&model, session.map(), 2);
    /// assert_eq!(cells.iter().sum::<i32>() + cxr_core::explain::bias(&model, 2), verdict.accumulators()[2]);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] under [`explain::map_len`] elements.
    pub fn with_map(mut self, map: &'b mut [i32]) -> Result<Self, Error> {
        let (needed, given) = (explain::map_len(&self.model), map.len());
        self.map = match map.get_mut(..needed) {
            Some(map) => map,
            None => return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 }),
        };
        if self.rows > 0 {
            self.reset();
        }
        Ok(self)
    }

    /// Rows pushed since the session began or was [`reset`](Self::reset).
    pub const fn rows(&self) -> u16 {
        self.rows
    }

    /// The explanation of the rows pushed so far, empty without [`with_map`](Self::with_map).
    pub fn map(&self) -> &[i32] {
        self.map
    }

    /// Forgets the rows pushed so far.
    pub fn reset(&mut self) {
        self.rows = 0;
        self.is_faulty = false;
        self.gray = !self.model.gray_weights().is_empty();
        self.clear();
    }

    /// Takes the next row: `width * channels` bytes, channels interleaved, 0 black to 255 white.
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    pub fn push_row(&mut self, row: &[u8]) -> Result<(), Error> {
        self.push_row_observed(row, &mut |_, _, _| ())
    }

    /// Takes the next row of a gray image: `width` bytes, given to every channel. The same result as
    /// [`push_row`](Self::push_row) with each byte repeated, in less time; both may be mixed.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_gray_row(&mut self, row: &[u8]) -> Result<(), Error> {
        self.push_gray_row_observed(row, &mut |_, _, _| ())
    }

    /// [`push_row`](Self::push_row) that shows every row that a layer computes to `observe`.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_row_observed(&mut self, row: &[u8], observe: &mut Observer<'_>) -> Result<(), Error> {
        self.check_row(row.len(), self.model.input().row_len())?;
        if self.gray {
            self.colour();
        }
        self.take(row.iter().copied(), observe);
        Ok(())
    }

    /// [`push_gray_row`](Self::push_gray_row) that shows every row that a layer computes to `observe`.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_gray_row_observed(&mut self, row: &[u8], observe: &mut Observer<'_>) -> Result<(), Error> {
        let input = self.model.input();
        self.check_row(row.len(), input.width as usize)?;
        if self.gray {
            self.take(row.iter().copied(), observe);
        } else {
            self.take(row.iter().flat_map(|v| core::iter::repeat_n(*v, input.channels as usize)), observe);
        }
        Ok(())
    }

    /// The verdict, after `input().height` rows.
    ///
    /// # Errors
    /// [`Error::MissingRows`]; [`Error::Internal`] if a layer did not see and compute all its rows, which is a fault of this library.
    pub fn finish(&mut self) -> Result<Verdict, Error> {
        let expected = self.model.input().height;
        if self.rows != expected {
            return Err(Error::MissingRows { given: self.rows, expected });
        }
        if !self.is_complete() {
            return Err(Error::Internal);
        }
        self.features().and_then(|sums| Verdict::of(&self.model, &self.accumulators, sums)).ok_or(Error::Internal)
    }

    /// A whole image at once: `height * width * channels` bytes, rows top to bottom.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is wrong.
    pub fn run(&mut self, image: &[u8]) -> Result<Verdict, Error> {
        let input = self.model.input();
        if image.len() != input.len() {
            return Err(Error::RowLength { expected: input.len() as u32, given: image.len() as u32 });
        }
        self.reset();
        for row in image.chunks_exact(input.row_len().max(1)) {
            self.push_row(row)?;
        }
        self.finish()
    }
}

#[cfg(test)]
mod tests;
