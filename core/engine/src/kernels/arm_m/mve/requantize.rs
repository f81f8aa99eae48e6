//! What becomes of sums: they start with a bias and end as int8, four channels of two columns at a time.

use super::products::COLUMNS;
use core::arch::asm;

/// Starts every sum with its channel's bias.
///
/// # Safety
/// `bias` can be read for `groups` times four words, `sums` written for twice as many; `groups` is not 0.
#[inline(always)]
pub unsafe fn bias_sums(bias: *const u8, groups: usize, sums: *mut i32) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "dls lr, {groups}",
            "2:",
            "vldrb.u8 q0, [{bias}], #16",
            "vstrw.32 q0, [{sums}], #16",
            "vstrw.32 q0, [{sums}], #16",
            "le lr, 2b",
            groups = in(reg) groups,
            bias = inout(reg) bias => _,
            sums = inout(reg) sums => _,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _,
            options(nostack)
        );
    }
}

/// `quant::requantize` of four values at a time; the conversion rounds half to even.
///
/// # Safety
/// `sums` can be read for `groups` times eight words, `scales` for four words each; each of `out` written for `groups` times four
/// bytes; `groups` is not 0.
#[inline(always)]
pub unsafe fn requantize(sums: *const i32, groups: usize, scales: *const u8, zero_point: i32, out: [*mut i8; COLUMNS]) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "dls lr, {groups}",
            "2:",
            "vldrw.u32 q0, [{sums}], #16",
            "vldrw.u32 q1, [{sums}], #16",
            "vldrb.u8 q2, [{scales}], #16",
            "vcvt.f32.s32 q0, q0",
            "vcvt.f32.s32 q1, q1",
            "vmul.f32 q0, q0, q2",
            "vmul.f32 q1, q1, q2",
            "vcvtn.s32.f32 q0, q0",
            "vcvtn.s32.f32 q1, q1",
            "vadd.i32 q0, q0, {zero_point}",
            "vadd.i32 q1, q1, {zero_point}",
            "vqmovnb.s32 q0, q0",
            "vqmovnb.s32 q1, q1",
            "vqmovnb.s16 q0, q0",
            "vqmovnb.s16 q1, q1",
            "vstrb.32 q0, [r0], #4",
            "vstrb.32 q1, [r1], #4",
            "le lr, 2b",
            groups = in(reg) groups,
            sums = inout(reg) sums => _,
            scales = inout(reg) scales => _,
            zero_point = in(reg) zero_point,
            // Narrowing stores and widening loads take a low register.
            inout("r0") out[0] => _,
            inout("r1") out[1] => _,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _,
            out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _,
            options(nostack)
        );
    }
}

/// `quant::requantize_fixed` of four values at a time. A rounding shift rounds halves up: one less before it, where a value
/// below 0 is shifted, rounds them away from 0.
///
/// # Safety
/// As for [`requantize`]; multipliers as its scales, and `groups` times four bytes of shifts.
#[inline(always)]
pub unsafe fn requantize_fixed(
    sums: *const i32,
    groups: usize,
    (multipliers, shifts): (*const u8, *const u8),
    zero_point: i32,
    out: [*mut i8; COLUMNS],
) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "vmov.i32 q6, #0",
            "dls lr, {groups}",
            "2:",
            "vldrw.u32 q0, [{sums}], #16",
            "vldrw.u32 q1, [{sums}], #16",
            "vldrb.s32 q3, [r2], #4",
            "vldrb.u8 q2, [{multipliers}], #16",
            "vmax.s32 q4, q3, q6",
            "vmin.s32 q5, q3, q6",
            "vshl.s32 q0, q0, q4",
            "vshl.s32 q1, q1, q4",
            "vqrdmulh.s32 q0, q0, q2",
            "vqrdmulh.s32 q1, q1, q2",
            "vand q3, q0, q5",
            "vand q4, q1, q5",
            "vshr.s32 q3, q3, #31",
            "vshr.s32 q4, q4, #31",
            "vqadd.s32 q0, q0, q3",
            "vqadd.s32 q1, q1, q4",
            "vrshl.s32 q0, q0, q5",
            "vrshl.s32 q1, q1, q5",
            "vqadd.s32 q0, q0, {zero_point}",
            "vqadd.s32 q1, q1, {zero_point}",
            "vqmovnb.s32 q0, q0",
            "vqmovnb.s32 q1, q1",
            "vqmovnb.s16 q0, q0",
            "vqmovnb.s16 q1, q1",
            "vstrb.32 q0, [r0], #4",
            "vstrb.32 q1, [r1], #4",
            "le lr, 2b",
            groups = in(reg) groups,
            sums = inout(reg) sums => _,
            multipliers = inout(reg) multipliers => _,
            zero_point = in(reg) zero_point,
            // Narrowing stores and widening loads take a low register.
            inout("r0") out[0] => _,
            inout("r1") out[1] => _,
            inout("r2") shifts => _,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _,
            out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _,
            out("s14") _, out("s15") _, out("s16") _, out("s17") _, out("s18") _, out("s19") _, out("s20") _, out("s21") _,
            out("s22") _, out("s23") _, out("s24") _, out("s25") _, out("s26") _, out("s27") _,
            options(nostack)
        );
    }
}
