//! Reads of a file's fields: the engine's, and extents as this format has them.

use crate::shape::{Padding, Shape, Window2d};

pub use rownet::model::bytes::{crc32, crc32_folded, f32_at, i8_at, magnitudes, slice, u8_at, u16_at, u32_at};

pub const fn shape_at(b: &[u8], at: usize) -> Shape {
    Shape::new(u16_at(b, at), u16_at(b, at + 2), u16_at(b, at + 4))
}

pub const fn window_at(b: &[u8], at: usize) -> Window2d {
    Window2d {
        kernel: [u8_at(b, at), u8_at(b, at + 1)],
        stride: [u8_at(b, at + 2), u8_at(b, at + 3)],
        pad: Padding { top: u8_at(b, at + 4), left: u8_at(b, at + 5), bottom: u8_at(b, at + 6), right: u8_at(b, at + 7) },
    }
}
