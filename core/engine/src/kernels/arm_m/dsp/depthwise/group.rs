//! Four channels of a depthwise convolution: their constants, and the loops over every column.

use crate::kernels::args::{Filters, MAX_KERNEL};
use core::arch::naked_asm;
use core::mem::MaybeUninit;

/// Taps computed together: neighbours in a row.
pub const TRIPLE: usize = 3;
/// Most triples of a depthwise filter.
pub const TRIPLES: usize = MAX_KERNEL * MAX_KERNEL.div_ceil(TRIPLE);

/// Four channels of one layer, as [`depthwise_group`] reads them.
#[repr(C)]
pub struct Group {
    pub bias: [i32; 4],
    pub scales: [u32; 4],
    /// Between the taps of a triple.
    pub between: usize,
    /// End of the triples in use.
    pub end: *const *const i8,
    /// What [`offset`] gives.
    pub offset: i32,
    /// From a value to that of the next pixel of the output, and to that of the next window.
    pub channels: usize,
    pub step: usize,
    /// In TFLite's arithmetic: `(2 * zero point + 1) << s` and `s = -shift - 1`, as in `fixed.rs`.
    pub rounding: [[i32; 4]; 2],
    /// Where each triple starts.
    pub triples: [MaybeUninit<*const i8>; TRIPLES],
    /// For each tap channels 0 and 2, then channels 1 and 3.
    pub weights: [MaybeUninit<[[u32; 2]; TRIPLE]>; TRIPLES],
}

impl Group {
    /// Biases, scales and shifts of four channels; false where the shifts are not for this.
    ///
    /// # Safety
    /// There are a bias and a scale for each of the channels from `channel` on.
    #[inline(always)]
    pub unsafe fn take(&mut self, filters: &Filters<'_>, channel: usize) -> bool {
        // SAFETY: the caller's; little-endian as the processor is.
        unsafe {
            self.bias = filters.bias.as_ptr().add(4 * channel).cast::<[i32; 4]>().read_unaligned();
            self.scales = filters.scales.as_ptr().add(4 * channel).cast::<[u32; 4]>().read_unaligned();
        }
        let twice = 2 * i32::from(filters.zero_point) + 1;
        let [offsets, places] = &mut self.rounding;
        let shifts = filters.shifts.get(channel..).unwrap_or_default();
        for (((shift, bias), offset), place) in shifts.iter().zip(&self.bias).zip(offsets).zip(places) {
            let s = -i32::from(*shift as i8) - 1;
            // Sums of so few taps are doubled without saturation where biases are not huge: two places more than in `fixed.rs`.
            if !(0..=22).contains(&s) || bias.unsigned_abs() >= 1 << 28 {
                return false;
            }
            (*offset, *place) = (twice << s, s);
        }
        true
    }
}

/// Every column of four channels, from `out` to `end`: 28 instructions for the 12 multiplications of a triple.
///
/// # Safety
/// There is a triple and a column; triples before the end are set. At each, moved by any column's step, four values can be read, and again
/// `between` and twice `between` after it; at each pixel of `out` four can be written.
macro_rules! group {
    ($name:ident, [$($start:literal),* $(,)?], [$($finish:literal),+ $(,)?]) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(group: *const Group, out: *mut i8, end: *mut i8) {
            naked_asm!(
                arch!(),
                // Link-time optimisation assembles this without the target's features.
                ".fpu fpv4-sp-d16",
                "push {{r4-r11, lr}}",
                "push {{r0, r1, r2}}",
                $($start,)*
                // r3: where the window lies.
                "movs r3, #0",
                "2:",
                "ldr r0, [sp]",
                "ldm r0!, {{r4-r7}}",
                "ldrd r1, r11, [r0, #16]",
                "add r0, r0, #68",
                "add lr, r0, #{triples}",
                // r0: triple, r1: between, r4-r7: sums, r11: end, lr: weights.
                "3:",
                "ldr r2, [r0], #4",
                "add r2, r2, r3",
                "ldr r12, [r2]",
                "ldm lr!, {{r8, r9}}",
                "sxtb16 r10, r12",
                "sxtb16 r12, r12, ror #8",
                "smlabb r4, r10, r8, r4",
                "smlatt r6, r10, r8, r6",
                "smlabb r5, r12, r9, r5",
                "smlatt r7, r12, r9, r7",
                "ldr r12, [r2, r1]",
                "ldm lr!, {{r8, r9}}",
                "sxtb16 r10, r12",
                "sxtb16 r12, r12, ror #8",
                "smlabb r4, r10, r8, r4",
                "smlatt r6, r10, r8, r6",
                "smlabb r5, r12, r9, r5",
                "smlatt r7, r12, r9, r7",
                "ldr r12, [r2, r1, lsl #1]",
                "ldm lr!, {{r8, r9}}",
                "sxtb16 r10, r12",
                "sxtb16 r12, r12, ror #8",
                "smlabb r4, r10, r8, r4",
                "smlatt r6, r10, r8, r6",
                "smlabb r5, r12, r9, r5",
                "smlatt r7, r12, r9, r7",
                "cmp r0, r11",
                "bne 3b",
                $($finish,)+
                "ldr r0, [sp, #8]",
                "add r8, r8, r10",
                "add r3, r3, r11",
                "str r8, [sp, #4]",
                "cmp r8, r0",
                "bne 2b",
                "add sp, sp, #12",
                "pop {{r4-r11, pc}}",
                triples = const 4 * TRIPLES,
            )
        }
    };
}

