//! Exact explanation: where each logit came from.
//!
//! The last layer is linear, so an accumulator is exactly the sum over the cells of the final feature map of
//! weight times activation, plus the bias. The map holds those integers; nothing is approximated, no gradient is
//! taken, and the device, the page and the command line show the same numbers.
//!
//! ```
//! use cxr_core::{explain, format::Model, session::Session};
//! # const FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/tiny.cxr"));
//! let model = Model::parse(FILE)?;
//! let (mut arena, mut maps) = (vec![0; model.arena_bytes()], vec![0; explain::map_len(&model)]);
//! let mut session = Session::new(&model, &mut arena)?.with_map(&mut maps)?;
//! let verdict = session.run(&vec![99; model.input().len()])?;
//! for class in 0..model.class_count() {
//!     let cells: i32 = explain::class_map(&model, session.map(), class).iter().sum();
//!     assert_eq!(cells + explain::bias(&model, class), verdict.accumulators()[class]); // to the last bit
//! }
//! # Ok::<(), cxr_core::error::Error>(())
//! ```

use crate::format::Model;
use crate::shape::Shape;

/// Rows and columns of the map of each class: the extent of the final feature map.
pub const fn map_shape(model: &Model<'_>) -> Shape {
    match model.layer(model.layer_count() - 1) {
        Some(dense) => Shape::new(dense.input.height, dense.input.width, model.class_count() as u16),
        None => Shape::new(0, 0, 0),
    }
}

/// Elements that the maps of all classes take, `[class][y][x]`.
pub const fn map_len(model: &Model<'_>) -> usize {
    map_shape(model).len()
}

/// The map of one class, rows from top to bottom, out of the maps of all classes.
///
/// Its sum plus [`bias`] is the class's accumulator, to the last bit; times [`scale`] it is in logits.
pub fn class_map<'a>(model: &Model<'_>, maps: &'a [i32], class: usize) -> &'a [i32] {
    let shape = map_shape(model);
    let cells = shape.height as usize * shape.width as usize;
    maps.get(class * cells..(class + 1) * cells).unwrap_or(&[])
}

/// Bias of a class's accumulator.
pub const fn bias(model: &Model<'_>, class: usize) -> i32 {
    match model.layer(model.layer_count() - 1) {
        Some(dense) => dense.bias_at(class),
        None => 0,
    }
}

/// Logits for one unit of the map.
pub const fn scale(model: &Model<'_>, class: usize) -> f32 {
    match model.layer(model.layer_count() - 1) {
        Some(dense) => dense.scale_at(class),
        None => 0.0,
    }
}
