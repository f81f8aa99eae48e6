//! Storage for a network that is cut into segments.
//!
//! How many rows each value keeps is found by running the schedule; where they lie by first fit.

mod needs;
mod part;
mod planner;
mod pool;
mod strips;
mod tries;
mod waiting;

pub use planner::{Placement, Planner, Segment, place};
