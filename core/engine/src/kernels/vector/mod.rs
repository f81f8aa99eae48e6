//! Rows by vectors, whatever the instruction set: an [`Isa`] names the instructions, the loops are here.
//!
//! A vector holds one output channel a lane. Rows are converted once into a scratch buffer; then, for a block of columns, each
//! word of taps is given to all lanes and multiplied with the vectors of the output channels. Accumulators stay in registers.

#[cfg(row_blocks)]
pub mod both_ways;
#[cfg(row_blocks)]
pub mod gray;
mod isa;
mod job;
mod lanes;
mod rescale;
mod rows;
mod scratch;
mod tile;
pub mod winograd;

pub use isa::{Isa, layout};
pub use job::Job;
pub use lanes::{Lanes, depthwise, dot};
pub use rows::conv;
