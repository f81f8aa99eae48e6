//! What is counted: four layers by themselves, those of other libraries' published figures, and a whole network.
//!
//! The images run it on a board with its instruction counter, `cargo xtask bench` on the host for the hashes that all must
//! give. Research software, not a medical device.

#![no_std]
#![warn(missing_docs)]

pub mod engine;
mod layers;
mod network;

pub use layers::{Buffers, LAYERS, Layer};
pub use network::{Report, network};

/// Counts instructions.
pub trait Counter {
    /// A reading.
    type Start;
    /// Starts to count.
    fn start(&self) -> Self::Start;
    /// Instructions since then, what reading the counter takes included.
    fn since(&self, start: &Self::Start) -> u64;
}

/// Counts nothing.
pub struct NoCounter;

impl Counter for NoCounter {
    type Start = ();
    fn start(&self) {}
    fn since(&self, (): &()) -> u64 {
        0
    }
}

/// FNV-1a, 64 bits.
#[derive(Clone, Copy)]
pub struct Fnv(u64);

impl Fnv {
    /// The hash of nothing.
    pub const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    }

    /// The hash so far.
    pub const fn get(&self) -> u64 {
        self.0
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self::new()
    }
}
