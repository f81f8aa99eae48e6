//! RV32IMC on QEMU's `virt` machine: a 16550 serial port, the CLINT's clock, the PLIC, the test device's reset.

use core::arch::asm;
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};
pub use riscv_rt::entry;

/// The board's name.
pub const NAME: &str = "rv32-virt";

const UART: *mut u8 = 0x1000_0000 as *mut u8;
/// Interrupt enable: a byte has come.
const IER: usize = 1;
const RX_INTERRUPT: u8 = 1;
/// FIFO control: both queues on and empty.
const FCR: usize = 2;
const FIFO_ON: u8 = 0b111;
/// Line status: a byte has come, a byte can go.
const LSR: usize = 5;
const DATA_READY: u8 = 1;
const TX_EMPTY: u8 = 0x20;
const TX_IDLE: u8 = 0x40;
const MTIME: *const u32 = 0x0200_BFF8 as *const u32;
/// Ticks of MTIME a millisecond.
const MTIME_MS: u64 = 10_000;
const MTIMECMP: *mut u32 = 0x0200_4000 as *mut u32;
/// The interrupt controller, and offsets of its registers for this core.
const PLIC: *mut u32 = 0x0C00_0000 as *mut u32;
const PLIC_ENABLE: usize = 0x2000;
const PLIC_THRESHOLD: usize = 0x20_0000;
const PLIC_CLAIM: usize = 0x20_0004;
const UART_INTERRUPT: usize = 10;
const TEST: *mut u32 = 0x0010_0000 as *mut u32;
const TEST_RESET: u32 = 0x7777;

/// A reading of the counter.
pub type Ticks = u64;

/// The counter: instructions retired.
pub fn ticks() -> Ticks {
    riscv::register::minstret::read64()
}

/// Instructions in a number of ticks: the same.
pub fn instructions(ticks: Ticks) -> u64 {
    ticks
}

/// Nobody watches the program counter of this board.
pub fn mark(_: u16) {}

/// Milliseconds since the start, wrapping.
pub fn millis() -> u32 {
    (mtime() / MTIME_MS) as u32
}

fn mtime() -> u64 {
    // SAFETY: two aligned, always mapped, read-only halves of a device register.
    #[allow(unsafe_code)]
    let halves = || unsafe { (MTIME.add(1).read_volatile(), MTIME.read_volatile()) };
    let mut before = halves();
    loop {
        let now = halves();
        if now.0 == before.0 {
            return (u64::from(now.0) << 32) | u64::from(now.1);
        }
        before = now;
    }
}

/// The serial port.
pub fn uart() -> Uart {
    // SAFETY: always mapped registers of the serial port and the interrupt controller. The interrupts that they let
    // become pending are masked in `mstatus` and never taken, so that they can break no critical section.
    #[allow(unsafe_code)]
    unsafe {
        UART.add(FCR).write_volatile(FIFO_ON);
        UART.add(IER).write_volatile(RX_INTERRUPT);
        PLIC.add(UART_INTERRUPT).write_volatile(1);
        PLIC.byte_add(PLIC_ENABLE).write_volatile(1 << UART_INTERRUPT);
        PLIC.byte_add(PLIC_THRESHOLD).write_volatile(0);
        riscv::register::mie::set_mext();
        riscv::register::mie::set_mtimer();
    }
    Uart(())
}

/// The 16550, polled.
pub struct Uart(());

impl Uart {
    /// Sleeps until a byte is there, 10 ms at most.
    pub fn wait(&mut self) {
        let wake = mtime().wrapping_add(10 * MTIME_MS);
        // SAFETY: always mapped registers: the clock's alarm, its upper half last so that none is early, and the
        // interrupt controller, told that the last interrupt was seen to.
        #[allow(unsafe_code)]
        unsafe {
            MTIMECMP.write_volatile(u32::MAX);
            MTIMECMP.add(1).write_volatile((wake >> 32) as u32);
            MTIMECMP.write_volatile(wake as u32);
            let claimed = PLIC.byte_add(PLIC_CLAIM).read_volatile();
            PLIC.byte_add(PLIC_CLAIM).write_volatile(claimed);
        }
        if self.status() & DATA_READY == 0 {
            riscv::asm::wfi();
        }
    }

    fn status(&self) -> u8 {
        // SAFETY: an always mapped device register.
        #[allow(unsafe_code)]
        unsafe {
            UART.add(LSR).read_volatile()
        }
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.status() & DATA_READY != 0)
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first_mut() else { return Ok(0) };
        while !self.read_ready()? {}
        // SAFETY: an always mapped device register; reading takes the byte that is there.
        #[allow(unsafe_code)]
        unsafe {
            *first = UART.read_volatile();
        }
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first() else { return Ok(0) };
        while self.status() & TX_EMPTY == 0 {}
        // SAFETY: an always mapped device register; writing sends the byte.
        #[allow(unsafe_code)]
        unsafe {
            UART.write_volatile(*first);
        }
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while self.status() & TX_IDLE == 0 {}
        Ok(())
    }
}

/// Restarts the board.
pub fn reset() -> ! {
    loop {
        // SAFETY: a device register that does nothing but restart the machine.
        #[allow(unsafe_code)]
        unsafe {
            TEST.write_volatile(TEST_RESET);
        }
    }
}

#[allow(unsafe_code)]
unsafe extern "C" {
    static _eheap: u32;
    static _stack_start: u32;
}

/// The stack's lower and upper end.
fn stack() -> (usize, usize) {
    (&raw const _eheap as usize, &raw const _stack_start as usize)
}

const PAINT: u32 = 0xCCCC_CCCC;

/// Paints the unused stack.
#[inline(never)]
pub fn paint_stack() {
    // SAFETY: writes words between the end of the statics and the stack pointer, where nothing is.
    #[allow(unsafe_code)]
    unsafe {
        asm!(
            "1: bgeu {at}, sp, 2f",
            "sw {paint}, 0({at})",
            "addi {at}, {at}, 4",
            "j 1b",
            "2:",
            at = inout(reg) stack().0 => _,
            paint = in(reg) PAINT,
            options(nostack)
        );
    }
}

/// Bytes of stack used at the deepest since [`paint_stack`].
#[inline(never)]
pub fn stack_used() -> u32 {
    let (end, start) = stack();
    let mut lowest = end;
    // SAFETY: reads words between the end of the statics and the stack pointer, which are RAM.
    #[allow(unsafe_code)]
    unsafe {
        asm!(
            "1: bgeu {at}, sp, 2f",
            "lw {value}, 0({at})",
            "bne {value}, {paint}, 2f",
            "addi {at}, {at}, 4",
            "j 1b",
            "2:",
            at = inout(reg) lowest,
            value = out(reg) _,
            paint = in(reg) PAINT,
            options(nostack, readonly)
        );
    }
    (start - lowest) as u32
}

/// Bytes between the statics and the end of RAM, all of which is stack.
pub fn stack_size() -> u32 {
    let (end, start) = stack();
    (start - end) as u32
}

/// A fault is a panic: reported, then the board restarts.
#[allow(unsafe_code)] // the name is the runtime's
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception(_: &riscv_rt::TrapFrame) -> ! {
    panic!("exception {} at {:#010x}", riscv::register::mcause::read().code(), riscv::register::mepc::read())
}
