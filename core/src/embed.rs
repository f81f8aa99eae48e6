//! Models in the program: a bad file and a buffer that is too small do not compile.
//!
//! [`embed_model!`](crate::embed_model) makes a type of a model file. Its sizes are constants of the type, and
//! [`Session::embedded`] takes an arena whose length is compared with them while compiling, so that nothing is left to
//! fail at run time.
//!
//! ```
//! use cxr_core::embed::{Arena, EmbeddedModel};
//! use cxr_core::session::Session;
//!
//! cxr_core::embed_model!(pub struct Chest, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/tiny.cxr"));
//!
//! let mut arena: Arena<Chest> = Chest::ARENA; // in firmware: a `static`
//! let mut session = Session::embedded::<Chest, _>(&mut arena); // no Result: nothing can go wrong
//! session.push_gray_row(&[0; 16])?;
//! # Ok::<(), cxr_core::error::Error>(())
//! ```

use crate::explain;
use crate::format::Model;
use crate::session::Session;

/// A model in the program, made by [`embed_model!`](crate::embed_model).
///
/// ```
/// use cxr_core::embed::EmbeddedModel;
///
/// /// Memory of a product that offers several models, known while compiling.
/// const fn ram<M: EmbeddedModel>() -> usize {
///     M::ARENA_BYTES + 4 * M::MAP_LEN + M::ROW_LEN
/// }
///
/// cxr_core::embed_model!(struct Chest, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/tiny.cxr"));
/// const RAM: usize = ram::<Chest>();
/// assert!(RAM < 1024);
/// ```
pub trait EmbeddedModel {
    /// The arena as an array of exactly [`ARENA_BYTES`](Self::ARENA_BYTES).
    type Arena;

    /// The model; that it could be parsed was checked while compiling.
    const MODEL: Model<'static>;

    /// An arena to start with.
    const ARENA: Self::Arena;

    /// Bytes of working memory, exactly.
    const ARENA_BYTES: usize = Self::MODEL.arena_bytes();

    /// Bytes of a row for [`Session::push_row`]: width times channels. A gray row has [`Self::MODEL`]'s width.
    const ROW_LEN: usize = Self::MODEL.input().row_len();

    /// Elements of the maps of all classes, for [`Session::with_map`].
    const MAP_LEN: usize = explain::map_len(&Self::MODEL);
}

/// The arena of a model, an array: `static mut ARENA: Arena<Chest> = Chest::ARENA`.
pub type Arena<M> = <M as EmbeddedModel>::Arena;

impl<'b> Session<'static, 'b> {
    /// Starts an inference of an embedded model. The arena may be longer than the model needs, so that several
    /// models can take turns in one; a shorter one does not compile.
    pub fn embedded<M: EmbeddedModel, const N: usize>(arena: &'b mut [i8; N]) -> Self {
        const { assert!(N >= M::ARENA_BYTES, "the arena is smaller than the model's ARENA_BYTES") }
        let (arena, _) = arena.split_at_mut_checked(M::ARENA_BYTES).unwrap_or_default();
        Self::start(M::MODEL, arena, &mut [])
    }
}

/// Makes a type of a model file: `embed_model!(pub struct Chest, "../models/default.cxr")`. The path is as for
/// [`include_bytes!`]; attributes and visibility are the caller's.
///
/// The type has the constants of [`EmbeddedModel`](crate::embed::EmbeddedModel). A file that
/// [`Model::parse`](crate::format::Model::parse) refuses does not compile, and the compiler prints why:
///
/// ```compile_fail,E0080
/// cxr_core::embed_model!(pub struct Chest, concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")); // not a .cxr model file
/// ```
///
/// ```
/// use cxr_core::embed::EmbeddedModel;
/// cxr_core::embed_model! {
///     /// The chest X-ray model.
///     pub struct Chest, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/tiny.cxr")
/// }
/// assert_eq!(Chest::MODEL.class_name(0), "Normal/NA");
/// ```
#[macro_export]
macro_rules! embed_model {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident, $path:expr $(,)?) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::embed::EmbeddedModel for $name {
            type Arena = [i8; <Self as $crate::embed::EmbeddedModel>::ARENA_BYTES];
            const MODEL: $crate::format::Model<'static> = $crate::include_model!($path);
            const ARENA: Self::Arena = [0; <Self as $crate::embed::EmbeddedModel>::ARENA_BYTES];
        }
    };
}
