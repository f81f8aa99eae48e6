//! The model file.

pub mod desc;
