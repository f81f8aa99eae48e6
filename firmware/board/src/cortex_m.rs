//! What all Cortex-M boards share: start, reset, sleep, stack, faults.

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SCB};

pub use cortex_m_rt::entry;
pub use cortex_m_stack::repaint_stack as paint_stack;

/// Bytes of stack used at the deepest since [`paint_stack`].
pub fn stack_used() -> u32 {
    cortex_m_stack::stack_size() - cortex_m_stack::stack_painted()
}

/// Bytes between the statics and the end of RAM, all of which is stack.
pub fn stack_size() -> u32 {
    cortex_m_stack::stack_size()
}

/// Restarts the board.
pub fn reset() -> ! {
    SCB::sys_reset()
}

// A thousand returns of two bytes.
#[allow(unsafe_code)]
mod marks {
    core::arch::global_asm!(
        ".section .text.cxr_marks,\"ax\",%progbits",
        ".balign 4",
        ".global cxr_marks",
        ".thumb_func",
        ".type cxr_marks, %function",
        "cxr_marks:",
        ".rept 1024",
        "bx lr",
        ".endr",
        ".size cxr_marks, . - cxr_marks",
    );
    unsafe extern "C" {
        pub fn cxr_marks();
    }
}

/// Calls return number `i`, at most 1023: who watches the program counter is told `i`.
pub fn mark(i: u16) {
    let at = marks::cxr_marks as *const () as usize + 2 * usize::from(i.min(1023));
    // SAFETY: one of the returns above, which touch nothing; the lowest bit of the address, Thumb's, is set.
    #[allow(unsafe_code)]
    unsafe {
        core::mem::transmute::<usize, extern "C" fn()>(at)();
    }
}

/// An interrupt by its number.
#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the board files name interrupts that their processors have.
#[allow(unsafe_code)]
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// Prepares [`sleep`]: an interrupt and a tick of 100 Hz become pending, but interrupts stay masked, so that none is
/// ever taken.
pub(crate) fn wake_on(interrupt: u16, clock: u32) {
    cortex_m::interrupt::disable();
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(clock / 100 - 1);
        core.SYST.clear_current();
        core.SYST.enable_counter();
        core.SYST.enable_interrupt();
    }
    // SAFETY: masked as a whole, the interrupt can break no critical section.
    #[allow(unsafe_code)]
    unsafe {
        NVIC::unmask(Interrupt(interrupt));
    }
}

/// Sleeps until the interrupt or the tick is pending, unless `stay_awake` says that there is work already.
pub(crate) fn sleep(interrupt: u16, stay_awake: impl FnOnce() -> bool) {
    NVIC::unpend(Interrupt(interrupt));
    SCB::clear_pendst();
    // What comes from here on is pending again and ends the sleep at once.
    if !stay_awake() {
        cortex_m::asm::wfi();
    }
}

/// A fault is a panic: reported, then the board restarts.
#[allow(unsafe_code)] // the attribute's expansion
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    panic!("hard fault at {:#010x}", frame.pc())
}
