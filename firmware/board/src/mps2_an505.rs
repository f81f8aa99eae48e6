//! Arm MPS2 with a Cortex-M33; addresses are the secure aliases.

pub use crate::cortex_m::{entry, paint_stack, reset, stack_size, stack_used};
use crate::mps::Fpgaio;
pub use crate::mps::Uart;

/// The board's name.
pub const NAME: &str = "mps2-an505";

const FPGAIO: Fpgaio = Fpgaio { base: 0x5030_2000, tick_ns: 50 };

/// A reading of the counter.
pub type Ticks = u32;

/// The counter.
pub fn ticks() -> Ticks {
    FPGAIO.ticks()
}

/// Instructions in a number of ticks, see [`Stopwatch`](crate::Stopwatch).
pub fn instructions(ticks: Ticks) -> u64 {
    FPGAIO.instructions(ticks)
}

/// Milliseconds since the start, wrapping.
pub fn millis() -> u32 {
    FPGAIO.millis()
}

/// The serial port, UART 0, and the interrupt of its receiver.
pub fn uart() -> Uart {
    Uart::new(0x5020_0000, 32, 20_000_000)
}
