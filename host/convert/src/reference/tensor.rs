//! Arrays of a value's shape.

use crate::ir::Element;

/// Elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Signed bytes.
    I8(Vec<i8>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Floats.
    F32(Vec<f32>),
}

/// A tensor of a value's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub data: Data,
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(d) => d.len(),
            Self::U8(d) => d.len(),
            Self::F32(d) => d.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Type of the elements.
    pub fn element(&self) -> Element {
        match self {
            Self::I8(_) => Element::I8,
            Self::U8(_) => Element::U8,
            Self::F32(_) => Element::F32,
        }
    }
}
