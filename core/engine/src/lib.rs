//! Runs int8 networks row by row.
#![no_std]

pub mod model;
