//! Dense layers: four filters at a time, so that a window is read and widened once for four.

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

/// 25 instructions for 16 multiplications.
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
        "add r4, r1, r3",
        "add r5, r4, r3",
        "add r6, r5, r3",
        // r0: window, r1, r4-r6: filters, r2: end, r7-r10: sums.
        "2:",
        "ldr r11, [r0], #4",
        "ldr lr, [r1], #4",
        "sxtb16 r12, r11, ror #8",
        "sxtb16 r11, r11",
        "sxtb16 r3, lr, ror #8",
        "sxtb16 lr, lr",
        "smlad r7, r12, r3, r7",
        "smlad r7, r11, lr, r7",
        "ldr lr, [r4], #4",
        "sxtb16 r3, lr, ror #8",
        "sxtb16 lr, lr",
        "smlad r8, r12, r3, r8",
        "smlad r8, r11, lr, r8",
        "ldr lr, [r5], #4",
        "sxtb16 r3, lr, ror #8",
        "sxtb16 lr, lr",
        "smlad r9, r12, r3, r9",
        "smlad r9, r11, lr, r9",
        "ldr lr, [r6], #4",
        "sxtb16 r3, lr, ror #8",
        "sxtb16 lr, lr",
        "smlad r10, r12, r3, r10",
        "smlad r10, r11, lr, r10",
        "cmp r0, r2",
        "bne 2b",
        "ldr r11, [sp, #36]",
        "stm r11, {{r7-r10}}",
        "pop {{r4-r11, pc}}",
    )
}
