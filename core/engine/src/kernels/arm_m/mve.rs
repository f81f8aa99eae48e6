//! Cortex-M55 (Helium, M-profile vectors): one instruction multiplies 16 pairs of int8 and adds them all to a register.
//!
//! Two output columns and four output channels at a time, whose eight sums take all the registers that can be summed into.
//! What lies under the two windows is copied together once for all channels. `docs/kernels.md` has the counts.

use super::dsp;
use crate::kernels::args::{Filters, MAX_KERNEL};
use crate::kernels::checked::{Conv, Gray};
use crate::kernels::columns::row_of;
use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

mod depthwise;

pub use depthwise::{depthwise_row, padded_row};

/// Columns computed together.
const COLUMNS: usize = 2;
/// Output channels computed together.
const GROUP: usize = 4;
/// Bytes of a window that are at hand; longer filters are summed in several passes. A multiple of 16 that a load's offset
/// reaches.
const WINDOW: usize = 496;
/// Groups whose sums wait between two passes.
const GROUPS: usize = 8;

/// Windows of two columns.
#[repr(C, align(16))]
#[allow(dead_code)] // read and written as bytes
struct Windows([[u8; WINDOW]; COLUMNS]);

/// Sums of [`GROUPS`] groups: of the first column's four channels, then of the second's.
#[repr(C, align(16))]
#[allow(dead_code)] // read and written as words
struct Sums([[[i32; GROUP]; COLUMNS]; GROUPS]);

/// True if the processor has vectors of integers and of floating point and the start-up code lets this code use them.
pub fn is_available() -> bool {
    const CPACR: *const u32 = 0xE000_ED88 as *const u32;
    const MVFR1: *const u32 = 0xE000_EF44 as *const u32;
    // SAFETY: aligned registers of every Armv8-M processor with the Main extension; reading has no effect.
    let (access, features) = unsafe { (CPACR.read_volatile(), MVFR1.read_volatile()) };
    access >> 20 & 0b1111 == 0b1111 && features >> 8 & 0xF >= 2
}

/// One output row of a convolution.
pub fn conv_row(mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let (GROUP.., ..=MAX_KERNEL) = (args.channels, args.rows.len()) else { return dsp::conv_row(checked) };
    let source = Source::new(args.rows, args.span, args.step);
    // SAFETY: all of them are of one `Checked`.
    unsafe { rows(&args.filters, [args.channels, width, stride], (gather, conv_dots, 1), &source, checked.out()) };
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let (GROUP.., ..=MAX_KERNEL) = (args.channels, args.rows.len()) else { return dsp::gray_row(checked) };
    let source = Source::new(args.rows, args.span, args.step);
    // SAFETY: all of them are of one `Checked`.
    unsafe { rows(&args.filters, [args.channels, width, stride], (gray_gather, gray_dots, 2), &source, checked.out()) };
}

/// Where windows are copied from.
struct Source {
    rows: [*const i8; MAX_KERNEL],
    taps: usize,
    span: usize,
    step: usize,
}

impl Source {
    fn new(rows: &[&[i8]], span: usize, step: usize) -> Self {
        let mut pointers = [core::ptr::null(); MAX_KERNEL];
        for (pointer, row) in pointers.iter_mut().zip(rows) {
            *pointer = row.as_ptr();
        }
        Self { rows: pointers, taps: rows.len() * span, span, step }
    }
}

/// [`gather`] or [`gray_gather`].
type Gather = unsafe extern "C" fn(*const *const i8, usize, usize, usize, usize, *mut u8);

/// [`conv_dots`] or [`gray_dots`].
type Dots = unsafe extern "C" fn(&Pass, *const u8, *mut i32, *mut i32);