group!(
    depthwise_group,
    // s8-s11: scales, s12: 1.5 * 2^23.
    ["add r3, r0, #16", "vldmia r3, {{s8-s11}}", "movw r12, #0", "movt r12, #0x4B40", "vmov s12, r12"],
    [
        "vmov s0, s1, r4, r5",
        "vmov s2, s3, r6, r7",
        "vcvt.f32.s32 s0, s0",
        "vcvt.f32.s32 s1, s1",
        "vcvt.f32.s32 s2, s2",
        "vcvt.f32.s32 s3, s3",
        "vmul.f32 s0, s0, s8",
        "vmul.f32 s1, s1, s9",
        "vmul.f32 s2, s2, s10",
        "vmul.f32 s3, s3, s11",
        "vadd.f32 s0, s0, s12",
        "vadd.f32 s1, s1, s12",
        "vadd.f32 s2, s2, s12",
        "vadd.f32 s3, s3, s12",
        "vmov r4, r5, s0, s1",
        "vmov r6, r7, s2, s3",
        "ldrd r0, r8, [sp]",
        "add r12, r0, #40",
        "ldm r12, {{r9, r10, r11}}",
        "add r4, r4, r9",
        "add r5, r5, r9",
        "add r6, r6, r9",
        "add r7, r7, r9",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "strb r4, [r8]",
        "strb r5, [r8, #1]",
        "strb r6, [r8, #2]",
        "strb r7, [r8, #3]",
    ]
);

// The same in TFLite's arithmetic, see `fixed.rs`.
group!(
    fixed_group,
    [],
    [
        "ldr r0, [sp]",
        "add r1, r0, #16",
        "ldm r1, {{r8-r11}}",
        "add r1, r0, #52",
        "qadd r4, r4, r4",
        "qadd r5, r5, r5",
        "qadd r6, r6, r6",
        "qadd r7, r7, r7",
        "smmulr r4, r4, r8",
        "smmulr r5, r5, r9",
        "smmulr r6, r6, r10",
        "smmulr r7, r7, r11",
        "ldm r1!, {{r8-r11}}",
        "add r4, r4, r4, asr #31",
        "add r5, r5, r5, asr #31",
        "add r6, r6, r6, asr #31",
        "add r7, r7, r7, asr #31",
        "add r4, r4, r8",
        "add r5, r5, r9",
        "add r6, r6, r10",
        "add r7, r7, r11",
        "ldm r1, {{r8-r11}}",
        "asr r4, r4, r8",
        "asr r5, r5, r9",
        "asr r6, r6, r10",
        "asr r7, r7, r11",
        "ldr r8, [sp, #4]",
        "ldrd r10, r11, [r0, #44]",
        "ssat r4, #8, r4, asr #1",
        "ssat r5, #8, r5, asr #1",
        "ssat r6, #8, r6, asr #1",
        "ssat r7, #8, r7, asr #1",
        "strb r4, [r8]",
        "strb r5, [r8, #1]",
        "strb r6, [r8, #2]",
        "strb r7, [r8, #3]",
    ]
);
