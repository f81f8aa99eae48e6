//! What an inference gives.

use crate::error::Error;
use crate::model::Model;
use crate::model::bytes::f32_at;
use crate::model::desc::{Element, Storage, Value};

/// The outputs of a finished inference.
#[derive(Clone, Copy)]
pub struct Outputs<'m, 'b> {
    model: Model<'m>,
    arena: &'b [i8],
}

impl<'m, 'b> Outputs<'m, 'b> {
    pub(super) const fn new(model: Model<'m>, arena: &'b [i8]) -> Self {
        Self { model, arena }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.model.output_count()
    }

    /// Never: a network has an output.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape, type, scale and zero point of output `i`.
    pub const fn value(&self, i: usize) -> Option<Value> {
        match self.model.output(i) {
            Some(id) => self.model.value(id),
            None => None,
        }
    }

    /// Its bytes in the arena, `[height][width][channels]`; of f32 four bytes each, little-endian.
    ///
    /// # Errors
    /// [`Error::NoSuchOutput`].
    pub fn bytes(&self, i: usize) -> Result<&'b [i8], Error> {
        let id = self.model.output(i).ok_or(Error::NoSuchOutput)?;
        let Storage::Ring { at, .. } = self.model.storage(id) else { return Err(Error::Internal) };
        let len = self.model.row_bytes(id) * usize::from(self.model.shape(id).height);
        self.arena.get(at as usize..at as usize + len).ok_or(Error::Internal)
    }

    /// Output `i` as int8.
    ///
    /// # Errors
    /// [`Error::NoSuchOutput`], also where it is f32.
    pub fn int8(&self, i: usize) -> Result<&'b [i8], Error> {
        match self.value(i) {
            Some(Value { element: Element::I8, .. }) => self.bytes(i),
            _ => Err(Error::NoSuchOutput),
        }
    }

    /// Output `i` in real values: `f32(q - zero_point) * scale`, or as it is.
    ///
    /// # Errors
    /// [`Error::NoSuchOutput`].
    pub fn real(&self, i: usize) -> Result<impl Iterator<Item = f32> + use<'b>, Error> {
        let (bytes, value) = (self.bytes(i)?, self.value(i).ok_or(Error::NoSuchOutput)?);
        let is_i8 = matches!(value.element, Element::I8);
        Ok(bytes.chunks(if is_i8 { 1 } else { 4 }).map(move |bytes| match bytes {
            [q] => (i32::from(*q) - i32::from(value.zero_point)) as f32 * value.scale,
            [a, b, c, d] => f32_at(&[*a as u8, *b as u8, *c as u8, *d as u8], 0),
            _ => 0.0,
        }))
    }
}
