//! Where images come from.

mod association;
pub mod dimse;
pub mod folder;
pub mod stow;
