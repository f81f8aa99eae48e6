//! Cortex-M55 (Helium, M-profile vectors): one instruction multiplies 16 pairs of int8 and adds them all to a register.
//!
//! Two output columns and four output channels at a time, whose eight sums take all the registers that can be summed into.
//! What lies under the two windows is copied together once for all channels. `docs/kernels.md` has the counts.

mod conv;
mod dense;
mod depthwise;
mod gather;
mod products;
mod requantize;

pub use conv::{conv_row, gray_row};
pub use dense::{dot, dots};
pub use depthwise::{depthwise_row, padded_row};

/// True if the processor has vectors of integers and of floating point and the start-up code lets this code use them.
pub fn is_available() -> bool {
    const CPACR: *const u32 = 0xE000_ED88 as *const u32;
    const MVFR1: *const u32 = 0xE000_EF44 as *const u32;
    // SAFETY: aligned registers of every Armv8-M processor with the Main extension; reading has no effect.
    let (access, features) = unsafe { (CPACR.read_volatile(), MVFR1.read_volatile()) };
    access >> 20 & 0b1111 == 0b1111 && features >> 8 & 0xF >= 2
}
