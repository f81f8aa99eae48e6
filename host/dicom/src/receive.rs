//! Where images come from.

pub mod dimse;
pub mod folder;
pub mod stow;
