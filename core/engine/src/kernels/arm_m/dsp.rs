//! Cortex-M4, M7, M33: the DSP extension multiplies two pairs of i16 and adds both products in one instruction (SMLAD).
//!
//! Four output columns at a time: what lies under their windows is widened to i16 once, interleaved in the order in which
//! the inner loop wants it, and then serves every output channel. `docs/kernels.md` has the counts.

use crate::kernels::args::{ConvRow, Filters};
use crate::kernels::checked::{Conv, Gray};
use crate::kernels::columns::{COLUMNS, dots, load_bias, row_of};
use crate::kernels::scalar;
use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;
use core::ops::Range;
use threes::THREE;

/// Lets the assembler take the extension where the target is a processor that may lack it.
#[cfg(cortex_m_dsp_optional)]
macro_rules! arch {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(cortex_m_dsp_optional))]
macro_rules! arch {
    () => {
        ""
    };
}

mod dense;
mod depthwise;
mod fixed;
mod threes;

pub use dense::dots;
pub use depthwise::{depthwise_row, padded_row};

/// Taps that a tile holds; longer filters are summed in several passes.
const TAPS: usize = 192;
/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// Widened activations: for each four taps, taps 0 and 2 of every column, then taps 1 and 3 of every column.
type Tile = [u32; TAPS / 2 * COLUMNS];

/// Sums of [`CHANNELS`] output channels, of every column each.
type Sums = [MaybeUninit<[i32; COLUMNS]>; CHANNELS];

/// True if the processor has the extension: Armv7E-M always, Armv8-M where ID_ISAR3 says so, which is for privileged
/// code to read.
pub fn is_available() -> bool {
    #[cfg(cortex_m_dsp_optional)]
    {
        const ID_ISAR3: *const u32 = 0xE000_ED6C as *const u32;
        // SAFETY: an aligned, read-only register of every Armv8-M processor with the Main extension.
        let features = unsafe { ID_ISAR3.read_volatile() };
        features >> 4 & 0xF >= 3
    }
    #[cfg(not(cortex_m_dsp_optional))]
    true
}

/// One output row of a convolution.
pub fn conv_row(mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let out = checked.out();
    let passes = stride.div_ceil(TAPS).max(1);
    let pass = stride.div_ceil(passes).next_multiple_of(4).max(4);
    // Clearing it would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<u32>();
    let mut sums: Sums = [MaybeUninit::uninit(); CHANNELS];
    let is_whole = args.span.is_multiple_of(4);
    let threes = if is_whole && args.channels.is_multiple_of(2) { threes::tiles(width, args.rows.len()) } else { 0 };
    // Four columns of which one counts take twice as long as that one.
    let is_alone = is_whole && threes == 0 && width % COLUMNS == 1;
    let fours = if threes == 0 { width - usize::from(is_alone) } else { width.saturating_sub(THREE * threes) };
    for x in (0..fours).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, &mut sums, args.channels);
            for tap in (0..stride).step_by(pass) {
                let taps = pass.min(stride - tap);
                if passes > 1 || channel == 0 {
                    widen(&args, columns, COLUMNS, tap, taps, tile);
                }
                // SAFETY: there are `channels * stride` bytes of weights; `tile` has room for `TAPS` taps of each column
                // and `taps`, a multiple of 4 that is not 0, is at most that.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + tap);
                    let sums = sums.as_mut_ptr_range();
                    conv_dots(tile, weights, taps, sums.start, sums.end, stride - taps);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
    if threes > 0 {
        by_threes(&args, fours..width, [stride, pass], tile, &mut sums, out);
    }
    if is_alone {
        column(&args, width - 1, stride, out);
    }
}

