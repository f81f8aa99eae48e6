//! The mps2-an386 board under QEMU: its counter, as an instruction count.

/// MPS2 FPGAIO COUNTER (Arm AN386, section 4.5): free-running, 25 MHz.
const COUNTER: *const u32 = 0x4002_8018 as *const u32;

/// Nanoseconds a tick of the counter.
const TICK_NS: u64 = 40;

/// Counter ticks since reset; wraps after 171 s.
pub fn ticks() -> u32 {
    // SAFETY: an aligned, always mapped, read-only device register of this board; reading it has no side effect.
    #[allow(unsafe_code)]
    unsafe {
        COUNTER.read_volatile()
    }
}

/// Instructions in a time of `ticks` under `qemu -icount shift=7` (128 ns an instruction), rounded.
pub const fn instructions(ticks: u64) -> u64 {
    (ticks * TICK_NS + 64) >> 7
}
