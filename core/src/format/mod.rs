//! The model file (`.cxr`): one table of offsets, read by [`Model::parse`] and written by [`encode`].
//!
//! Little-endian. `parse` checks every byte that later code relies on, once, in a `const fn`: a firmware
//! that embeds a bad file does not compile. After that, reads cannot fail. `docs/model-format.md` lists the bytes.

mod bytes;
mod check;
mod encode;
mod layer;
mod layout;
mod model;
mod parse;
pub(crate) mod refusal;

pub use encode::{LayerSpec, ModelSpec, encode, encoded_len};
pub use layer::{Layer, Op};
pub use layout::{MAGIC, MAX_CLASSES, MAX_LAYERS, VERSION};
pub use model::{Doubt, Model};
pub use refusal::{Refusal, RefusalSpec};

/// Embeds a model file as a constant, checked while compiling. The path is as for [`include_bytes!`].
///
/// ```
/// use cxr_core::format::Model;
/// const MODEL: Model<'static> = cxr_core::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr"));
/// let arena = [0i8; MODEL.arena_bytes()];
/// assert!(arena.len() < 40_960);
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        // Summing the weights of a layer takes the evaluator a few seconds, by design.
        #[allow(long_running_const_eval)]
        const MODEL: $crate::format::Model<'static> = $crate::format::Model::parse_or_panic(include_bytes!($path));
        MODEL
    }};
}
