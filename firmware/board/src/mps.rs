//! What Arm's MPS2 and MPS3 boards share: the CMSDK serial port and the FPGAIO counters.
//!
//! Both are documented in the boards' application notes (AN385 for MPS2, section 4; AN547 for MPS3).

use crate::cortex_m;
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};

/// The registers of a device, from an address on. Only a board's file makes one, by [`board!`].
#[derive(Clone, Copy)]
pub struct Registers(usize);

impl Registers {
    /// Those at an address.
    ///
    /// # Safety
    /// A device lies there, always mapped, whose registers are aligned words. Reading them has no effect on memory, and writing none but
    /// on the device.
    #[allow(unsafe_code)]
    pub(crate) const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    /// Reads the one at an offset of this file.
    fn read(self, offset: usize) -> u32 {
        // SAFETY: of `at`; the offsets are those of the devices' registers.
        #[allow(unsafe_code)]
        unsafe {
            ((self.0 + offset) as *const u32).read_volatile()
        }
    }

    /// Writes the one at an offset of this file.
    fn write(self, offset: usize, value: u32) {
        // SAFETY: as for `read`; the registers written here control the serial port alone.
        #[allow(unsafe_code)]
        unsafe {
            ((self.0 + offset) as *mut u32).write_volatile(value)
        }
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
    registers: Registers,
    /// Of a byte that came.
    interrupt: u16,
}

impl Uart {
    /// Switches the port with these registers on; `clock` in Hz.
    pub(crate) fn new(registers: Registers, interrupt: u16, clock: u32) -> Self {
        registers.write(BAUDDIV, clock / 115_200);
        registers.write(CTRL, CTRL_ON);
        cortex_m::wake_on(interrupt, clock);
        Self { registers, interrupt }
    }

    /// Sleeps until a byte is there, 10 ms at most.
    pub fn wait(&mut self) {
        self.registers.write(INTCLEAR, RX_INTERRUPT);
        cortex_m::sleep(self.interrupt, || self.registers.read(STATE) & RX_FULL != 0);
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.registers.read(STATE) & RX_FULL != 0)
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first_mut() else { return Ok(0) };
        while !self.read_ready()? {}
        *first = self.registers.read(DATA) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first() else { return Ok(0) };
        while self.registers.read(STATE) & TX_FULL != 0 {}
        self.registers.write(DATA, u32::from(*first));
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while self.registers.read(STATE) & TX_FULL != 0 {}
        Ok(())
    }
}

/// FPGAIO: a counter of 100 Hz, and one of the board's clock.
pub(crate) struct Fpgaio {
    pub registers: Registers,
    /// Nanoseconds a tick of the fast counter.
    pub tick_ns: u64,
}

impl Fpgaio {
    /// Milliseconds since the start, to 10; wraps after 49 days.
    pub fn millis(&self) -> u32 {
        self.registers.read(0x14).wrapping_mul(10)
    }

    pub fn ticks(&self) -> u32 {
        self.registers.read(0x18)
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
        pub use crate::cortex_m::{entry, mark, paint_stack, reset, stack_size, stack_used};
        pub use crate::mps::Uart;

        /// The board's name.
        pub const NAME: &str = $name;

        #[allow(unsafe_code)]
        const DEVICES: [crate::mps::Registers; 2] = {
            // SAFETY: the board's application note has these devices there.
            unsafe { [crate::mps::Registers::at($fpgaio), crate::mps::Registers::at($uart)] }
        };
        const FPGAIO: crate::mps::Fpgaio = crate::mps::Fpgaio { registers: DEVICES[0], tick_ns: $tick };

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
            Uart::new(DEVICES[1], $interrupt, $clock)
        }
    };
}
pub(crate) use board;
