//! What all Cortex-M boards share: start, reset, stack, faults.

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
    cortex_m::peripheral::SCB::sys_reset()
}

/// A fault is a panic: reported, then the board restarts.
#[allow(unsafe_code)] // the attribute's expansion
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    panic!("hard fault at {:#010x}", frame.pc())
}
