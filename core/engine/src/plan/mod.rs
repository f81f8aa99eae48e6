//! When each row is made, and where it lies.
//!
//! The file carries a plan; `check` runs its schedule without data, refuses it where a row would be gone before it was read,
//! and finds the arena's exact length.

mod check;
pub(crate) mod columns;
mod counters;
mod lifetime;
#[cfg(feature = "encode")]
mod place;
pub(crate) mod reads;
pub(crate) mod recompute;
pub(crate) mod schedule;
mod simulate;
pub(crate) mod strips;

pub(crate) use check::check;
pub(crate) use counters::{Counters, increment};
#[cfg(feature = "encode")]
pub use place::{Placement, Planner, Segment, place};
pub use reads::state_bytes;

/// Most operators of a segment: the parser counts their rows on the stack.
pub const MAX_SEGMENT: usize = 512;
