//! Filters packed once for a kernel, where there is memory for a second copy: on a server, not on a microcontroller.
//!
//! Vector kernels want filters in another order than the model file's. Without preparation they reorder them at every row,
//! which takes longer than the multiplications. One preparation serves every session of the model, from any thread.
//!
//! ```
//! use cxr_core::{format::Model, kernels::Kernel, prepared::Prepared, session::Session};
//!
//! # const FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr"));
//! # fn main() -> Result<(), cxr_core::error::Error> {
//! let model = Model::parse(FILE)?;
//! let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
//! let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
//! let mut arena = vec![0; model.arena_bytes()];
//! let _session = Session::new(&model, &mut arena)?.with_prepared(&prepared)?;
//! # Ok(())
//! # }
//! ```

use crate::error::Error;
use crate::format::{Layer, MAX_LAYERS, Model, Op};
use crate::kernels::{Filters, Kernel, pack::Shape};
use crate::ops::conv_2d;

/// Filters start where a vector of 64 bytes does not cross a cache line.
const ALIGN: usize = 64;

/// Filters of a model, packed for a kernel.
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// use cxr_core::{kernels::Kernel, prepared::Prepared};
/// let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
/// let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
/// assert!(prepared.is_of(&model));
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    index: Index,
    packed: &'a [u8],
    /// As in the file: reading a layer's record takes longer than adding up a short row.
    layers: [Option<Layer<'a>>; MAX_LAYERS],
}

/// What lies where in a buffer of packed filters: with it, whoever owns the buffer can [`resume`](Prepared::resume).
///
/// ```
/// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
/// use cxr_core::{kernels::Kernel, prepared::Prepared};
/// let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
/// let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
/// let index = prepared.index(); // keep it with the buffer
/// assert!(Prepared::resume(&model, index, &buffer)?.is_of(&model));
/// # Ok::<(), cxr_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Index {
    kernel: Kernel,
    file: u32,
    start: usize,
    /// Where each layer's filters end; those of the first layer for gray rows come before all.
    ends: [usize; MAX_LAYERS + 1],
}

impl<'a> Prepared<'a> {
    /// Bytes of buffer that [`new`](Self::new) needs: none for a kernel that reads the file as it is.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// assert_eq!(Prepared::bytes(&model, &Kernel::SCALAR), 0);
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub fn bytes(model: &Model<'_>, kernel: &Kernel) -> usize {
        match lengths(model, kernel).sum::<usize>() {
            0 => 0,
            total => total + ALIGN - 1,
        }
    }

    /// Packs the filters of `model` for `kernel` into a buffer of at least [`bytes`](Self::bytes).
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
    /// let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
    /// assert_eq!(prepared.kernel().name(), Kernel::best().name());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'a>, kernel: Kernel, buffer: &'a mut [u8]) -> Result<Self, Error> {
        let (needed, given) = (Self::bytes(model, &kernel), buffer.len());
        let start = buffer.as_ptr().align_offset(ALIGN).min(ALIGN - 1);
        let Some(buffer) = buffer.get_mut(..needed) else {
            return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
        };
        let (mut at, mut ends) = (start, [start; MAX_LAYERS + 1]);
        for (end, packing) in ends.iter_mut().zip(packings(model)) {
            if let Some((shape, filters)) = packing {
                at += kernel.pack(&shape, &filters, buffer.get_mut(at..).unwrap_or_default()).next_multiple_of(ALIGN);
            }
            *end = at;
        }
        Self::resume(model, Index { kernel, file: model.checksum(), start, ends }, buffer)
    }

    /// The filters that [`new`](Self::new) packed into `buffer`, which has not moved or changed since.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// # use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// # let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
    /// # let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
    /// let index = prepared.index();
    /// assert!(Prepared::resume(&model, index, &buffer).is_ok());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OtherModel`] if they are of another file.
    pub fn resume(model: &Model<'a>, index: Index, buffer: &'a [u8]) -> Result<Self, Error> {
        if index.file != model.checksum() {
            return Err(Error::OtherModel);
        }
        Ok(Self { index, packed: buffer, layers: core::array::from_fn(|i| model.layer(i)) })
    }

    /// What lies where in the buffer.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// # use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// # let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
    /// # let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
    /// let index = prepared.index();
    /// assert!(Prepared::resume(&model, index, &buffer).is_ok());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn index(&self) -> Index {
        self.index
    }

    /// The kernel that reads these filters.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// # use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// # let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
    /// # let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
    /// assert_eq!(prepared.kernel().name(), Kernel::best().name());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn kernel(&self) -> Kernel {
        self.index.kernel
    }

    /// True if `model` is the file that was prepared.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// # use cxr_core::{kernels::Kernel, prepared::Prepared};
    /// # let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
    /// # let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
    /// assert!(prepared.is_of(&model));
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub const fn is_of(&self, model: &Model<'_>) -> bool {
        self.index.file == model.checksum()
    }

    /// Layer `i` of the model.
    #[inline(always)]
    pub(crate) fn layer(&self, i: usize) -> Option<Layer<'a>> {
        self.layers.get(i).copied().flatten()
    }

    /// Filters of layer `i`, of the first for gray rows if `gray`; empty where nothing was packed.
    pub(crate) fn filters(&self, i: usize, gray: bool) -> &'a [u8] {
        let entry = if gray { 0 } else { i + 1 };
        let start = entry.checked_sub(1).and_then(|before| self.index.ends.get(before)).copied().unwrap_or(self.index.start);
        let end = self.index.ends.get(entry).copied().unwrap_or(0);
        self.packed.get(start..end).unwrap_or(&[])
    }
}

/// What is packed, in order: the gray first layer, then each layer.
fn packings<'a>(model: &Model<'a>) -> impl Iterator<Item = Option<(Shape, Filters<'a>)>> {
    let gray = model.layer(0).filter(|_| !model.gray_weights().is_empty()).and_then(|layer| packing(&layer, true));
    let weights = model.gray_weights();
    let gray = gray.map(|(shape, filters)| (shape, Filters { weights, ..filters }));
    let model = *model;
    core::iter::once(gray).chain((0..model.layer_count()).map(move |i| model.layer(i).and_then(|layer| packing(&layer, false))))
}

fn packing<'a>(layer: &Layer<'a>, gray: bool) -> Option<(Shape, Filters<'a>)> {
    match layer.op {
        Op::Conv2d(window) if layer.groups == 1 => Some((conv_2d::packing(layer, window, gray), conv_2d::filters(layer, &[]))),
        _ => None,
    }
}

fn lengths(model: &Model<'_>, kernel: &Kernel) -> impl Iterator<Item = usize> {
    packings(model).flatten().map(|(shape, filters)| kernel.packed_len(&shape, &filters).next_multiple_of(ALIGN))
}
