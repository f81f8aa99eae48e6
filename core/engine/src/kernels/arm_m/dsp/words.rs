//! Words of four int8 values, and of two i16.

use core::arch::asm;

/// Four bytes at `at` as a little-endian word, 0 beyond the end.
#[cfg(target_abi = "eabihf")]
#[inline(always)]
pub fn quad(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Bytes 0 and 2, sign-extended to i16.
#[inline(always)]
pub fn even(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe { asm!(arch!(), "sxtb16 {}, {}", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Bytes 1 and 3, sign-extended to i16.
#[inline(always)]
pub fn odd(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe {
        asm!(arch!(), "sxtb16 {}, {}, ror #8", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags))
    };
    halves
}

/// Both products of i16 added to a sum.
#[inline(always)]
pub fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let out;
    // SAFETY: registers only; the Q flag that an overflow sets is not used.
    unsafe {
        asm!(arch!(), "smlad {}, {}, {}, {}", out(reg) out, in(reg) a, in(reg) b, in(reg) sum, options(pure, nomem, nostack))
    };
    out
}
