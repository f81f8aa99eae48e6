//! The sums of four columns to int8.

use super::fixed;
use crate::kernels::args::Filters;
use crate::kernels::columns::COLUMNS;
#[cfg(target_abi = "eabihf")]
use core::arch::naked_asm;

/// The sums of a block of channels to int8.
#[inline(always)]
pub fn requantize_block(
    filters: &Filters<'_>,
    channel: usize,
    sums: &[[i32; COLUMNS]],
    columns: [usize; COLUMNS],
    channels: usize,
    out: &mut [i8],
) {
    #[cfg(not(target_abi = "eabihf"))]
    if filters.is_fixed() {
        let out = columns.map(|x| out.as_mut_ptr().wrapping_add(x * channels + channel));
        // SAFETY: `columns` are below the width; there are a multiplier and a shift for each channel.
        return unsafe { fixed::requantize(filters, channel, sums, &out) };
    }
    #[cfg(target_abi = "eabihf")]
    {
        let out = columns.map(|x| out.as_mut_ptr().wrapping_add(x * channels + channel));
        if filters.is_fixed() {
            // SAFETY: as below; there is a shift for each channel.
            return unsafe { fixed::requantize(filters, channel, sums, &out) };
        }
        let sums = sums.as_ptr_range();
        // SAFETY: `columns` are below the width; there are a scale for each channel and `width * channels` values of
        // `out`, of which every column writes those of the channels in `sums`, of which there is at least one.
        unsafe {
            requantize_columns(sums.start, sums.end, filters.scales.as_ptr().wrapping_add(4 * channel), offset(filters), &out)
        };
    }
    #[cfg(not(target_abi = "eabihf"))]
    for (i, (sums, scale)) in sums.iter().zip(filters.scales.get(4 * channel..).unwrap_or_default().chunks_exact(4)).enumerate() {
        let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (sum, x) in sums.iter().zip(columns) {
            out[x * channels + channel + i] = crate::quant::requantize(*sum, scale, filters.zero_point);
        }
    }
}

/// What turns the bits of a rounded f32 (`quant::round_ties_even`) into an integer with the zero point added.
#[cfg(target_abi = "eabihf")]
pub fn offset(filters: &Filters<'_>) -> i32 {
    i32::from(filters.zero_point) - 0x4B40_0000
}

/// `quant::requantize` of four columns, channel after channel: 31 instructions for four values.
///
/// # Safety
/// `sums..end` is a whole number of channels, not 0; `scales` can be read for as many words and each of `out` written
/// for as many bytes.
#[cfg(target_abi = "eabihf")]
#[unsafe(naked)]
unsafe extern "C" fn requantize_columns(
    sums: *const [i32; COLUMNS],
    end: *const [i32; COLUMNS],
    scales: *const u8,
    offset: i32,
    out: &[*mut i8; COLUMNS],
) {
    naked_asm!(
        arch!(),
        // Link-time optimisation assembles this without the target's features.
        ".fpu fpv4-sp-d16",
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "ldm r12, {{r4-r7}}",
        // 1.5 * 2^23.
        "movw r12, #0",
        "movt r12, #0x4B40",
        "vmov s5, r12",
        "2:",
        "vldmia r0!, {{s0-s3}}",
        "ldr r12, [r2], #4",
        "vmov s4, r12",
        "vcvt.f32.s32 s0, s0",
        "vcvt.f32.s32 s1, s1",
        "vcvt.f32.s32 s2, s2",
        "vcvt.f32.s32 s3, s3",
        "vmul.f32 s0, s0, s4",
        "vmul.f32 s1, s1, s4",
        "vmul.f32 s2, s2, s4",
        "vmul.f32 s3, s3, s4",
        "vadd.f32 s0, s0, s5",
        "vadd.f32 s1, s1, s5",
        "vadd.f32 s2, s2, s5",
        "vadd.f32 s3, s3, s5",
        "vmov r8, r9, s0, s1",
        "vmov r10, r11, s2, s3",
        "add r8, r8, r3",
        "add r9, r9, r3",
        "add r10, r10, r3",
        "add r11, r11, r3",
        "ssat r8, #8, r8",
        "ssat r9, #8, r9",
        "ssat r10, #8, r10",
        "ssat r11, #8, r11",
        "strb r8, [r4], #1",
        "strb r9, [r5], #1",
        "strb r10, [r6], #1",
        "strb r11, [r7], #1",
        "cmp r0, r1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
