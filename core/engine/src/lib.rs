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
pub mod image;
pub mod kernels;
#[cfg(feature = "embedded-io")]
pub mod load;
pub mod model;
mod ops;
pub mod plan;
pub mod prepared;
pub mod quant;
pub mod session;
mod softmax;

/// A network file in the program, checked by the compiler: a bad one does not compile, and its arena's length is a constant.
///
/// Checking a network of several dozen operators is more than the compiler expects of a constant: `#[allow(long_running_const_eval)]`
/// on the item lets it go on.
///
/// ```
/// use rownet::{model::Model, session::Session};
/// const NETWORK: Model<'_> = rownet::include_network!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.rnet"));
/// let mut arena = [0; NETWORK.arena_bytes()];
/// let mut session = Session::new(&NETWORK, &mut arena)?;
/// for row in [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]] {
///     session.push_row(&row)?;
/// }
/// assert_eq!(session.finish()?.int8(0)?.len(), 2);
/// # Ok::<(), rownet::error::Error>(())
/// ```
#[macro_export]
macro_rules! include_network {
    ($path:expr) => {
        const { $crate::model::Model::parse_or_panic(include_bytes!($path)) }
    };
}
