//! Requantisation in TFLite's arithmetic: SMMULR rounds the upper half of a product as gemmlowp's doubling multiplication does.

use crate::kernels::args::Filters;
use crate::kernels::columns::COLUMNS;
use core::arch::{asm, naked_asm};

/// The sums of the channels from `channel` on to int8.
///
/// # Safety
/// There are a multiplier and a shift for each of these channels, of which there is one; each of `out` can be written for as
/// many bytes.
#[inline(never)]
pub unsafe fn requantize(filters: &Filters<'_>, channel: usize, sums: &[[i32; COLUMNS]], out: &[*mut i8; COLUMNS]) {
    let (multipliers, shifts) = (filters.scales.as_ptr(), filters.shifts.as_ptr());
    let twice = 2 * i32::from(filters.zero_point) + 1;
    let range = sums.as_ptr_range();
    let (start, mut at) = (range.start, range.start);
    while at != range.end {
        // SAFETY: `at` is one of the sums; the caller's.
        unsafe {
            let done = at.offset_from_unsigned(start);
            let (multipliers, shifts) = (multipliers.wrapping_add(4 * (channel + done)), shifts.wrapping_add(channel + done));
            let to = out.map(|out| out.wrapping_add(done));
            at = columns(&Pass { at, end: range.end, multipliers, shifts, twice }, &to);
            // A shift that no product of these numbers needs.
            if at != range.end {
                let done = at.offset_from_unsigned(start);
                for (sum, to) in (*at).into_iter().zip(out) {
                    *to.add(done) = filters.requantize(channel + done, sum);
                }
                at = at.add(1);
            }
        }
    }
}

/// The sum of one channel to int8.
#[inline(always)]
pub fn one(filters: &Filters<'_>, channel: usize, sum: i32) -> i8 {
    let multiplier =
        filters.scales.get(4 * channel..).and_then(|rest| rest.first_chunk()).map_or(0, |word| i32::from_le_bytes(*word));
    let s = !filters.shifts.get(channel).map_or(0, |shift| i32::from(*shift as i8));
    if !(0..=20).contains(&s) {
        return filters.requantize(channel, sum);
    }
    let x: i32;
    // SAFETY: registers only; the Q flag that saturation sets is not used.
    unsafe {
        asm!(
            arch!(),
            "qadd {x}, {sum}, {sum}",
            "smmulr {x}, {x}, {multiplier}",
            x = out(reg) x,
            sum = in(reg) sum,
            multiplier = in(reg) multiplier,
            options(pure, nomem, nostack)
        );
    }
    let twice = 2 * i32::from(filters.zero_point) + 1;
    let q = (x + (x >> 31) + (twice << s)) >> s >> 1;
    q.clamp(i8::MIN.into(), i8::MAX.into()) as i8
}

/// What [`columns`] reads.
#[repr(C)]
struct Pass {
    at: *const [i32; COLUMNS],
    end: *const [i32; COLUMNS],
    multipliers: *const u8,
    shifts: *const u8,
    /// Twice the zero point and 1.
    twice: i32,
}