/// These columns by threes; channels are even, spans whole words.
#[inline(never)]
fn by_threes(
    args: &ConvRow<'_>,
    over: Range<usize>,
    [stride, pass]: [usize; 2],
    tile: *mut u32,
    sums: &mut Sums,
    out: &mut [i8],
) {
    // It is four at least; a step of none would be a panic.
    let pass = pass.max(4);
    for x in over.clone().step_by(THREE) {
        // Beyond the right edge, and as the fourth, the last column is computed again.
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i.min(THREE - 1)).min(over.end - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, sums, args.channels);
            for tap in (0..stride).step_by(pass) {
                let taps = pass.min(stride - tap);
                if pass < stride || channel == 0 {
                    widen(args, columns, THREE, tap, taps, tile);
                }
                // SAFETY: as in `conv_row`; channels, and so those of a block, are even.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + tap);
                    let sums = sums.as_mut_ptr_range();
                    threes::dots(tile, weights, taps, sums.start, sums.end, stride);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
}

/// A column alone, by four filters at a time.
#[inline(never)]
fn column(args: &ConvRow<'_>, x: usize, stride: usize, out: &mut [i8]) {
    let out = out.get_mut(x * args.channels..).unwrap_or_default();
    for (i, out) in out.chunks_mut(CHANNELS).enumerate() {
        let first = i * CHANNELS;
        let mut sums = [0; CHANNELS];
        let sums = sums.get_mut(..out.len()).unwrap_or_default();
        for (sum, bias) in sums.iter_mut().zip(args.filters.bias.get(4 * first..).unwrap_or_default().chunks_exact(4)) {
            *sum = i32::from_le_bytes([bias[0], bias[1], bias[2], bias[3]]);
        }
        for (y, row) in args.rows.iter().enumerate() {
            let window = row.get(x * args.step..).and_then(|row| row.get(..args.span)).unwrap_or_default();
            dense::dots(window, args.filters.weights.get(first * stride + y * args.span..).unwrap_or_default(), stride, sums);
        }
        for (k, (q, sum)) in out.iter_mut().zip(sums).enumerate() {
            let (filters, channel) = (&args.filters, first + k);
            *q = if filters.is_fixed() { fixed::one(filters, channel, *sum) } else { filters.requantize(channel, *sum) };
        }
    }
}

/// Taps `tap..tap + taps` of the window of each of the first `tile` columns into the tile.
#[inline(always)]
fn widen(args: &ConvRow<'_>, columns: [usize; COLUMNS], tile: usize, tap: usize, taps: usize, to: *mut u32) {
    let (y, at) = row_of(tap, args.span);
    if args.span.is_multiple_of(4) {
        let (mut done, mut at) = (0, at);
        for row in args.rows.get(y..).unwrap_or(&[]) {
            let count = (args.span - at).min(taps - done);
            if count == 0 {
                return;
            }
            // SAFETY: each row holds the window of every column, and `at + count <= span`; both are
            // multiples of 4, and `done + count <= taps <= TAPS`.
            unsafe {
                let row = row.as_ptr().add(at);
                let from = columns.map(|x| row.add(x * args.step));
                match from {
                    [a, b, c, _] if tile == THREE => threes::widen(&[a, b, c], count, to.add(done * THREE / 2)),
                    _ => widen_columns(&from, count, to.add(done * COLUMNS / 2)),
                }
            }
            (done, at) = (done + count, 0);
        }
        return;
    }
    // Spans that are no whole words: value by value. What follows the last tap meets weights of zero.
    gather(args.rows, args.span, args.step, columns, tap, taps, QUADS, to);
}

/// Bytes from a tap to the next in the tile, one after another from the lowest byte: taps 0, 1, 2, 3 of quads,
const QUADS: u32 = u32::from_le_bytes([16, 2u8.wrapping_sub(16), 16, 14]);
/// and pairs of neighbours.
const PAIRS: u32 = u32::from_le_bytes([2, 14, 2, 14]);

/// Taps `tap..tap + taps` of every column's window into the tile, value by value; `tap` is a multiple of 4.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn gather(
    rows: &[&[i8]],
    span: usize,
    step: usize,
    columns: [usize; COLUMNS],
    tap: usize,
    taps: usize,
    places: u32,
    to: *mut u32,
) {
    let (y, mut at) = row_of(tap, span);
    let (mut done, mut to) = (0, to.cast());
    for row in rows.get(y..).unwrap_or(&[]) {
        let count = (span - at).min(taps - done);
        if count == 0 {
            return;
        }
        // SAFETY: each row holds the window of every column, and `at + count <= span`;
        // `done + count <= taps <= TAPS`.
        unsafe {
            let row = row.as_ptr().add(at);
            let from = columns.map(|x| row.add(x * step));
            to = gather_columns(&from, count, to, places.rotate_right(8 * (done as u32 % 4)));
        }
        (done, at) = (done + count, 0);
    }
}

/// `count` values of each column, each to the next of `places`; where the next would go.
///
/// # Safety
/// `count` is not 0; `from` can be read for as many bytes each, and every place of the tile written.
#[unsafe(naked)]
unsafe extern "C" fn gather_columns(from: &[*const i8; COLUMNS], count: usize, to: *mut i16, places: u32) -> *mut i16 {
    naked_asm!(
        arch!(),
        "push {{r4-r8, lr}}",
        "ldm r0, {{r4-r7}}",
        "add r1, r1, r4",
        "2:",
        "ldrsb r0, [r4], #1",
        "ldrsb r8, [r5], #1",
        "ldrsb r12, [r6], #1",
        "ldrsb lr, [r7], #1",
        "strh r0, [r2]",
        "strh r8, [r2, #4]",
        "strh r12, [r2, #8]",
        "strh lr, [r2, #12]",
        "sxtab r2, r2, r3",
        "ror r3, r3, #8",
        "cmp r4, r1",
        "bne 2b",
        "mov r0, r2",
        "pop {{r4-r8, pc}}",
    )
}

