//! Filters packed once for a kernel, where there is memory for a second copy: on a server, not on a microcontroller.
//!
//! Vector kernels want filters in another order than the file's. Without preparation a session computes convolutions by the
//! loops for any geometry, which take longer. One preparation serves every session of the network, from any thread.
//!
//! ```
//! use rownet::{kernels::Kernel, model::Model, prepared::Prepared, session::Session};
//! let model = Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.rnet")))?;
//! let mut buffer = vec![0; Prepared::bytes(&model, &Kernel::best())];
//! let prepared = Prepared::new(&model, Kernel::best(), &mut buffer)?;
//! let mut arena = vec![0; model.arena_bytes()];
//! let mut session = Session::new(&model, &mut arena)?.with_prepared(prepared)?;
//! assert_eq!(session.run(&[0; 12])?.int8(0)?.len(), 2);
//! # Ok::<(), rownet::error::Error>(())
//! ```

use crate::error::Error;
use crate::kernels::Kernel;
use crate::model::Model;
use crate::model::bytes::u32_at;
use crate::ops::Step;

/// Filters start where a vector of 64 bytes does not cross a cache line.
const ALIGN: usize = 64;
/// Bytes of an entry of the table: where an operator's filters end.
const ENTRY: usize = 4;

/// Filters of a network, packed for a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    kernel: Kernel,
    file: u32,
    /// A table of ends, an entry an operator, then the filters.
    packed: &'a [u8],
}

impl<'a> Prepared<'a> {
    /// Bytes of buffer that [`new`](Self::new) needs: none for a kernel that reads the file as it is.
    pub fn bytes(model: &Model<'_>, kernel: &Kernel) -> usize {
        let filters = operators(model).map(|i| packed_len(model, kernel, i)).fold(0, usize::saturating_add);
        if filters == 0 { 0 } else { table_len(model).saturating_add(filters).saturating_add(ALIGN - 1) }
    }

    /// Packs the filters of `model` for `kernel` into a buffer of at least [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'_>, kernel: Kernel, buffer: &'a mut [u8]) -> Result<Self, Error> {
        let (needed, given) = (Self::bytes(model, &kernel), buffer.len());
        let short = Error::BufferTooSmall { needed: needed as u32, given: given as u32 };
        let start = if needed == 0 { 0 } else { buffer.as_ptr().align_offset(ALIGN).min(ALIGN - 1) };
        let packed = buffer.get_mut(start..needed.max(start)).ok_or(short)?;
        let mut at = table_len(model);
        for i in operators(model).take(if needed == 0 { 0 } else { usize::MAX }) {
            let len = packed_len(model, &kernel, i);
            if let (Some(layer), Some(to)) = (Step::of(model, i), packed.get_mut(at..at + len)) {
                layer.pack(&kernel, to);
            }
            at += len;
            if let Some(end) = packed.get_mut(usize::from(i) * ENTRY..).and_then(|rest| rest.first_chunk_mut()) {
                *end = (at as u32).to_le_bytes();
            }
        }
        Ok(Self { kernel, file: model.checksum(), packed })
    }

    /// The kernel that reads these filters.
    pub const fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// True if `model` is the file that was prepared.
    pub const fn is_of(&self, model: &Model<'_>) -> bool {
        self.file == model.checksum()
    }

    /// Where [`filters`] finds those of an operator.
    pub(crate) const fn packed(&self) -> &'a [u8] {
        self.packed
    }
}

/// Filters of operator `i`; empty where nothing was packed.
pub(crate) fn filters<'a>(packed: &'a [u8], model: &Model<'_>, i: u16) -> &'a [u8] {
    if packed.is_empty() {
        return &[];
    }
    let start = match i.checked_sub(1) {
        Some(before) => u32_at(packed, usize::from(before) * ENTRY) as usize,
        None => table_len(model),
    };
    packed.get(start..u32_at(packed, usize::from(i) * ENTRY) as usize).unwrap_or_default()
}

fn operators(model: &Model<'_>) -> impl Iterator<Item = u16> {
    0..model.operator_count() as u16
}

fn table_len(model: &Model<'_>) -> usize {
    (model.operator_count() * ENTRY).next_multiple_of(ALIGN)
}

/// Bytes that the filters of operator `i` take, to the next one's start; none where they are read as they are.
fn packed_len(model: &Model<'_>, kernel: &Kernel, i: u16) -> usize {
    let len = Step::of(model, i).map_or(0, |step| step.pack(kernel, &mut []));
    len.checked_next_multiple_of(ALIGN).unwrap_or(usize::MAX)
}
