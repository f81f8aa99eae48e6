//! Depthwise convolution: eight channels of two columns, widened to i16.

use super::gather::widen;
use super::products::COLUMNS;
use crate::kernels::args::Filters;
use crate::kernels::arm_m::dsp;
use crate::kernels::arm_m::patch::Patch;
use crate::kernels::checked::Depthwise;
use crate::kernels::{edges, general};
use core::arch::asm;
use core::mem::MaybeUninit;

/// Channels of a depthwise convolution computed together.
const LANES: usize = 8;
/// Most taps of a depthwise filter; the kernel of the DSP extension takes larger ones.
const TAPS: usize = 49;

/// Eight channels of one layer, as [`depthwise_group`] reads them. In `bias` and `scales` even channels come first, then odd.
#[repr(C, align(16))]
struct Lanes {
    bias: [u32; LANES],
    scales: [u32; LANES],
    /// In TFLite's arithmetic: shifts to the left, then those to the right, below 0; even channels first.
    left: [i32; LANES],
    right: [i32; LANES],
    weights: [MaybeUninit<[i16; LANES]>; TAPS],
    /// Where each tap reads the first window.
    taps: [MaybeUninit<*const i8>; TAPS],
}

/// One output row of a depthwise convolution.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    if !depthwise_columns(&mut checked) {
        dsp::depthwise_row(checked);
    }
}

impl Lanes {
    #[inline(always)]
    const fn new() -> Self {
        Self {
            bias: [0; LANES],
            scales: [0; LANES],
            left: [0; LANES],
            right: [0; LANES],
            weights: [MaybeUninit::uninit(); TAPS],
            taps: [MaybeUninit::uninit(); TAPS],
        }
    }

    /// Weights, biases, scales and shifts of eight channels of so many.
    ///
    /// # Safety
    /// All are there for the channels from `channel` on.
    #[inline(always)]
    unsafe fn take(&mut self, filters: &Filters<'_>, channel: usize, channels: usize) {
        let word = |bytes: &[u8], i: usize| {
            // SAFETY: the caller's; little-endian as the processor is.
            unsafe { bytes.as_ptr().add(4 * (channel + 2 * (i % 4) + i / 4)).cast::<u32>().read_unaligned() }
        };
        self.bias = core::array::from_fn(|i| word(filters.bias, i));
        self.scales = core::array::from_fn(|i| word(filters.scales, i));
        if filters.is_fixed() {
            let shift = |i: usize| filters.shifts.get(channel + 2 * (i % 4) + i / 4).map_or(0, |shift| i32::from(*shift as i8));
            self.left = core::array::from_fn(|i| shift(i).max(0));
            self.right = core::array::from_fn(|i| shift(i).min(0));
        }
        for (to, weights) in self.weights.iter_mut().zip(filters.weights.chunks_exact(channels.max(1))) {
            // SAFETY: `channel..channel + 8` are below `channels`.
            unsafe { widen(weights.as_ptr().add(channel).cast(), LANES, to.as_mut_ptr().cast()) };
        }
    }
}

/// One output row from rows without padding; false, with nothing written, where the layer is not of this form.
pub fn padded_row(args: &general::DepthwiseRow<'_>, out: &mut [i8]) -> bool {
    let (columns, channels, height) = (&args.columns, args.filters.channels, args.rows.len());
    let (Some(most @ 1..), Some(filters)) = (Patch::<LANES>::columns(args, out.len()), edges::filters(&args.filters, &[])) else {
        return false;
    };
    let count = height * columns.kernel;
    if count > TAPS || filters.is_fixed() && filters.shifts.len() < channels {
        return false;
    }
    let total = out.len().checked_div(channels).unwrap_or(0);
    let mut patch = Patch::<LANES>::new();
    let mut lanes = Lanes::new();
    for x in (0..total).step_by(most) {
        let width = most.min(total - x);
        let len = Patch::<LANES>::pixels(args, width);
        let pixels = (0..height).flat_map(|y| (0..columns.kernel).map(move |i| y * len + i));
        for (tap, pixel) in lanes.taps.iter_mut().zip(pixels) {
            tap.write(patch.start().wrapping_add(LANES * pixel));
        }
        for channel in (0..channels).step_by(LANES) {
            let channel = channel.min(channels - LANES);
            // SAFETY: `Patch::columns` has seen that everything is there for eight channels; the patch holds `width` columns.
            unsafe {
                lanes.take(&filters, channel, channels);
                patch.fill(args, x, width, channel);
                let step = LANES * columns.stride;
                for column in (0..width).step_by(COLUMNS) {
                    let second = usize::from(column + 1 < width);
                    let out = out.as_mut_ptr().add((x + column) * channels + channel);
                    let out = [out, out.add(second * channels)];
                    let offset = [column * step, second * step];
                    if filters.is_fixed() {
                        fixed_group(&lanes, count, offset, filters.zero_point, out);
                    } else {
                        depthwise_group(&lanes, count, offset, filters.zero_point, out);
                    }
                }
            }
        }
    }
    args.filters.clamp_all(out);
    true
}