/// What a convolution of either kind does, with its functions and the bytes of a weight: so many channels and columns, filters so
/// many bytes apart.
///
/// # Safety
/// They are of one [`Checked`], of [`GROUP`] channels or more.
#[inline(always)]
unsafe fn rows(
    filters: &Filters<'_>,
    [channels, width, stride]: [usize; 3],
    (gather, dots, weight): (Gather, Dots, usize),
    source: &Source,
    out: &mut [i8],
) {
    // Clearing them would take longer than many a row.
    let mut windows = MaybeUninit::<Windows>::uninit();
    let mut sums = MaybeUninit::<Sums>::uninit();
    let (windows, sums) = (windows.as_mut_ptr().cast::<u8>(), sums.as_mut_ptr().cast::<i32>());
    let zero_point = i32::from(filters.zero_point);
    for x in (0..width).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again, and so are channels where they are no whole groups.
        let columns = [x, (x + 1).min(width - 1)];
        let mut channel = 0;
        while channel < channels {
            let groups = ((channels - channel) / GROUP).min(GROUPS);
            if groups == 0 {
                channel = channels - GROUP;
            }
            let groups = groups.max(1);
            // SAFETY: there are `channels` biases, scales and filters of `stride` bytes, of which `groups` whole groups
            // begin at `channel`; `columns` are below the width of `out`, whose pixels have `channels` values, and their
            // windows in the rows. There is room for `WINDOW` bytes of each column and for the sums of `GROUPS` groups;
            // what follows a window's last tap is undefined and meets weights of zero.
            unsafe {
                let end = sums.add(COLUMNS * GROUP * groups);
                bias_sums(filters.bias.as_ptr().add(4 * channel), groups, sums);
                for at in (0..stride).step_by(WINDOW) {
                    if stride > WINDOW || channel == 0 {
                        let tap = at / weight;
                        let (y, first) = row_of(tap, source.span);
                        let taps = (WINDOW / weight).min(source.taps - tap);
                        for (i, x) in columns.into_iter().enumerate() {
                            let rows = source.rows.as_ptr().add(y);
                            gather(rows, x * source.step, first, source.span, taps, windows.add(WINDOW * i));
                        }
                    }
                    let weights = filters.weights.as_ptr().add(channel * stride + at);
                    let bytes = WINDOW.min(stride - at);
                    dots(&Pass::new(windows, stride, bytes), weights, sums, end);
                }
                let out = columns.map(|x| out.as_mut_ptr().add(x * channels + channel));
                let scales = filters.scales.as_ptr().add(4 * channel);
                if filters.is_fixed() {
                    let shifts = filters.shifts.as_ptr().add(channel);
                    requantize_fixed(sums, groups, (scales, shifts), zero_point, out);
                } else {
                    requantize(sums, groups, scales, zero_point, out);
                }
            }
            channel += GROUP * groups;
        }
    }
}

/// Constants of a pass, as [`conv_dots`] reads them.
#[repr(C)]
struct Pass {
    windows: *const u8,
    /// Bytes from a filter to the next.
    stride: usize,
    /// Bytes of the last vector, 1 to 16.
    tail: usize,
    /// Where the last vector of the first window lies.
    tail_at: *const u8,
    /// From a group's last vector to the next group's first.
    advance: usize,
    /// Bytes before the last vector.
    whole: usize,
}

impl Pass {
    #[inline(always)]
    fn new(windows: *const u8, stride: usize, bytes: usize) -> Self {
        let whole = (bytes - 1) / 16 * 16;
        let tail_at = windows.wrapping_add(whole);
        Self { windows, stride, tail: bytes - whole, tail_at, advance: GROUP * stride - whole, whole }
    }
}

/// Adds to each group's eight sums the products of its weights and the windows: 14 instructions for 128 products of int8.
///
/// Four blocks make the loop, which is entered so that the remainder comes first; the last vector is loaded under a
/// predicate, so that nothing beyond the filters is read.
///
/// # Safety
/// `sums..end` is a whole number of groups, not 0; for each channel of them `weights` can be read for the `whole + tail` bytes
/// of `pass`, and each of its windows as far.
macro_rules! dots {
    ($name:ident, $multiply:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(pass: &Pass, weights: *const u8, sums: *mut i32, end: *mut i32) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d11}}",
                "sub sp, sp, #36",
                // sp: windows, stride, tail, tail_at, advance, end, entry, sums.
                "ldm r0, {{r4-r9}}",
                "mov r12, r3",
                "mov r3, r1",
                "adr r0, 5f",
                "cmp r9, #0",
                "beq 2f",
                // At block -whole / 16 mod 4 of 56 bytes.
                "rsb r9, r9, #0",
                "ubfx r9, r9, #4, #2",
                "movs r1, #56",
                "mul r9, r9, r1",
                "adr r0, 4f",
                "add r0, r0, r9",
                "2:",
                "orr r0, r0, #1",
                "strd r4, r5, [sp]",
                "strd r6, r7, [sp, #8]",
                "strd r8, r12, [sp, #16]",
                "strd r0, r2, [sp, #24]",
                "3:",
                "ldrd r1, r0, [sp]",
                "ldr r11, [sp, #28]",
                "adds r5, r3, r0",
                "adds r7, r5, r0",
                "add r9, r7, r0",
                "ldm.w r11, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldr r11, [sp, #12]",
                "ldr pc, [sp, #24]",
                ".p2align 2",
                "4:",
                ".rept 4",
                "vldrw.u32 q1, [r1, #{window}]",
                "vldrw.u32 q0, [r1], #16",
                "vldrb.u8 q2, [r3], #16",
                concat!($multiply, " r0, q0, q2"),
                concat!($multiply, " r8, q1, q2"),
                "vldrb.u8 q3, [r5], #16",
                concat!($multiply, " r2, q0, q3"),
                concat!($multiply, " r10, q1, q3"),
                "vldrb.u8 q2, [r7], #16",
                concat!($multiply, " r4, q0, q2"),
                concat!($multiply, " r12, q1, q2"),
                "vldrb.u8 q3, [r9], #16",
                concat!($multiply, " r6, q0, q3"),
                concat!($multiply, " lr, q1, q3"),
                ".endr",
                "cmp r1, r11",
                "bne 4b",
                ".p2align 2",
                "5:",
                "ldr r11, [sp, #8]",
                "vldrw.u32 q1, [r1, #{window}]",
                "vldrw.u32 q0, [r1]",
                "vctp.8 r11",
                "vpstttt",
                "vldrbt.u8 q2, [r3]",
                "vldrbt.u8 q3, [r5]",
                "vldrbt.u8 q4, [r7]",
                "vldrbt.u8 q5, [r9]",
                concat!($multiply, " r0, q0, q2"),
                concat!($multiply, " r8, q1, q2"),
                concat!($multiply, " r2, q0, q3"),
                concat!($multiply, " r10, q1, q3"),
                concat!($multiply, " r4, q0, q4"),
                concat!($multiply, " r12, q1, q4"),
                concat!($multiply, " r6, q0, q5"),
                concat!($multiply, " lr, q1, q5"),
                "ldr r11, [sp, #28]",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r0, r1, [sp, #16]",
                "str r11, [sp, #28]",
                "add r3, r3, r0",
                "cmp r11, r1",
                "bne 3b",
                "add sp, sp, #36",
                "vpop {{d8-d11}}",
                "pop {{r4-r11, pc}}",
                window = const WINDOW,
            )
        }
    };
}

