//! Values put where the loops over products want them: windows of several rows in one piece, int8 as i16.

use core::arch::{asm, naked_asm};

/// Puts `taps` values of a window together, from value `first` of the first row on; values are bytes or become i16.
///
/// # Safety
/// The rows hold `span` values each, `offset` bytes from where `rows` point, and all together `taps` after the first
/// `first`, which is below `span`; `taps` is not 0; `to` can be written for as many.
macro_rules! gather {
    ($name:ident, $loop:literal, $load:literal, $store:literal, $advance:literal) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            rows: *const *const i8,
            offset: usize,
            first: usize,
            span: usize,
            taps: usize,
            to: *mut u8,
        ) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldrd r4, r5, [sp, #24]",
                "add r1, r1, r2",
                "sub r7, r3, r2",
                "2:",
                "ldr r6, [r0], #4",
                "cmp r7, r4",
                "it hi",
                "movhi r7, r4",
                "add r6, r6, r1",
                "mov r8, r5",
                concat!($loop, " lr, r7, 4f"),
                "3:",
                $load,
                $store,
                "letp lr, 3b",
                "4:",
                $advance,
                "sub r1, r1, r2",
                "movs r2, #0",
                "subs r4, r4, r7",
                "mov r7, r3",
                "bne 2b",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}

gather!(gather, "wlstp.8", "vldrb.u8 q0, [r6], #16", "vstrb.8 q0, [r8], #16", "add r5, r5, r7");
gather!(gray_gather, "wlstp.16", "vldrb.s16 q0, [r6], #8", "vstrh.16 q0, [r8], #16", "add r5, r5, r7, lsl #1");

/// Widens int8 to i16.
///
/// # Safety
/// `from` can be read for `count` bytes and `to`, which is even, written for twice as many.
#[inline(always)]
pub unsafe fn widen(from: *const i8, count: usize, to: *mut u8) {
    // SAFETY: the caller's; the last vector of a tail-predicated loop ends where `count` does.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "wlstp.16 lr, {count}, 3f",
            "2:",
            "vldrb.s16 q0, [r0], #8",
            "vstrh.16 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            count = in(reg) count,
            inout("r0") from => _,
            to = inout(reg) to => _,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _,
            options(nostack)
        );
    }
}
