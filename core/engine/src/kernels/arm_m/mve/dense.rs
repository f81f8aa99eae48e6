//! Dense layers: one filter at a time.

use core::arch::asm;

/// Adds to each sum the products of the window and its filter.
pub fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    for (i, sum) in sums.iter_mut().enumerate() {
        let filter = weights.get(i * stride..).and_then(|filter| filter.get(..window.len())).unwrap_or_default();
        *sum = sum.wrapping_add(dot(window, filter));
    }
}

/// Sum of products of int8 values, in i32.
pub fn dot(a: &[i8], b: &[u8]) -> i32 {
    let mut sum = 0;
    // SAFETY: the tail-predicated loop reads as many bytes as the shorter one has.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "wlstp.8 lr, {count}, 3f",
            "2:",
            "vldrb.u8 q0, [{a}], #16",
            "vldrb.u8 q1, [{b}], #16",
            "vmladava.s8 r12, q0, q1",
            "letp lr, 2b",
            "3:",
            count = in(reg) a.len().min(b.len()),
            a = inout(reg) a.as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            inout("r12") sum,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _,
            out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            options(nostack, readonly)
        );
    }
    sum
}
