//! The innermost loop: products of gathered windows and filters, added to sums.

use core::arch::naked_asm;

/// Columns computed together.
pub const COLUMNS: usize = 2;
/// Output channels computed together.
pub const GROUP: usize = 4;
/// Bytes of a window that are at hand; longer filters are summed in several passes. A multiple of 16 that a load's offset
/// reaches.
pub const WINDOW: usize = 496;

/// Constants of a pass, as [`conv_dots`] reads them.
#[repr(C)]
pub struct Pass {
    windows: *const u8,
    /// Bytes from a filter to the next.
    stride: usize,
    /// Bytes of the last vector, 1 to 16.
    tail: usize,
    /// Where the last vector of the first window lies.
    tail_at: *const u8,
    /// From a group's last vector to the next group's first.
    advance: usize,
    /// Bytes before the last vector.
    whole: usize,
}

impl Pass {
    #[inline(always)]
    pub fn new(windows: *const u8, stride: usize, bytes: usize) -> Self {
        let whole = (bytes - 1) / 16 * 16;
        let tail_at = windows.wrapping_add(whole);
        Self { windows, stride, tail: bytes - whole, tail_at, advance: GROUP * stride - whole, whole }
    }
}

/// Adds to each group's eight sums the products of its weights and the windows: 14 instructions for 128 products of int8.
///
/// Four blocks make the loop, which is entered so that the remainder comes first; the last vector is loaded under a
/// predicate, so that nothing beyond the filters is read.
///
/// # Safety
/// `sums..end` is a whole number of groups, not 0; for each channel of them `weights` can be read for the `whole + tail` bytes
/// of `pass`, and each of its windows as far.
macro_rules! dots {
    ($name:ident, $multiply:literal) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(pass: &Pass, weights: *const u8, sums: *mut i32, end: *mut i32) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d11}}",
                "sub sp, sp, #36",
                // sp: windows, stride, tail, tail_at, advance, end, entry, sums.
                "ldm r0, {{r4-r9}}",
                "mov r12, r3",
                "mov r3, r1",
                "adr r0, 5f",
                "cmp r9, #0",
                "beq 2f",
                // At block -whole / 16 mod 4 of 56 bytes.
                "rsb r9, r9, #0",
                "ubfx r9, r9, #4, #2",
                "movs r1, #56",
                "mul r9, r9, r1",
                "adr r0, 4f",
                "add r0, r0, r9",
                "2:",
                "orr r0, r0, #1",
                "strd r4, r5, [sp]",
                "strd r6, r7, [sp, #8]",
                "strd r8, r12, [sp, #16]",
                "strd r0, r2, [sp, #24]",
                "3:",
                "ldrd r1, r0, [sp]",
                "ldr r11, [sp, #28]",
                "adds r5, r3, r0",
                "adds r7, r5, r0",
                "add r9, r7, r0",
                "ldm.w r11, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldr r11, [sp, #12]",
                "ldr pc, [sp, #24]",
                ".p2align 2",
                "4:",
                ".rept 4",
                "vldrw.u32 q1, [r1, #{window}]",
                "vldrw.u32 q0, [r1], #16",
                "vldrb.u8 q2, [r3], #16",
                concat!($multiply, " r0, q0, q2"),
                concat!($multiply, " r8, q1, q2"),
                "vldrb.u8 q3, [r5], #16",
                concat!($multiply, " r2, q0, q3"),
                concat!($multiply, " r10, q1, q3"),
                "vldrb.u8 q2, [r7], #16",
                concat!($multiply, " r4, q0, q2"),
                concat!($multiply, " r12, q1, q2"),
                "vldrb.u8 q3, [r9], #16",
                concat!($multiply, " r6, q0, q3"),
                concat!($multiply, " lr, q1, q3"),
                ".endr",
                "cmp r1, r11",
                "bne 4b",
                ".p2align 2",
                "5:",
                "ldr r11, [sp, #8]",
                "vldrw.u32 q1, [r1, #{window}]",
                "vldrw.u32 q0, [r1]",
                "vctp.8 r11",
                "vpstttt",
                "vldrbt.u8 q2, [r3]",
                "vldrbt.u8 q3, [r5]",
                "vldrbt.u8 q4, [r7]",
                "vldrbt.u8 q5, [r9]",
                concat!($multiply, " r0, q0, q2"),
                concat!($multiply, " r8, q1, q2"),
                concat!($multiply, " r2, q0, q3"),
                concat!($multiply, " r10, q1, q3"),
                concat!($multiply, " r4, q0, q4"),
                concat!($multiply, " r12, q1, q4"),
                concat!($multiply, " r6, q0, q5"),
                concat!($multiply, " lr, q1, q5"),
                "ldr r11, [sp, #28]",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r0, r1, [sp, #16]",
                "str r11, [sp, #28]",
                "add r3, r3, r0",
                "cmp r11, r1",
                "bne 3b",
                "add sp, sp, #36",
                "vpop {{d8-d11}}",
                "pop {{r4-r11, pc}}",
                window = const WINDOW,
            )
        }
    };
}

dots!(conv_dots, "vmladava.s8");
dots!(gray_dots, "vmladava.s16");
