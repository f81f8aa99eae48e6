//! Filters packed once for a kernel, where there is memory for a second copy: on a server, not on a microcontroller.
//!
//! Vector kernels want filters in another order than the model file's. Without preparation they reorder them at every row,
//! which takes longer than the multiplications. One preparation serves every session of the model, from any thread.
//! [`Prepared::blocks`] is the faster, and asks more memory of a session than [`Prepared::new`].
//!
//! ```
//! use cxr_core::{format::Model, kernels::Kernel, prepared::Prepared, session::Session};
//!
//! # const FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr"));
//! # fn main() -> Result<(), cxr_core::error::Error> {
//! let model = Model::parse(FILE)?;
//! let mut buffer = vec![0; Prepared::blocks_bytes(&model, &Kernel::best())];
//! let prepared = Prepared::blocks(&model, Kernel::best(), &mut buffer)?;
//! let mut arena = vec![0; prepared.arena_bytes(&model)];
//! let _session = Session::new(&model, &mut arena)?.with_prepared(&prepared)?;
//! # Ok(())
//! # }
//! ```

use crate::error::Error;
use crate::format::{Layer, MAX_LAYERS, Model};
use crate::kernels::{HAS_BLOCKS, Kernel};

mod blocks;
mod packings;
pub(crate) use blocks::Block;
pub(crate) use packings::{ALIGN, aligned_rest};
use packings::{aligned, packings, total};

/// Filters of a model, packed for a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    index: Index,
    packed: &'a [u8],
    /// As in the file: reading a layer's record takes longer than adding up a short row.
    layers: [Option<Layer<'a>>; MAX_LAYERS],
}

/// What lies where in a buffer of packed filters: with it, whoever owns the buffer can [`resume`](Prepared::resume).
#[doc(hidden)] // for the host, whose owner of file and filters has no place for borrows
#[derive(Clone, Copy, Debug)]
pub struct Index {
    kernel: Kernel,
    file: u32,
    start: usize,
    /// Where each layer's filters end; those of the first layer for gray rows come before all.
    ends: [usize; MAX_LAYERS + 1],
    blocks: [Option<Block>; MAX_LAYERS],
    /// Bytes that a session takes beyond the model's arena, aligned.
    extra: usize,
}

impl<'a> Prepared<'a> {
    /// Bytes of buffer that [`new`](Self::new) needs: none for a kernel that reads the file as it is.
    pub fn bytes(model: &Model<'_>, kernel: &Kernel) -> usize {
        total(packings(model).flatten().map(|layer| kernel.packed_len(&layer)))
    }

    /// Bytes of buffer that [`blocks`](Self::blocks) needs.
    pub fn blocks_bytes(model: &Model<'_>, kernel: &Kernel) -> usize {
        total((0..=MAX_LAYERS).map(|entry| blocks::pack(model, kernel, entry, &mut [])))
    }

    /// Packs the filters of `model` for `kernel` into a buffer of at least [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'a>, kernel: Kernel, buffer: &'a mut [u8]) -> Result<Self, Error> {
        let (start, buffer) = aligned(buffer, Self::bytes(model, &kernel))?;
        let (mut at, mut ends) = (start, [start; MAX_LAYERS + 1]);
        for (end, packing) in ends.iter_mut().zip(packings(model)) {
            if let Some(layer) = packing {
                at += kernel.pack(&layer, buffer.get_mut(at..).unwrap_or_default()).next_multiple_of(ALIGN);
            }
            *end = at;
        }
        let index = Index { kernel, file: model.checksum(), start, ends, blocks: [None; MAX_LAYERS], extra: 0 };
        Self::resume(model, index, buffer)
    }

    /// [`new`](Self::new) for sessions with more memory, [`arena_bytes`](Self::arena_bytes): layers compute several rows at once where
    /// the kernel has loops for that (AVX2, AVX-VNNI, simd128), which takes less time. Elsewhere the same.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn blocks(model: &Model<'a>, kernel: Kernel, buffer: &'a mut [u8]) -> Result<Self, Error> {
        let (start, buffer) = aligned(buffer, Self::blocks_bytes(model, &kernel))?;
        let (mut at, mut ends) = (start, [start; MAX_LAYERS + 1]);
        for (entry, end) in ends.iter_mut().enumerate() {
            at += blocks::pack(model, &kernel, entry, buffer.get_mut(at..).unwrap_or_default()).next_multiple_of(ALIGN);
            *end = at;
        }
        let (blocks, extra) = blocks::arrange(model, &kernel);
        Self::resume(model, Index { kernel, file: model.checksum(), start, ends, blocks, extra }, buffer)
    }

    /// Bytes of arena that a session with these filters takes: [`Model::arena_bytes`], and what layers need that compute several rows at
    /// once.
    pub const fn arena_bytes(&self, model: &Model<'_>) -> usize {
        model.arena_bytes() + if self.index.extra > 0 { self.index.extra + ALIGN - 1 } else { 0 }
    }

    /// Bytes that a session takes beyond the model's arena, aligned.
    pub(crate) const fn extra(&self) -> usize {
        self.index.extra
    }

    /// For tests of what must not be.
    #[cfg(test)]
    pub(crate) const fn forget_filters(&mut self) {
        self.packed = &[];
    }

    /// How layer `i` computes several rows at once.
    #[inline(always)]
    pub(crate) fn block(&self, i: usize) -> Option<&Block> {
        if HAS_BLOCKS { self.index.blocks.get(i).and_then(Option::as_ref) } else { None }
    }

    #[doc(hidden)] // as Index
    /// The filters that [`new`](Self::new) packed into `buffer`, which has not moved or changed since.
    ///
    /// # Errors
    /// [`Error::OtherModel`] if they are of another file.
    pub fn resume(model: &Model<'a>, index: Index, buffer: &'a [u8]) -> Result<Self, Error> {
        if index.file != model.checksum() {
            return Err(Error::OtherModel);
        }
        Ok(Self { index, packed: buffer, layers: core::array::from_fn(|i| model.layer(i)) })
    }

    #[doc(hidden)] // as Index
    /// What lies where in the buffer.
    pub const fn index(&self) -> Index {
        self.index
    }

    /// The kernel that reads these filters.
    pub const fn kernel(&self) -> Kernel {
        self.index.kernel
    }

    /// True if `model` is the file that was prepared.
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
