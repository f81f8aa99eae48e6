//! The boards that QEMU emulates, behind one set of names: a board is a file here and a memory map in `memory/`.
//!
//! Without a board there is [`embed!`] only. An image chooses its board by a feature, starts at [`entry`], and adds `-Tlink.x` (RISC-V: `-Tmemory.x` before it)
//! to its link arguments. Code and constants must fit `CXR_FLASH`, everything in RAM and the stack `CXR_RAM`;
//! a model embedded with [`embed!`] has a region of its own.
//!
//! Output and exit status go through semihosting, which a debugger must answer; QEMU does.

#![no_std]
#![warn(missing_docs)]

#[cfg(any(
    feature = "mps2-an383",
    feature = "mps2-an386",
    feature = "mps2-an500",
    feature = "mps2-an505",
    feature = "mps3-an547"
))]
mod cortex_m;
#[cfg(any(
    feature = "mps2-an383",
    feature = "mps2-an386",
    feature = "mps2-an500",
    feature = "mps2-an505",
    feature = "mps3-an547"
))]
mod mps;

#[cfg(board)]
#[cfg_attr(feature = "mps2-an383", path = "mps2_an383.rs")]
#[cfg_attr(feature = "mps2-an386", path = "mps2_an386.rs")]
#[cfg_attr(feature = "mps2-an500", path = "mps2_an500.rs")]
#[cfg_attr(feature = "mps2-an505", path = "mps2_an505.rs")]
#[cfg_attr(feature = "mps3-an547", path = "mps3_an547.rs")]
#[cfg_attr(feature = "rv32-virt", path = "rv32_virt.rs")]
mod board;

#[cfg(board)]
pub use board::*;
#[cfg(board)]
pub use semihosting::{print, println};

/// Counts instructions.
///
/// Exactly, where QEMU runs with `-icount shift=7` (RISC-V: `shift=0`); elsewhere the number is meaningless.
#[cfg(board)]
pub struct Stopwatch(Ticks);

#[cfg(board)]
impl Stopwatch {
    /// Starts to count.
    pub fn start() -> Self {
        Self(ticks())
    }

    /// Instructions since the start, at most 1.3 billion on MPS boards (then their counter wraps).
    pub fn instructions(&self) -> u64 {
        instructions(ticks().wrapping_sub(self.0))
    }
}

/// Ends QEMU with exit status 0 (`true`) or 1.
#[cfg(board)]
pub fn exit(passed: bool) -> ! {
    semihosting::process::exit(i32::from(!passed))
}

/// True if QEMU was started with `-semihosting-config enable=on,arg=firmware,arg=WORD`.
#[cfg(board)]
pub fn told(word: &str) -> bool {
    let arguments = semihosting::experimental::env::args::<128>();
    arguments.is_ok_and(|arguments| (&arguments).any(|argument| argument == Ok(word)))
}

/// Most bytes of a file that QEMU's loader puts where models lie.
#[cfg(board)]
pub const LOADED_BYTES: usize = 2 << 20;

/// What QEMU's loader put where models lie (`-device loader,file=F,addr=A,force-raw=on`, `A` the symbol `__model`), and zeros after it.
///
/// For images that embed no model: the boards' maps have 2 MiB of memory there.
#[cfg(board)]
pub fn loaded() -> &'static [u8] {
    #[allow(unsafe_code)]
    unsafe extern "C" {
        static __model: u8;
    }
    // SAFETY: the linker's map ends the region 2 MiB after the symbol, and nothing writes to it while the program runs.
    #[allow(unsafe_code)]
    unsafe {
        core::slice::from_raw_parts(&raw const __model, LOADED_BYTES)
    }
}

/// Embeds a file in the image's `.model` section, aligned to 16 bytes: `embed!(PATH)` is a `&'static [u8]`,
/// also in a constant. The path is as for [`include_bytes!`].
#[macro_export]
macro_rules! embed {
    ($path:expr) => {{
        #[repr(C, align(16))]
        struct Aligned<T>(T);
        // A section of its own, so that the linker can place weights apart from code.
        #[allow(unsafe_code)]
        #[unsafe(link_section = ".model")]
        static FILE: Aligned<[u8; include_bytes!($path).len()]> = Aligned(*include_bytes!($path));
        &FILE.0 as &'static [u8]
    }};
}
