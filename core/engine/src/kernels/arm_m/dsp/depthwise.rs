//! Depthwise convolution with SMLABB and SMLATT: four channels, three taps at a time.

#[cfg(target_abi = "eabihf")]
use super::{even, odd, offset, quad};
#[cfg(target_abi = "eabihf")]
use crate::kernels::args::{Filters, MAX_KERNEL};
#[cfg(target_abi = "eabihf")]
use crate::kernels::arm_m::patch::Patch;
use crate::kernels::checked::Depthwise;
use crate::kernels::edges;
use crate::kernels::general;
use crate::kernels::scalar;
#[cfg(target_abi = "eabihf")]
use core::arch::naked_asm;
#[cfg(target_abi = "eabihf")]
use core::mem::MaybeUninit;

/// One output row of a depthwise convolution.
#[cfg_attr(not(target_abi = "eabihf"), allow(unused_mut))]
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    #[cfg(target_abi = "eabihf")]
    if depthwise_columns(&mut checked) {
        return;
    }
    scalar::depthwise_row(checked);
}

/// Taps computed together: neighbours in a row.
#[cfg(target_abi = "eabihf")]
const TRIPLE: usize = 3;
/// Most triples of a depthwise filter.
#[cfg(target_abi = "eabihf")]
const TRIPLES: usize = MAX_KERNEL * MAX_KERNEL.div_ceil(TRIPLE);

/// Four channels of one layer, as [`depthwise_group`] reads them.
#[cfg(target_abi = "eabihf")]
#[repr(C)]
struct Group {
    bias: [i32; 4],
    scales: [u32; 4],
    /// Between the taps of a triple.
    between: usize,
    /// End of the triples in use.
    end: *const *const i8,
    /// What [`offset`] gives.
    offset: i32,
    /// From a value to that of the next pixel of the output, and to that of the next window.
    channels: usize,
    step: usize,
    /// In TFLite's arithmetic: `(2 * zero point + 1) << s` and `s = -shift - 1`, as in `fixed.rs`.
    rounding: [[i32; 4]; 2],
    /// Where each triple starts.
    triples: [MaybeUninit<*const i8>; TRIPLES],
    /// For each tap channels 0 and 2, then channels 1 and 3.
    weights: [MaybeUninit<[[u32; 2]; TRIPLE]>; TRIPLES],
}