dots!(conv_dots, "vmladava.s8");
dots!(gray_dots, "vmladava.s16");

/// Starts every sum with its channel's bias.
///
/// # Safety
/// `bias` can be read for `groups` times four words, `sums` written for twice as many; `groups` is not 0.
#[inline(always)]
unsafe fn bias_sums(bias: *const u8, groups: usize, sums: *mut i32) {
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
unsafe fn requantize(sums: *const i32, groups: usize, scales: *const u8, zero_point: i32, out: [*mut i8; COLUMNS]) {
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
unsafe fn requantize_fixed(
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

/// Puts `taps` values of a window together, from value `first` of the first row on; values are bytes or become i16.
///
/// # Safety
/// The rows hold `span` values each, `offset` bytes from where `rows` point, and all together `taps` after the first
/// `first`, which is below `span`; `taps` is not 0; `to` can be written for as many.
macro_rules! gather {
    ($name:ident, $loop:literal, $load:literal, $store:literal, $advance:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(rows: *const *const i8, offset: usize, first: usize, span: usize, taps: usize, to: *mut u8) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldrd r4, r5, [sp, #24]",
                "add r1, r1, r2",
                "sub r7, r3, r2",
                "2:",
                "ldr r6, [r0], #4",
                "cmp r7, r4",
                "it hi",
                "movhi r7, r4",
                "add r6, r6, r1",
                "mov r8, r5",
                concat!($loop, " lr, r7, 4f"),
                "3:",
                $load,
                $store,
                "letp lr, 3b",
                "4:",
                $advance,
                "sub r1, r1, r2",
                "movs r2, #0",
                "subs r4, r4, r7",
                "mov r7, r3",
                "bne 2b",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}

gather!(gather, "wlstp.8", "vldrb.u8 q0, [r6], #16", "vstrb.8 q0, [r8], #16", "add r5, r5, r7");
gather!(gray_gather, "wlstp.16", "vldrb.s16 q0, [r6], #8", "vstrh.16 q0, [r8], #16", "add r5, r5, r7, lsl #1");

/// Widens int8 to i16.
///
/// # Safety
/// `from` can be read for `count` bytes and `to`, which is even, written for twice as many.
#[inline(always)]
unsafe fn widen(from: *const i8, count: usize, to: *mut u8) {
    // SAFETY: the caller's; the last vector of a tail-predicated loop ends where `count` does.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "wlstp.16 lr, {count}, 3f",
            "2:",
            "vldrb.s16 q0, [r0], #8",
            "vstrh.16 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            count = in(reg) count,
            inout("r0") from => _,
            to = inout(reg) to => _,
            out("lr") _, out("s0") _, out("s1") _, out("s2") _, out("s3") _,
            options(nostack)
        );
    }
}

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
