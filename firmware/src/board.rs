//! The mps2-an386 board under QEMU: its counter, as an instruction count.

/// MPS2 FPGAIO COUNTER (Arm AN386, section 4.5): free-running, 25 MHz.
const COUNTER: *const u32 = 0x4002_8018 as *const u32;

/// Nanoseconds a tick of the counter.
const TICK_NS: u64 = 40;

/// Counts instructions, exactly, under `qemu -icount shift=7`.
pub struct Stopwatch(u32);

impl Stopwatch {
    /// Starts to count.
    pub fn start() -> Self {
        Self(ticks())
    }

    /// Instructions since the start, at most 1.3 billion (then the counter wraps). An instruction takes 128 ns and
    /// the difference of two readings is within a tick of the time, so that rounding gives the number itself.
    pub fn instructions(&self) -> u64 {
        let ticks = ticks().wrapping_sub(self.0);
        (u64::from(ticks) * TICK_NS + 64) >> 7
    }
}

fn ticks() -> u32 {
    // SAFETY: an aligned, always mapped, read-only device register of this board; reading it has no side effect.
    #[allow(unsafe_code)]
    unsafe {
        COUNTER.read_volatile()
    }
}
