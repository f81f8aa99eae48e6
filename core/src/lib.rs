//! Streaming int8 inference for chest X-rays: `no_std`, no allocator, the same bits on every target.
//!
//! **Research software, not a medical device: not for diagnosis, triage or treatment.**
//!
//! An image is never held in memory. [`image::Resizer`] takes the rows of a picture of any size and
//! emits rows of the network's width; [`session::Session`] takes those rows and keeps, for each layer,
//! only the rows that its kernel still needs. The buffer is the caller's, and its exact size is a
//! constant: [`format::Model::arena_bytes`].
//!
//! ```no_run
//! use cxr_core::{format::Model, session::{Decision, Session}};
//!
//! # fn next_row(_y: u16, _row: &mut [u8]) {}
//! # fn main() -> Result<(), cxr_core::error::Error> {
//! # let file: &[u8] = &[];
//! let model = Model::parse(file)?; // in firmware: a `const`, so that a bad file does not compile
//! # let mut arena = [0i8; 40960];
//! let mut session = Session::new(&model, &mut arena)?;
//! let mut row = [0u8; 256];
//! for y in 0..model.input().height {
//!     next_row(y, &mut row);
//!     session.push_gray_row(&row)?;
//! }
//! match session.finish()?.decision() {
//!     Decision::Class(k) => { let _name = model.class_name(k); }
//!     Decision::Abstain(_reason) => { /* no verdict: say so */ }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | concern | module |
//! |---|---|
//! | errors | [`error`] |
//! | shapes | [`shape`] |
//! | requantisation | [`quant`] |
//! | streaming resize | [`image`] |
//! | the model file | [`format`] |
//! | models in the program | [`embed`] |
//! | softmax with temperature | [`softmax`] |
//! | inner loops | [`kernels`] |
//! | filters packed once, where there is memory | [`prepared`] |
//! | push rows, get a verdict | [`session`], [`verdict`] |
//! | where a logit came from | [`explain`] |
#![no_std]
#![warn(missing_docs)]

pub mod embed;
pub mod error;
pub mod explain;
pub mod format;
mod ops;
pub use ops::softmax;
#[doc(hidden)] // for the host, which shows and checks it
pub mod plan;
pub mod prepared;
pub mod session;
pub mod shape;
mod step;
pub mod verdict;

pub use rownet::{image, kernels, quant};

#[cfg(test)]
extern crate std;