/// `taps` values of each column, interleaved.
///
/// # Safety
/// `taps` is a multiple of 4 and not 0; `from` can be read for `taps` bytes each, `to` written for `2 * taps` words.
#[unsafe(naked)]
unsafe extern "C" fn widen_columns(from: &[*const i8; COLUMNS], taps: usize, to: *mut u32) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r3-r6}}",
        "add r1, r1, r3",
        "2:",
        "ldr r0, [r3], #4",
        "ldr r7, [r4], #4",
        "ldr r12, [r5], #4",
        "ldr lr, [r6], #4",
        "sxtb16 r8, r0",
        "sxtb16 r9, r7",
        "sxtb16 r10, r12",
        "sxtb16 r11, lr",
        "stm r2!, {{r8-r11}}",
        "sxtb16 r8, r0, ror #8",
        "sxtb16 r9, r7, ror #8",
        "sxtb16 r10, r12, ror #8",
        "sxtb16 r11, lr, ror #8",
        "stm r2!, {{r8-r11}}",
        "cmp r3, r1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Four bytes at `at` as a little-endian word, 0 beyond the end.
#[inline(always)]
fn quad(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Bytes 0 and 2, sign-extended to i16.
#[inline(always)]
fn even(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe { asm!(arch!(), "sxtb16 {}, {}", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Bytes 1 and 3, sign-extended to i16.
#[inline(always)]
fn odd(quad: u32) -> u32 {
    let halves;
    // SAFETY: registers only.
    unsafe {
        asm!(arch!(), "sxtb16 {}, {}, ror #8", out(reg) halves, in(reg) quad, options(pure, nomem, nostack, preserves_flags))
    };
    halves
}

// Four int8 weights: 16 multiplications in 13 instructions.
dots!(
    conv_dots,
    52,
    2,
    "ldr lr, [r1], #4",
    "ldm.w r0!, {{r8-r11}}",
    "sxtb16 r12, lr",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7",
    "ldm.w r0!, {{r8-r11}}",
    "sxtb16 r12, lr, ror #8",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7"
);

// Two i16 weights: 8 multiplications in 6 instructions.
dots!(
    gray_dots,
    24,
    2,
    "ldr r12, [r1], #4",
    "ldm.w r0!, {{r8-r11}}",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7"
);

/// The sums of a block of channels to int8.
#[inline(always)]
fn requantize_block(
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
fn offset(filters: &Filters<'_>) -> i32 {
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

/// One output row of the first convolution of a gray image.
pub fn gray_row(mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let out = checked.out();
    // Clearing it would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<u32>();
    let mut sums: Sums = [MaybeUninit::uninit(); CHANNELS];
    for x in (0..width).step_by(COLUMNS) {
        let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
        for channel in (0..args.channels).step_by(CHANNELS) {
            let sums = load_bias(args.filters.bias, channel, &mut sums, args.channels);
            for at in (0..stride).step_by(2 * TAPS) {
                let bytes = (2 * TAPS).min(stride - at);
                if stride > 2 * TAPS || channel == 0 {
                    let taps = (args.rows.len() * args.span).min((at + bytes) / 2) - at / 2;
                    gather(args.rows, args.span, args.step, columns, at / 2, taps, PAIRS, tile);
                }
                // SAFETY: there are `channels * stride` bytes of weights; `tile` has room for `TAPS` taps of each column
                // and `bytes`, a multiple of 4 that is not 0, is at most two for each.
                unsafe {
                    let weights = args.filters.weights.as_ptr().add(channel * stride + at);
                    let sums = sums.as_mut_ptr_range();
                    gray_dots(tile, weights, bytes, sums.start, sums.end, stride - bytes);
                }
            }
            requantize_block(&args.filters, channel, sums, columns, args.channels, out);
        }
    }
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

/// Both products of i16 added to a sum.
#[inline(always)]
fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let out;
    // SAFETY: registers only; the Q flag that an overflow sets is not used.
    unsafe {
        asm!(arch!(), "smlad {}, {}, {}, {}", out(reg) out, in(reg) a, in(reg) b, in(reg) sum, options(pure, nomem, nostack))
    };
    out
}
