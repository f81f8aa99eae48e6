//! Loops in blocks, for processors without vectors, in plain Rust: RISC-V, Cortex-M0+; a Cortex-M3 replaces the two innermost.
//!
//! What lies under four output columns is widened to i32 once, into a tile, and serves every output channel. The loops are
//! shaped by what compilers make of them: they finish one sum before the next, so a block's weights, a value and a
//! channel's sums are all that must fit into 13 registers, and a tile keeps a column's taps side by side.

use super::args::{DepthwiseRow, Filters};
use super::checked::{Conv, Depthwise, Gray};
use super::columns::{COLUMNS, load_bias, row_of};
use super::pack::word;
#[cfg(not(soft_float))]
use crate::quant::requantize;
use crate::quant::requantize_fixed;
#[cfg(soft_float)]
use crate::quant::{Fixed, multiplier, requantize_in_floats};
use core::hint::assert_unchecked;
use core::mem::MaybeUninit;

/// Taps that a tile holds; longer filters are summed in several passes.
pub const TAPS: usize = 96;
/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// Widened activations of four columns, in the order that [`Loops`] give them.
pub type Tile = [i32; TAPS * COLUMNS];

/// Where windows are widened from.
pub struct Source<'a> {
    /// Rows under the window.
    pub rows: &'a [&'a [i8]],
    /// Elements of a row under the window.
    pub span: usize,
    /// Elements between windows.
    pub step: usize,
}