/// False, and nothing done, where the layer is not of the form that this takes.
fn depthwise_columns(checked: &mut Depthwise<'_>) -> bool {
    let (args, width, count) = (checked.args(), checked.width(), checked.stride());
    let (channels, kernel_width) = (args.channels, args.kernel_width);
    if channels < LANES || count > TAPS {
        return false;
    }
    let out = checked.out();
    let mut lanes = Lanes::new();
    for channel in (0..channels).step_by(LANES) {
        // The last group may repeat channels of the one before.
        let channel = channel.min(channels - LANES);
        // SAFETY: everything is there for eight channels.
        unsafe { lanes.take(&args.filters, channel, channels) };
        let mut taps = lanes.taps.iter_mut();
        for row in args.rows {
            for (i, tap) in (0..kernel_width).zip(&mut taps) {
                tap.write(row.as_ptr().wrapping_add(i * channels + channel));
            }
        }
        for x in (0..width).step_by(COLUMNS) {
            let second = usize::from(x + 1 < width);
            // SAFETY: each row holds every window; the eight values read at a tap and those written lie at
            // `channel..channel + 8` of `channels`. The second column is the first one again at the right edge.
            unsafe {
                let out = out.as_mut_ptr().add(x * channels + channel);
                let out = [out, out.add(second * channels)];
                let offset = [x * args.step, second * args.step];
                if args.filters.is_fixed() {
                    fixed_group(&lanes, count, offset, args.filters.zero_point, out);
                } else {
                    depthwise_group(&lanes, count, offset, args.filters.zero_point, out);
                }
            }
        }
    }
    true
}

/// Two columns of eight channels: 15 instructions a tap for 16 multiplications.
///
/// # Safety
/// The first `count` taps and weights of `lanes` are set, of which there is one. At each tap eight values can be read `offset[0]` bytes further and again
/// `offset[1]` after that; each of `out` can be written for eight.
macro_rules! group {
    ($name:ident, $($finish:literal),+ $(,)?) => {
        #[inline(always)]
        unsafe fn $name(lanes: &Lanes, count: usize, offset: [usize; COLUMNS], zero_point: i8, out: [*mut i8; COLUMNS]) {
            // SAFETY: the caller's.
            unsafe {
                asm!(
                    ".cpu cortex-m55",
                    "vldrw.u32 q0, [{bias}]",
                    "vldrw.u32 q1, [{bias}, #16]",
                    "vmov q2, q0",
                    "vmov q3, q1",
                    "dls lr, {count}",
                    "2:",
                    "ldr r0, [{taps}], #4",
                    "vldrh.u16 q4, [{weights}], #16",
                    "add r0, r0, {first}",
                    "vldrb.s16 q5, [r0]",
                    "vmullb.s16 q6, q4, q5",
                    "vmullt.s16 q7, q4, q5",
                    "vadd.i32 q0, q0, q6",
                    "vadd.i32 q1, q1, q7",
                    "add r0, r0, {second}",
                    "vldrb.s16 q5, [r0]",
                    "vmullb.s16 q6, q4, q5",
                    "vmullt.s16 q7, q4, q5",
                    "vadd.i32 q2, q2, q6",
                    "vadd.i32 q3, q3, q7",
                    "le lr, 2b",
                    $($finish,)+
                    "vqmovnb.s32 q0, q0",
                    "vqmovnt.s32 q0, q1",
                    "vqmovnb.s32 q2, q2",
                    "vqmovnt.s32 q2, q3",
                    "vqmovnb.s16 q0, q0",
                    "vqmovnb.s16 q2, q2",
                    "vstrb.16 q0, [r1]",
                    "vstrb.16 q2, [r2]",
                    bias = in(reg) lanes.bias.as_ptr(),
                    weights = inout(reg) lanes.weights.as_ptr() => _,
                    taps = inout(reg) lanes.taps.as_ptr() => _,
                    count = in(reg) count,
                    out("lr") _,
                    first = in(reg) offset[0],
                    second = in(reg) offset[1],
                    out("r0") _,
                    zero_point = in(reg) i32::from(zero_point),
                    in("r1") out[0],
                    in("r2") out[1],
                    out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
                    out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _,
                    out("s16") _, out("s17") _, out("s18") _, out("s19") _, out("s20") _, out("s21") _, out("s22") _, out("s23") _,
                    out("s24") _, out("s25") _, out("s26") _, out("s27") _, out("s28") _, out("s29") _, out("s30") _, out("s31") _,
                    options(nostack)
                );
            }
        }
    };
}

