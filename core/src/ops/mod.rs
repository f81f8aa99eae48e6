//! Operators, a row at a time.

pub mod average_pool_2d;
pub mod conv_2d;
pub mod dense;
pub mod max_pool_2d;
pub mod softmax;

use crate::shape::MAX_KERNEL;
use heapless::Vec;

/// Input rows under a window, top to bottom.
pub type Rows<'a> = Vec<&'a [i8], MAX_KERNEL>;