/// The two innermost loops, for weights of one type.
pub struct Loops {
    /// Bytes of a weight.
    pub weight: usize,
    /// Writes what lies under the columns, from an element of their windows on, into the tile: so many taps of each, [`TAPS`] or
    /// fewer. Every row holds the window of every column.
    pub widen: unsafe fn(&Source<'_>, &[usize; COLUMNS], usize, usize, *mut i32),
    /// Adds to each channel's four sums the products of its weights and the tile.
    ///
    /// So many bytes of weights, a multiple of 4 that is not 0, are at most what the tile holds; the next channel's start so
    /// many bytes after the first one's.
    pub dots: unsafe fn(*const i32, *const u8, usize, usize, &mut [[i32; COLUMNS]]),
}

/// One output row of a convolution.
pub fn conv_row(checked: Conv<'_>) {
    const LOOPS: Loops = Loops::blocks::<i8, { if WIDE { 2 } else { 4 } }>();
    conv_row_by(&LOOPS, checked);
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(checked: Gray<'_>) {
    // Filters are a multiple of two long.
    const LOOPS: Loops = Loops::blocks::<i16, 2>();
    gray_row_by(&LOOPS, checked);
}

/// [`conv_row`] with other loops.
pub fn conv_row_by(loops: &Loops, mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: all of them are of one `Checked`.
    unsafe { row(loops, &source, &args.filters, [args.channels, width, stride], checked.out()) };
}

/// [`gray_row`] with other loops.
pub fn gray_row_by(loops: &Loops, mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: all of them are of one `Checked`.
    unsafe { row(loops, &source, &args.filters, [args.channels, width, stride], checked.out()) };
}

/// One output row of so many channels and columns, filters so many bytes apart.
///
/// # Safety
/// They are of one [`Checked`].
#[inline(never)]
unsafe fn row(loops: &Loops, source: &Source<'_>, filters: &Filters<'_>, [channels, width, stride]: [usize; 3], out: &mut [i8]) {
    // Clearing them would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<i32>();
    let mut sums = [MaybeUninit::<[i32; COLUMNS]>::uninit(); CHANNELS];
    let (taps, pass) = (source.rows.len() * source.span, TAPS * loops.weight);
    for first in (0..channels).step_by(CHANNELS) {
        let scales = Scales::<CHANNELS>::new(filters, first, channels);
        for x in (0..width).step_by(COLUMNS) {
            // Beyond the right edge the last column is computed again.
            let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
            let sums = load_bias(filters.bias, first, &mut sums, channels);
            for at in (0..stride).step_by(pass.max(1)) {
                let (bytes, tap) = (pass.min(stride - at), if loops.weight == 1 { at } else { at / 2 });
                // SAFETY: there are `channels * stride` bytes of weights, and the window of every column in each row.
                unsafe {
                    (loops.widen)(source, &columns, tap, TAPS.min(taps - tap), tile);
                    (loops.dots)(tile, filters.weights.as_ptr().add(first * stride + at), bytes, stride, sums);
                }
            }
            // SAFETY: `x` is below the width, and there are `first` channels and these.
            unsafe {
                let out = out.as_mut_ptr().add(x * channels + first);
                scales.requantize(filters, sums, COLUMNS.min(width - x), out, channels);
            }
        }
    }
}

/// How the sums of up to `N` channels are requantised.
struct Scales<const N: usize> {
    first: usize,
    #[cfg(soft_float)]
    count: usize,
    /// Where floating point is emulated: of each channel, and their form.
    #[cfg(soft_float)]
    multipliers: [MaybeUninit<u32>; N],
    #[cfg(soft_float)]
    fixed: Fixed,
}

impl<const N: usize> Scales<N> {
    /// Those of the channels from `first` on.
    #[inline(always)]
    fn new(filters: &Filters<'_>, first: usize, channels: usize) -> Self {
        #[cfg(soft_float)]
        {
            let count = N.min(channels - first);
            let mut multipliers = [MaybeUninit::uninit(); N];
            let fixed = load_multipliers(filters, first, multipliers.get_mut(..count).unwrap_or_default());
            Self { first, count, multipliers, fixed }
        }
        #[cfg(not(soft_float))]
        {
            let _ = (filters, channels);
            Self { first }
        }
    }

    /// Writes the outputs of up to `COLUMNS` columns.
    ///
    /// # Safety
    /// `sums` are of all channels; from `out` on there is room for the columns, `channels` apart.
    #[inline(always)]
    unsafe fn requantize(&self, filters: &Filters<'_>, sums: &[[i32; COLUMNS]], columns: usize, out: *mut i8, channels: usize) {
        if filters.is_fixed() {
            // SAFETY: the caller's.
            return unsafe { requantize_fixed_columns(sums, filters, self.first, columns, out, channels) };
        }
        #[cfg(soft_float)]
        // SAFETY: the caller's; there is a multiplier for each channel.
        unsafe {
            let multipliers = core::slice::from_raw_parts(self.multipliers.as_ptr().cast(), self.count);
            requantize_columns(sums, multipliers, self.fixed, columns, out, channels, (filters, self.first));
        }
        #[cfg(not(soft_float))]
        for (i, sums) in sums.iter().enumerate() {
            for (column, sum) in sums.iter().take(columns).enumerate() {
                let q = requantize(*sum, scale(filters, self.first + i), filters.zero_point);
                // SAFETY: the caller's.
                unsafe { *out.add(column * channels + i) = q };
            }
        }
    }
}

/// [`Scales::requantize`] in TFLite's arithmetic, of the channels from `first` on.
///
/// # Safety
/// The same.
#[inline(never)]
unsafe fn requantize_fixed_columns(
    sums: &[[i32; COLUMNS]],
    filters: &Filters<'_>,
    first: usize,
    columns: usize,
    out: *mut i8,
    channels: usize,
) {
    let shifts = filters.shifts.get(first..).unwrap_or_default();
    for (i, (sums, shift)) in sums.iter().zip(shifts).enumerate() {
        let multiplier = word(filters.scales, first + i);
        for (column, sum) in sums.iter().take(columns).enumerate() {
            let q = requantize_fixed(*sum, multiplier, *shift as i8, filters.zero_point);
            // SAFETY: the caller's.
            unsafe { *out.add(column * channels + i) = q };
        }
    }
}

/// The multipliers of the channels from `first` on.
#[cfg(soft_float)]
#[inline(never)]
fn load_multipliers(filters: &Filters<'_>, first: usize, multipliers: &mut [MaybeUninit<u32>]) -> Fixed {
    let mut least = u32::MAX;
    for (i, to) in multipliers.iter_mut().enumerate() {
        let multiplier = multiplier(scale(filters, first + i));
        to.write(multiplier);
        least = least.min(multiplier);
    }
    Fixed::new(filters.zero_point, least)
}

/// [`Scales::requantize`] of channels with these multipliers, the first of which is `channel`.
///
/// # Safety
/// The same.
#[cfg(soft_float)]
#[inline(never)]
unsafe fn requantize_columns(
    sums: &[[i32; COLUMNS]],
    multipliers: &[u32],
    fixed: Fixed,
    columns: usize,
    out: *mut i8,
    channels: usize,
    (filters, channel): (&Filters<'_>, usize),
) {
    let end = multipliers.as_ptr_range().end;
    for column in 0..columns {
        let (mut sum, mut multiplier) = (sums.as_ptr().cast::<i32>().wrapping_add(column), multipliers.as_ptr());
        let mut out = out.wrapping_add(column * channels);
        while multiplier != end {
            // SAFETY: the caller's.
            unsafe {
                *out = match fixed.round(*sum, *multiplier) {
                    Some(q) => q,
                    None => exactly(*sum, filters, channel + multiplier.offset_from_unsigned(multipliers.as_ptr())),
                };
                (sum, multiplier, out) = (sum.wrapping_add(COLUMNS), multiplier.add(1), out.wrapping_add(1));
            }
        }
    }
}

/// A sum nearer to a half than the multiplication is exact.
#[cfg(soft_float)]
#[cold]
#[inline(never)]
fn exactly(sum: i32, filters: &Filters<'_>, channel: usize) -> i8 {
    requantize_in_floats(sum, scale(filters, channel), filters.zero_point)
}

#[inline(always)]
fn scale(filters: &Filters<'_>, channel: usize) -> f32 {
    f32::from_bits(word(filters.scales, channel) as u32)
}

/// RISC-V has registers for the sums of two channels.
const WIDE: bool = cfg!(any(target_arch = "riscv32", target_arch = "riscv64"));

/// A weight in the file, little-endian.
trait Weight: Copy {
    /// # Safety
    /// `from` can be read for the weight's bytes.
    unsafe fn read(from: *const u8) -> i32;
}

impl Weight for i8 {
    #[inline(always)]
    unsafe fn read(from: *const u8) -> i32 {
        // SAFETY: the caller's.
        i32::from(unsafe { *from.cast::<Self>() })
    }
}

impl Weight for i16 {
    #[inline(always)]
    unsafe fn read(from: *const u8) -> i32 {
        // SAFETY: the caller's.
        i32::from(Self::from_le(unsafe { from.cast::<Self>().read_unaligned() }))
    }
}

impl Loops {
    /// Those of any processor. A tile is `[block][column][tap]`, of `BLOCK` taps, whose weights are held in registers; filters
    /// of the file are multiples of it.
    const fn blocks<W: Weight, const BLOCK: usize>() -> Self {
        Self { weight: size_of::<W>(), widen: widen::<BLOCK>, dots: dots::<W, BLOCK> }
    }
}

/// # Safety
/// As for [`Loops::widen`].
unsafe fn widen<const BLOCK: usize>(source: &Source<'_>, columns: &[usize; COLUMNS], first: usize, taps: usize, tile: *mut i32) {
    let (y, first) = row_of(first, source.span);
    for (column, x) in columns.iter().enumerate() {
        let (mut at, mut tap, to) = (first, 0, tile.wrapping_add(column * BLOCK));
        for row in source.rows.get(y..).unwrap_or(&[]) {
            let count = (source.span - at).min(taps - tap);
            // SAFETY: the row holds the window, of which `at + count` is within the span; the tile holds `taps`.
            unsafe {
                let from = row.as_ptr().add(x * source.step + at);
                if source.span.is_multiple_of(BLOCK) {
                    widen_blocks::<BLOCK>(from, from.add(count), to.add(tap * COLUMNS));
                } else {
                    widen_values::<BLOCK>(from, from.add(count), to, tap);
                }
            }
            (at, tap) = (0, tap + count);
        }
        let zeros = [0; BLOCK];
        // SAFETY: fewer than a block, which the tile has room for; weights of zero meet these.
        unsafe { widen_values::<BLOCK>(zeros.as_ptr(), zeros.as_ptr().add(tap.next_multiple_of(BLOCK) - tap), to, tap) };
    }
}

/// # Safety
/// As for [`Loops::dots`].
unsafe fn dots<W: Weight, const BLOCK: usize>(
    tile: *const i32,
    weights: *const u8,
    bytes: usize,
    stride: usize,
    sums: &mut [[i32; COLUMNS]],
) {
    let end = weights.wrapping_add(bytes);
    // SAFETY: the caller's.
    unsafe {
        if WIDE {
            let (pairs, rest) = sums.as_chunks_mut::<2>();
            filters::<W, BLOCK, 2>(tile, weights, end, stride, pairs);
            let done = 2 * pairs.len() * stride;
            filters::<W, BLOCK, 1>(tile, weights.add(done), end.wrapping_add(done), stride, rest.as_chunks_mut().0);
        } else {
            filters::<W, BLOCK, 1>(tile, weights, end, stride, sums.as_chunks_mut().0);
        }
    }
}

/// Whole blocks of one column.
///
/// # Safety
/// `from` can be read up to `end`, and `to` written for as many blocks, a block of each column apart.
#[inline(never)]
unsafe fn widen_blocks<const BLOCK: usize>(mut from: *const i8, end: *const i8, mut to: *mut i32) {
    while from != end {
        // SAFETY: the caller's.
        unsafe {
            to.cast::<[i32; BLOCK]>().write((*from.cast::<[i8; BLOCK]>()).map(i32::from));
            (from, to) = (from.add(BLOCK), to.add(BLOCK * COLUMNS));
        }
    }
}

/// Values of one column, which from its tap `tap` on are scattered over blocks.
///
/// # Safety
/// `from` can be read up to `end`, and the blocks of `to` written for as many taps.
#[inline(never)]
unsafe fn widen_values<const BLOCK: usize>(mut from: *const i8, end: *const i8, to: *mut i32, tap: usize) {
    let mut left = BLOCK - tap % BLOCK;
    let mut to = to.wrapping_add((tap - tap % BLOCK) * COLUMNS + tap % BLOCK);
    while from != end {
        // SAFETY: the caller's.
        unsafe { *to = i32::from(*from) };
        (from, to, left) = (from.wrapping_add(1), to.wrapping_add(1), left - 1);
        if left == 0 {
            (to, left) = (to.wrapping_add(BLOCK * (COLUMNS - 1)), BLOCK);
        }
    }
}

/// Adds the products of the tile and the filters to their sums, `CHANNELS` filters at a time; the first filter's weights end
/// at `end`.
///
/// # Safety
/// As for [`Loops::dots`].
#[inline(never)]
unsafe fn filters<W: Weight, const BLOCK: usize, const CHANNELS: usize>(
    tile: *const i32,
    mut weights: *const u8,
    mut end: *const u8,
    stride: usize,
    sums: &mut [[[i32; COLUMNS]; CHANNELS]],
) {
    for sums in sums {
        let (mut tile, mut from, mut totals) = (tile.cast::<[[i32; BLOCK]; COLUMNS]>(), weights, *sums);
        // Compilers that know how often a loop runs unroll it, and run out of registers: `end` comes from outside.
        while from != end {
            // SAFETY: the caller's; whole blocks.
            unsafe {
                for (channel, totals) in totals.iter_mut().enumerate() {
                    for (column, total) in totals.iter_mut().enumerate() {
                        for i in 0..BLOCK {
                            let value = tile.cast::<i32>().add(column * BLOCK + i);
                            // Where registers are few, in this order: they hold no value until it is needed.
                            let value = if WIDE { *value } else { value.read_volatile() };
                            let weight = W::read(from.add(channel * stride + i * size_of::<W>()));
                            *total = total.wrapping_add(value.wrapping_mul(weight));
                        }
                    }
                }
                (tile, from) = (tile.add(1), from.add(BLOCK * size_of::<W>()));
            }
        }
        *sums = totals;
        (weights, end) = (weights.wrapping_add(CHANNELS * stride), end.wrapping_add(CHANNELS * stride));
    }
}

/// Channels of a depthwise convolution computed together.
const DEPTH: usize = 4;

/// One output row of a depthwise convolution.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    let (args, width) = (checked.args(), checked.width());
    // SAFETY: all of them are of one `Checked`.
    unsafe { depthwise(&args, width, checked.out()) };
}

/// One output row of so many columns.
///
/// # Safety
/// They are of one [`Checked`](super::checked::Checked).
#[inline(never)]
unsafe fn depthwise(args: &DepthwiseRow<'_>, width: usize, out: &mut [i8]) {
    let channels = args.channels;
    let whole = channels - channels % DEPTH;
    for first in (0..whole).step_by(DEPTH) {
        // SAFETY: the caller's; `first + DEPTH <= channels`.
        unsafe { depthwise_channels::<DEPTH>(args, first, width, out) };
    }
    for first in whole..channels {
        // SAFETY: the same.
        unsafe { depthwise_channels::<1>(args, first, width, out) };
    }
}

/// `N` channels from `first` on of [`depthwise`].
///
/// # Safety
/// The same, of `first + N` channels or more.
#[inline(always)]
unsafe fn depthwise_channels<const N: usize>(args: &DepthwiseRow<'_>, first: usize, width: usize, out: &mut [i8]) {
    let (channels, span) = (args.channels, args.kernel_width * args.channels);
    // SAFETY: the caller's. Loops that are known to run need no question before them.
    unsafe { assert_unchecked(span > 0 && !args.rows.is_empty() && width > 0) };
    let scales = Scales::<N>::new(&args.filters, first, first + N);
    // SAFETY: the caller's: there is a bias for each channel.
    let bias = unsafe { args.filters.bias.as_ptr().add(4 * first).cast::<[[u8; 4]; N]>().read() }.map(i32::from_le_bytes);
    // Cleared once: of columns beyond the right edge there is something, which is not used.
    let mut sums = [[0; COLUMNS]; N];
    for x in (0..width).step_by(COLUMNS) {
        let columns = COLUMNS.min(width - x);
        for column in 0..columns {
            let mut totals = bias;
            let mut weights = args.filters.weights.as_ptr().wrapping_add(first);
            for row in args.rows {
                let mut values = row.as_ptr().wrapping_add((x + column) * args.step + first);
                let end = values.wrapping_add(span);
                while values != end {
                    for (i, total) in totals.iter_mut().enumerate() {
                        // SAFETY: the caller's.
                        let (value, weight) = unsafe { (i32::from(*values.add(i)), i8::read(weights.add(i))) };
                        *total = total.wrapping_add(value.wrapping_mul(weight));
                    }
                    (values, weights) = (values.wrapping_add(channels), weights.wrapping_add(channels));
                }
            }
            for (sums, total) in sums.iter_mut().zip(totals) {
                sums[column] = total;
            }
        }
        // SAFETY: `x` is below the width, and there are `first + N` channels or more.
        unsafe { scales.requantize(&args.filters, &sums, columns, out.as_mut_ptr().add(x * channels + first), channels) };
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::{Kernel, testing};

    #[test]
    fn agrees_with_indexing_one_by_one() {
        testing::check(&Kernel::PORTABLE);
    }
}