#[cfg(target_abi = "eabihf")]
impl Group {
    /// Biases, scales and shifts of four channels; false where the shifts are not for this.
    ///
    /// # Safety
    /// There are a bias and a scale for each of the channels from `channel` on.
    #[inline(always)]
    unsafe fn take(&mut self, filters: &Filters<'_>, channel: usize) -> bool {
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

/// One output row from rows without padding; false, with nothing that counts written, where the layer is not of this form.
#[cfg(target_abi = "eabihf")]
pub fn padded_row(args: &general::DepthwiseRow<'_>, out: &mut [i8]) -> bool {
    let (columns, channels, height) = (&args.columns, args.filters.channels, args.rows.len());
    let (Some(most @ 1..), Some(filters)) = (Patch::<4>::columns(args, out.len()), edges::filters(&args.filters, &[])) else {
        return false;
    };
    if columns.kernel < TRIPLE || filters.is_fixed() && filters.shifts.len() < channels {
        return false;
    }
    let (total, per_row) = (out.len().checked_div(channels).unwrap_or(0), columns.kernel.div_ceil(TRIPLE));
    let overlap = TRIPLE * per_row - columns.kernel;
    let mut patch = Patch::<4>::new();
    let mut group = Group {
        bias: [0; 4],
        scales: [0; 4],
        between: 4,
        end: core::ptr::null(),
        offset: offset(&filters),
        channels,
        step: 4 * columns.stride,
        rounding: [[0; 4]; 2],
        triples: [MaybeUninit::uninit(); TRIPLES],
        weights: [MaybeUninit::uninit(); TRIPLES],
    };
    group.end = group.triples.as_ptr().cast::<*const i8>().wrapping_add(per_row * height);
    for x in (0..total).step_by(most) {
        let count = most.min(total - x);
        let len = Patch::<4>::pixels(args, count);
        let places = (0..height).flat_map(|y| (0..per_row).map(move |i| (y, TRIPLE * i)));
        for (triple, (y, first)) in group.triples.iter_mut().zip(places) {
            triple.write(patch.start().wrapping_add(4 * (y * len + first.min(columns.kernel - TRIPLE))));
        }
        for channel in (0..channels).step_by(4) {
            let channel = channel.min(channels - 4);
            // SAFETY: `Patch::columns` has seen that everything is there for four channels; the patch holds `count` columns.
            unsafe {
                if !group.take(&filters, channel) {
                    return false;
                }
                let (mut weights, mut to) =
                    (filters.weights.as_ptr().add(channel), group.weights.as_mut_ptr().cast::<[u32; 2]>());
                for _ in 0..height {
                    let end = to.add(TRIPLE * per_row);
                    // The last triple of a row may overlap the one before; its weights do not.
                    let last = end.sub(TRIPLE);
                    while to != end {
                        if overlap != 0 && to == last {
                            to.write_bytes(0, overlap);
                            to = to.add(overlap);
                        }
                        let quad = weights.cast::<u32>().read_unaligned();
                        (weights, *to) = (weights.wrapping_add(channels), [even(quad), odd(quad)]);
                        to = to.add(1);
                    }
                }
                patch.fill(args, x, count, channel);
                let to = out.as_mut_ptr().add(x * channels + channel);
                let end = to.wrapping_add(count * channels);
                if filters.is_fixed() { fixed_group(&group, to, end) } else { depthwise_group(&group, to, end) }
            }
        }
    }
    args.filters.clamp_all(out);
    true
}

/// Without registers for floating point there are no such loops.
#[cfg(not(target_abi = "eabihf"))]
pub fn padded_row(_: &general::DepthwiseRow<'_>, _: &mut [i8]) -> bool {
    false
}

/// False, and nothing done, where the layer is not of the form that this takes.
#[cfg(target_abi = "eabihf")]
fn depthwise_columns(checked: &mut Depthwise<'_>) -> bool {
    let (args, width) = (checked.args(), checked.width());
    let (channels, kernel_width) = (args.channels, args.kernel_width);
    let span = kernel_width * channels;
    if channels < 4 || args.rows.len() > MAX_KERNEL || kernel_width > MAX_KERNEL {
        return false;
    }
    let out = checked.out();
    let mut group = Group {
        bias: [0; 4],
        scales: [0; 4],
        // In a narrow kernel a triple is one tap, thrice.
        between: if kernel_width < TRIPLE { 0 } else { channels },
        end: core::ptr::null(),
        offset: offset(&args.filters),
        channels,
        step: args.step,
        rounding: [[0; 4]; 2],
        triples: [MaybeUninit::uninit(); TRIPLES],
        weights: [MaybeUninit::uninit(); TRIPLES],
    };
    let per_row = if kernel_width < TRIPLE { kernel_width } else { kernel_width.div_ceil(TRIPLE) };
    for channel in (0..channels).step_by(4) {
        // The last group may repeat channels of the one before.
        let channel = channel.min(channels - 4);
        // SAFETY: there are a bias and a scale for each of the four channels.
        if !unsafe { group.take(&args.filters, channel) } {
            return false;
        }
        let mut to = group.triples.iter_mut().zip(&mut group.weights);
        for (row, weights) in args.rows.iter().zip(args.filters.weights.chunks_exact(span.max(1))) {
            for (i, (triple, to)) in (0..per_row).zip(&mut to) {
                // The last triple of a row may overlap the one before; its weights do not.
                let first = if kernel_width < TRIPLE { i } else { (TRIPLE * i).min(kernel_width - TRIPLE) };
                let taps = if kernel_width < TRIPLE { i..i + 1 } else { TRIPLE * i..kernel_width };
                triple.write(row.as_ptr().wrapping_add(first * channels + channel));
                to.write(core::array::from_fn(|k| {
                    let tap = first + k;
                    let weights = if taps.contains(&tap) { quad(weights, tap * channels + channel) } else { 0 };
                    [even(weights), odd(weights)]
                }));
            }
        }
        group.end = group.triples.as_ptr().cast::<*const i8>().wrapping_add(per_row * args.rows.len());
        let out = out.as_mut_ptr().wrapping_add(channel);
        // SAFETY: each row holds every window; the four values read there and those written lie at
        // `channel..channel + 4` of `channels`.
        unsafe {
            let end = out.wrapping_add(width * channels);
            if args.filters.is_fixed() { fixed_group(&group, out, end) } else { depthwise_group(&group, out, end) }
        };
    }
    true
}

/// Every column of four channels, from `out` to `end`: 28 instructions for the 12 multiplications of a triple.
///
/// # Safety
/// There is a triple and a column; triples before the end are set. At each, moved by any column's step, four values can be read, and again
/// `between` and twice `between` after it; at each pixel of `out` four can be written.
#[cfg(target_abi = "eabihf")]
macro_rules! group {
    ($name:ident, [$($start:literal),* $(,)?], [$($finish:literal),+ $(,)?]) => {
        #[cfg(target_abi = "eabihf")]
#[unsafe(naked)]
unsafe extern "C" fn $name(group: *const Group, out: *mut i8, end: *mut i8) {
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

#[cfg(target_abi = "eabihf")]
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
#[cfg(target_abi = "eabihf")]
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
