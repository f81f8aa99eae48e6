//! What is packed of a model, and where parts of a buffer start.

use crate::error::Error;
use crate::format::{Layer, Model, Op};
use crate::kernels::{Covered, Filters};
use crate::ops::conv_2d;

/// Filters start where a vector of 64 bytes does not cross a cache line.
pub const ALIGN: usize = 64;

/// What is packed, in order: the gray first layer, then each layer.
pub fn packings<'a>(model: &Model<'a>) -> impl Iterator<Item = Option<Covered<'a>>> {
    let weights = model.gray_weights();
    let gray = model.layer(0).filter(|_| !weights.is_empty()).and_then(|layer| packing(&layer, Some(weights)));
    let model = *model;
    core::iter::once(gray).chain((0..model.layer_count()).map(move |i| model.layer(i).and_then(|layer| packing(&layer, None))))
}

/// What is packed of a layer; of the first one with these weights for gray rows.
pub fn packing<'a>(layer: &Layer<'a>, gray: Option<&'a [u8]>) -> Option<Covered<'a>> {
    let Op::Conv2d(window) = layer.op else { return None };
    let filters = conv_2d::filters(layer, &[]);
    let filters = Filters { weights: gray.unwrap_or(filters.weights), ..filters };
    Covered::new(conv_2d::packing(layer, window, gray.is_some()), filters).filter(|_| layer.groups == 1)
}

/// Bytes of a buffer for parts of these lengths, each of them aligned; the largest number where none holds them.
pub fn total(lengths: impl Iterator<Item = usize>) -> usize {
    let aligned = lengths.map(|len| len.checked_next_multiple_of(ALIGN).unwrap_or(usize::MAX));
    match aligned.fold(0, usize::saturating_add) {
        0 => 0,
        total => total.saturating_add(ALIGN - 1),
    }
}

/// Where in a buffer aligned parts start, and as much of it as is needed.
pub fn aligned(buffer: &mut [u8], needed: usize) -> Result<(usize, &mut [u8]), Error> {
    let (start, given) = (buffer.as_ptr().align_offset(ALIGN).min(ALIGN - 1), buffer.len());
    let buffer = buffer.get_mut(..needed).ok_or(Error::BufferTooSmall { needed: needed as u32, given: given as u32 })?;
    Ok((start, buffer))
}

/// From where on vectors do not cross cache lines.
pub fn aligned_rest(memory: &mut [i8]) -> &mut [i8] {
    let start = memory.as_ptr().align_offset(ALIGN);
    memory.get_mut(start..).unwrap_or_default()
}