group!(
    depthwise_group,
    "vldrw.u32 q4, [{bias}, #32]",
    "vldrw.u32 q5, [{bias}, #48]",
    "vcvt.f32.s32 q0, q0",
    "vcvt.f32.s32 q1, q1",
    "vcvt.f32.s32 q2, q2",
    "vcvt.f32.s32 q3, q3",
    "vmul.f32 q0, q0, q4",
    "vmul.f32 q1, q1, q5",
    "vmul.f32 q2, q2, q4",
    "vmul.f32 q3, q3, q5",
    "vcvtn.s32.f32 q0, q0",
    "vcvtn.s32.f32 q1, q1",
    "vcvtn.s32.f32 q2, q2",
    "vcvtn.s32.f32 q3, q3",
    "vadd.i32 q0, q0, {zero_point}",
    "vadd.i32 q1, q1, {zero_point}",
    "vadd.i32 q2, q2, {zero_point}",
    "vadd.i32 q3, q3, {zero_point}",
);

// The same in TFLite's arithmetic, see `requantize_fixed`.
group!(
    fixed_group,
    "vldrw.u32 q4, [{bias}, #32]",
    "vldrw.u32 q5, [{bias}, #64]",
    "vshl.s32 q0, q0, q5",
    "vshl.s32 q2, q2, q5",
    "vldrw.u32 q5, [{bias}, #96]",
    "vqrdmulh.s32 q0, q0, q4",
    "vqrdmulh.s32 q2, q2, q4",
    "vand q6, q0, q5",
    "vand q7, q2, q5",
    "vshr.s32 q6, q6, #31",
    "vshr.s32 q7, q7, #31",
    "vqadd.s32 q0, q0, q6",
    "vqadd.s32 q2, q2, q7",
    "vrshl.s32 q0, q0, q5",
    "vrshl.s32 q2, q2, q5",
    "vqadd.s32 q0, q0, {zero_point}",
    "vqadd.s32 q2, q2, {zero_point}",
    "vldrw.u32 q4, [{bias}, #48]",
    "vldrw.u32 q5, [{bias}, #80]",
    "vshl.s32 q1, q1, q5",
    "vshl.s32 q3, q3, q5",
    "vldrw.u32 q5, [{bias}, #112]",
    "vqrdmulh.s32 q1, q1, q4",
    "vqrdmulh.s32 q3, q3, q4",
    "vand q6, q1, q5",
    "vand q7, q3, q5",
    "vshr.s32 q6, q6, #31",
    "vshr.s32 q7, q7, #31",
    "vqadd.s32 q1, q1, q6",
    "vqadd.s32 q3, q3, q7",
    "vrshl.s32 q1, q1, q5",
    "vrshl.s32 q3, q3, q5",
    "vqadd.s32 q1, q1, {zero_point}",
    "vqadd.s32 q3, q3, {zero_point}",
);
