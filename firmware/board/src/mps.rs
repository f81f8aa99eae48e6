//! What Arm's MPS2 and MPS3 boards share: the CMSDK serial port and the FPGAIO counters.
//!
//! Both are documented in the boards' application notes (AN385 for MPS2, section 4; AN547 for MPS3).

use crate::cortex_m;
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};

/// Reads a device register.
fn read(address: usize) -> u32 {
    // SAFETY: the board files name aligned registers that are always mapped; reading these has no effect on memory.
    #[allow(unsafe_code)]
    unsafe {
        (address as *const u32).read_volatile()
    }
}

/// Writes a device register.
fn write(address: usize, value: u32) {
    // SAFETY: as for `read`; the registers written here control the serial port alone.
    #[allow(unsafe_code)]
    unsafe {
        (address as *mut u32).write_volatile(value)
    }
}

const DATA: usize = 0x0;
const STATE: usize = 0x4;
const CTRL: usize = 0x8;
const INTCLEAR: usize = 0xC;
const BAUDDIV: usize = 0x10;
/// Bits of CTRL: transmitter, receiver and the receiver's interrupt on.
const CTRL_ON: u32 = 0b1011;
/// Bit of INTCLEAR.
const RX_INTERRUPT: u32 = 2;
/// Bits of STATE: the one-byte transmit buffer is full, the receive buffer holds a byte.
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

/// A CMSDK UART, polled.
pub struct Uart {
    base: usize,
    /// Of a byte that came.
    interrupt: u16,
}

impl Uart {
    /// Switches the port at `base` on; `clock` in Hz.
    pub(crate) fn new(base: usize, interrupt: u16, clock: u32) -> Self {
        write(base + BAUDDIV, clock / 115_200);
        write(base + CTRL, CTRL_ON);
        cortex_m::wake_on(interrupt, clock);
        Self { base, interrupt }
    }

    /// Sleeps until a byte is there, 10 ms at most.
    pub fn wait(&mut self) {
        write(self.base + INTCLEAR, RX_INTERRUPT);
        cortex_m::sleep(self.interrupt, || read(self.base + STATE) & RX_FULL != 0);
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(read(self.base + STATE) & RX_FULL != 0)
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first_mut() else { return Ok(0) };
        while !self.read_ready()? {}
        *first = read(self.base + DATA) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first() else { return Ok(0) };
        while read(self.base + STATE) & TX_FULL != 0 {}
        write(self.base + DATA, u32::from(*first));
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while read(self.base + STATE) & TX_FULL != 0 {}
        Ok(())
    }
}

/// FPGAIO: a counter of 100 Hz, and one of the board's clock.
pub(crate) struct Fpgaio {
    pub base: usize,
    /// Nanoseconds a tick of the fast counter.
    pub tick_ns: u64,
}

impl Fpgaio {
    /// Milliseconds since the start, to 10; wraps after 49 days.
    pub fn millis(&self) -> u32 {
        read(self.base + 0x14).wrapping_mul(10)
    }

    pub fn ticks(&self) -> u32 {
        read(self.base + 0x18)
    }

    /// Under `-icount shift=7` an instruction takes 128 ns, and the difference of two readings is within a tick of
    /// the time, so that rounding gives the number itself.
    pub fn instructions(&self, ticks: u32) -> u64 {
        (u64::from(ticks) * self.tick_ns + 64) >> 7
    }
}

/// A board's file: its name, where its counter is and how long a tick takes, where UART 0 and its receiver's interrupt are.
macro_rules! board {
    (
        name: $name:literal,
        fpgaio: { base: $fpgaio:literal, tick_ns: $tick:literal },
        uart: { base: $uart:literal, interrupt: $interrupt:literal, clock: $clock:literal },
    ) => {
        pub use crate::cortex_m::{entry, paint_stack, reset, stack_size, stack_used};
        pub use crate::mps::Uart;

        /// The board's name.
        pub const NAME: &str = $name;

        const FPGAIO: crate::mps::Fpgaio = crate::mps::Fpgaio { base: $fpgaio, tick_ns: $tick };

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
            Uart::new($uart, $interrupt, $clock)
        }
    };
}
pub(crate) use board;