/// Channel after channel of four columns, up to one that must be computed otherwise: 37 instructions for four values.
///
/// Those are shifts that are not from -31 to -1, and, below -21, sums of 2^30 or more: 54 instructions.
///
/// A sum is doubled with saturation. That changes no output: one of 2^30 or more is beyond int8 after 21 places, too. With
/// `s = -shift - 1`, halves are rounded away from 0 by adding `2^s`, and one less below 0; the zero point comes with it.
///
/// # Safety
/// As for [`requantize`]; there is a channel before the end.
#[unsafe(naked)]
unsafe extern "C" fn columns(pass: &Pass, out: &[*mut i8; COLUMNS]) -> *const [i32; COLUMNS] {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, sp, #12",
        "ldm r1, {{r4-r7}}",
        "ldm r0, {{r0, r1, r2, r3, r12}}",
        // sp: end, twice.
        "strd r1, r12, [sp]",
        // r0: sums, r1: shift, r2: multipliers, r3: shifts, r4-r7: out.
        "2:",
        "ldrsb r1, [r3], #1",
        "mvn r1, r1",
        "cmp r1, #20",
        "bhi 3f",
        "ldr r12, [sp, #4]",
        "lsl r12, r12, r1",
        "ldr lr, [r2], #4",
        "ldm r0!, {{r8-r11}}",
        "qadd r8, r8, r8",
        "qadd r9, r9, r9",
        "qadd r10, r10, r10",
        "qadd r11, r11, r11",
        "smmulr r8, r8, lr",
        "smmulr r9, r9, lr",
        "smmulr r10, r10, lr",
        "smmulr r11, r11, lr",
        "ldr lr, [sp]",
        "add r8, r8, r8, asr #31",
        "add r9, r9, r9, asr #31",
        "add r10, r10, r10, asr #31",
        "add r11, r11, r11, asr #31",
        "add r8, r8, r12",
        "add r9, r9, r12",
        "add r10, r10, r12",
        "add r11, r11, r12",
        "asr r8, r8, r1",
        "asr r9, r9, r1",
        "asr r10, r10, r1",
        "asr r11, r11, r1",
        "ssat r8, #8, r8, asr #1",
        "ssat r9, #8, r9, asr #1",
        "ssat r10, #8, r10, asr #1",
        "ssat r11, #8, r11, asr #1",
        "strb r8, [r4], #1",
        "strb r9, [r5], #1",
        "strb r10, [r6], #1",
        "strb r11, [r7], #1",
        "cmp r0, lr",
        "bne 2b",
        "b 4f",
        // // Shifts from -31 to -22, which filters that give nearly nothing have. Sums that fit doubled need no saturation;
        // // the zero point comes last, as its place is beyond 32 bits.
        "3:",
        "cmp r1, #30",
        "bhi 4f",
        "ldm r0, {{r8-r11}}",
        "eor lr, r8, r8, lsl #1",
        "eor r12, r9, r9, lsl #1",
        "orr lr, lr, r12",
        "eor r12, r10, r10, lsl #1",
        "orr lr, lr, r12",
        "eor r12, r11, r11, lsl #1",
        "orrs lr, lr, r12",
        "bmi 4f",
        "add r0, r0, #16",
        "ldr lr, [r2], #4",
        "mov r12, #1",
        "lsl r12, r12, r1",
        "lsl r8, r8, #1",
        "lsl r9, r9, #1",
        "lsl r10, r10, #1",
        "lsl r11, r11, #1",
        "smmulr r8, r8, lr",
        "smmulr r9, r9, lr",
        "smmulr r10, r10, lr",
        "smmulr r11, r11, lr",
        "ldr lr, [sp]",
        "add r8, r8, r8, asr #31",
        "add r9, r9, r9, asr #31",
        "add r10, r10, r10, asr #31",
        "add r11, r11, r11, asr #31",
        "add r8, r8, r12",
        "add r9, r9, r12",
        "add r10, r10, r12",
        "add r11, r11, r12",
        "ldr r12, [sp, #4]",
        "asr r8, r8, r1",
        "asr r9, r9, r1",
        "asr r10, r10, r1",
        "asr r11, r11, r1",
        "asr r12, r12, #1",
        "add r8, r12, r8, asr #1",
        "add r9, r12, r9, asr #1",
        "add r10, r12, r10, asr #1",
        "add r11, r12, r11, asr #1",
        "ssat r8, #8, r8",
        "ssat r9, #8, r9",
        "ssat r10, #8, r10",
        "ssat r11, #8, r11",
        "strb r8, [r4], #1",
        "strb r9, [r5], #1",
        "strb r10, [r6], #1",
        "strb r11, [r7], #1",
        "cmp r0, lr",
        "bne 2b",
        "4:",
        "add sp, sp, #12",
        "pop {{r4-r11, pc}}",
    )
}
