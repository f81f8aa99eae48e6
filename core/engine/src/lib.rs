//! Runs int8 networks row by row, in the least memory: no allocator, no standard library, the same bytes everywhere.
//!
//! A network is a file that [`Model::parse`](model::Model::parse) checks once; a [`Session`](session::Session) takes the rows of its
//! input in an arena of exactly [`Model::arena_bytes`](model::Model::arena_bytes) and gives its outputs. `DESIGN.md` says what
//! files hold.
#![no_std]
#![warn(missing_docs)]

#[cfg(any(test, feature = "encode"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "encode")]
pub mod encode;
pub mod error;
pub mod kernels;
pub mod model;
mod ops;
pub mod plan;
pub mod quant;
pub mod session;
mod softmax;
