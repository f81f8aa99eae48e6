//! Where converted rows lie.

use core::mem::MaybeUninit;

/// Bytes of the buffer on the stack that holds converted rows.
pub const SCRATCH: usize = 24 * 1024;

/// A buffer on the stack.
#[repr(align(64))]
pub struct Scratch([MaybeUninit<u8>; SCRATCH]);

impl Scratch {
    /// Not initialised.
    #[inline(always)]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); SCRATCH])
    }

    /// Its start.
    #[inline(always)]
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}
