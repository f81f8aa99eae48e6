//! Rows of any geometry: padding that is not stored, dilation, groups, and outputs in either arithmetic.
//!
//! An empty row is a row of padding, and columns outside of a row are. These loops are what runs where no kernel of the
//! processor takes an operator as it is.

mod args;
pub mod loops;

pub use args::{Columns, ConvRow, DepthwiseRow, Filters, Loops};
pub use loops::LOOPS;
