//! Dense layers: four filters at a time, so that a window is read and widened once for four.

use super::words::{even, odd, smlad};
use crate::kernels::scalar;
use core::arch::naked_asm;

/// Adds to each sum the products of the window and its filter, which starts `stride` bytes after the one before.
pub fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    let whole = window.len() / 4 * 4;
    for (i, sums) in sums.chunks_mut(4).enumerate() {
        let filters = weights.get(4 * i * stride..).unwrap_or_default();
        let needed = stride.saturating_mul(3).saturating_add(whole);
        let mut done = 0;
        if let ([_, _, _, _], true) = (&sums, whole > 0 && filters.len() >= needed) {
            // SAFETY: each of the four filters has `whole` bytes, not 0, and so has the window; there are four sums.
            unsafe { four(window.as_ptr(), filters.as_ptr(), window.as_ptr().wrapping_add(whole), stride, sums.as_mut_ptr()) };
            done = whole;
        }
        let rest = window.get(done..).unwrap_or_default();
        for (k, sum) in sums.iter_mut().enumerate().filter(|_| !rest.is_empty()) {
            let filter = filters.get(k * stride + done..).unwrap_or_default();
            *sum = sum.wrapping_add(scalar::dot(rest, filter));
        }
    }
}

/// 23 instructions, by the manual 25 cycles, for 16 multiplications.
///
/// Four blocks make the loop, which is entered so that the remainder comes first.
///
/// # Safety
/// From `window` to `end` are whole words, not none; each of four filters, `stride` apart, has as many; `sums` are four.
#[unsafe(naked)]
unsafe extern "C" fn four(window: *const i8, filters: *const u8, end: *const i8, stride: usize, sums: *mut i32) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "ldr r11, [sp, #36]",
        "ldm r11, {{r7-r10}}",
        "push {{r2}}",
        // Where to enter the loop: at block -words mod 4.
        "sub r12, r0, r2",
        "ubfx r12, r12, #2, #2",
        "mov r5, #92",
        "mul r12, r12, r5",
        "adr r5, 3f",
        "add r12, r12, r5",
        "orr r12, r12, #1",
        "add r4, r3, r3, lsl #1",
        "add r4, r4, r1",
        "bx r12",
        ".p2align 2",
        // r0: window, r1: first filter, r3: stride, r4: fourth filter, r7-r10: sums.
        "3:",
        ".rept 4",
        "ldr r12, [r0], #4",
        "ldr.w r6, [r1, r3]",
        "ldr r11, [r1, r3, lsl #1]",
        "ldr r5, [r1], #4",
        "sxtb16 r2, r12, ror #8",
        "sxtb16 r12, r12",
        "sxtb16 lr, r5, ror #8",
        "sxtb16 r5, r5",
        "smlad r7, r2, lr, r7",
        "smlad r7, r12, r5, r7",
        "ldr r5, [r4], #4",
        "sxtb16 lr, r6, ror #8",
        "sxtb16 r6, r6",
        "smlad r8, r2, lr, r8",
        "smlad r8, r12, r6, r8",
        "sxtb16 lr, r11, ror #8",
        "sxtb16 r11, r11",
        "smlad r9, r2, lr, r9",
        "smlad r9, r12, r11, r9",
        "sxtb16 lr, r5, ror #8",
        "sxtb16 r5, r5",
        "smlad r10, r2, lr, r10",
        "smlad r10, r12, r5, r10",
        ".endr",
        "ldr lr, [sp]",
        "cmp r0, lr",
        "bne 3b",
        "ldr r11, [sp, #40]",
        "stm r11, {{r7-r10}}",
        "add sp, sp, #4",
        "pop {{r4-r11, pc}}",
    )
}

/// Sum of products of int8 values, in i32.
pub fn dot(a: &[i8], b: &[u8]) -> i32 {
    let (x, w) = (a.chunks_exact(4), b.chunks_exact(4));
    // Of two lengths the shorter counts: what remains starts at the same place in both.
    let quads = x.len().min(w.len());
    let (rest_a, rest_b) = (a.get(4 * quads..).unwrap_or_default(), b.get(4 * quads..).unwrap_or_default());
    let mut sum = 0;
    for (x, w) in x.zip(w) {
        let x = u32::from_le_bytes([x[0] as u8, x[1] as u8, x[2] as u8, x[3] as u8]);
        let w = u32::from_le_bytes([w[0], w[1], w[2], w[3]]);
        sum = smlad(odd(x), odd(w), smlad(even(x), even(w), sum));
    }
    sum.wrapping_add(scalar::dot(rest_a, rest_b))
}
