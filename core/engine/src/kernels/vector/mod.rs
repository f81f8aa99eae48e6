//! Rows by vectors, whatever the instruction set: an [`Isa`] names the instructions, the loops are here.
//!
//! A vector holds one output channel a lane. Rows are converted once into a scratch buffer; then, for a block of columns, each
//! word of taps is given to all lanes and multiplied with the vectors of the output channels. Accumulators stay in registers.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use crate::kernels::checked::{Conv, Covered, Depthwise, Gray, Shape, WORD};
use crate::kernels::pack::{HEADER, Layout, parameters, word};
use crate::kernels::scalar;
use core::hint::black_box;
use core::mem::MaybeUninit;

pub mod winograd;

/// Instructions on vectors of 32-bit lanes.
///
/// # Safety
/// Every function needs a processor with the instruction set; pointers need as many bytes as they are read or written for.
pub trait Isa {
    /// A register.
    type Vector: Copy;
    /// 32-bit lanes of a vector, 16 at most.
    const LANES: usize;
    /// Taps in a word: 4 of int8 or 2 of i16.
    const TAPS: usize;
    /// See [`Layout::flipped`].
    const FLIPPED: bool;
    /// See [`Layout::tap_major`].
    const TAP_MAJOR: bool;

    /// A vector from memory, at any alignment.
    unsafe fn load(from: *const u8) -> Self::Vector;
    /// The word at `from` in every lane.
    unsafe fn splat(from: *const u8) -> Self::Vector;
    /// 0 in every lane.
    unsafe fn zero() -> Self::Vector;
    /// Sums.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `sum + x * w`, lane by lane, over the taps of a word.
    unsafe fn dot(sum: Self::Vector, x: Self::Vector, w: Self::Vector) -> Self::Vector;
    /// Requantises (scales as f32 bits) and writes [`LANES`](Self::LANES) int8 values.
    unsafe fn requantize(sum: Self::Vector, scale: Self::Vector, zero_point: i8, to: *mut i8);
    /// [`LANES`](Self::LANES) i8 values from memory.
    unsafe fn load_shifts(from: *const u8) -> Self::Vector;
    /// [`quant::requantize_fixed`](crate::quant::requantize_fixed) by multipliers and shifts; writes as [`requantize`](Self::requantize).
    unsafe fn requantize_fixed(sum: Self::Vector, by: [Self::Vector; 2], zero_point: i8, to: *mut i8);
    /// [`requantize`](Self::requantize) of four columns of the same channels.
    #[inline(always)]
    unsafe fn requantize_columns(sums: [Self::Vector; 4], scale: Self::Vector, zero_point: i8, to: [*mut i8; 4]) {
        for (sum, to) in sums.into_iter().zip(to) {
            // SAFETY: the caller's.
            unsafe { Self::requantize(sum, scale, zero_point, to) };
        }
    }
}

/// Operations on int8 values in the order of memory, for what is no sum over channels.
///
/// # Safety
/// As [`Isa`].
pub trait Lanes: Isa {
    /// `sum + x[0] * w[0] + x[1] * w[1]`, lane by lane; each points at [`LANES`](Isa::LANES) int8 values.
    unsafe fn multiply(sum: Self::Vector, x: [*const i8; 2], w: [*const i8; 2]) -> Self::Vector;
    /// Sum of the lanes.
    unsafe fn total(sum: Self::Vector) -> i32;
}

/// The layout of an instruction set.
pub const fn layout<I: Isa>(blocks: usize) -> Layout {
    Layout { lanes: I::LANES, taps: I::TAPS, blocks, flipped: I::FLIPPED, tap_major: I::TAP_MAJOR, winograd: false }
}

/// Bytes of the buffer on the stack that holds converted rows.
pub const SCRATCH: usize = 24 * 1024;
/// Columns of what is narrower than a block: strips.
const FEW: usize = 4;
/// Bytes of zeros after each converted row: the last word may reach over its end.
const TAIL: usize = 16;

/// A buffer on the stack.
#[repr(align(64))]
pub struct Scratch([MaybeUninit<u8>; SCRATCH]);

impl Scratch {
    /// Not initialised.
    #[inline(always)]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); SCRATCH])
    }

    /// Its start.
    #[inline(always)]
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

/// A convolution over one output row, of int8 weights or of i16: what a [`Checked`] of either has, and all that is said of it.
pub struct Job<'a> {
    rows: &'a [&'a [i8]],
    layer: Covered<'a>,
    width: usize,
    out: &'a mut [i8],
}

impl<'a> Job<'a> {
    /// Of a convolution's row.
    #[inline(always)]
    pub fn conv<'c: 'a>(checked: &'a mut Conv<'c>) -> Self {
        Self { rows: checked.args().rows, layer: checked.covered(), width: checked.width(), out: checked.out() }
    }

    /// Of a gray image's row.
    #[inline(always)]
    pub fn gray<'c: 'a>(checked: &'a mut Gray<'c>) -> Self {
        Self { rows: checked.args().rows, layer: checked.covered(), width: checked.width(), out: checked.out() }
    }

    /// Input rows: each holds all windows.
    #[inline(always)]
    pub const fn rows(&self) -> &'a [&'a [i8]] {
        self.rows
    }

    /// Extents and filters.
    #[inline(always)]
    pub const fn layer(&self) -> &Covered<'a> {
        &self.layer
    }

    /// Output columns, not 0.
    #[inline(always)]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Filters as a kernel packed them, or whatever a caller takes for that.
    #[inline(always)]
    pub const fn packed(&self) -> &'a [u8] {
        self.layer.filters().packed
    }

    /// Zero point of the output.
    #[inline(always)]
    pub const fn zero_point(&self) -> i8 {
        self.layer.filters().zero_point
    }

    /// The output row, `width * channels` values.
    #[inline(always)]
    pub const fn out(&mut self) -> &mut [i8] {
        self.out
    }
}

/// One output row; false, with nothing written, where rows or filters are too large for the buffers.
///
/// `BLOCKS` blocks of channels and `COLUMNS` columns are computed together; of a block alone, `ALONE` columns.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn conv<I: Isa, const BLOCKS: usize, const COLUMNS: usize, const ALONE: usize>(job: &mut Job<'_>) -> bool {
    let (shape, element, width) = (*job.layer().shape(), WORD / I::TAPS, job.width());
    let room = SCRATCH / shape.height / 64 * 64;
    let Some(spare) = (room.saturating_sub(TAIL) / element).checked_sub(shape.span) else { return false };
    let at_once = (spare / shape.step + 1).min(width);
    let prepared = layout::<I>(BLOCKS);
    let is_prepared = job.packed().first() == Some(&0) && job.packed().len() >= prepared.len(&shape);
    let single = layout::<I>(1);
    if !is_prepared && single.group_len(&shape, 1) > SCRATCH {
        return false;
    }
    let mut scratch = Scratch::new();
    let mut from = 0;
    while from < width {
        let count = at_once.min(width - from);
        let len = (count - 1) * shape.step + shape.span;
        let pitch = (len * element + TAIL).next_multiple_of(64);
        for (y, row) in job.rows().iter().enumerate() {
            // SAFETY: every row holds the windows of `count` columns from there; `room` holds them and the tail.
            unsafe { convert::<I>(row.as_ptr().add(from * shape.step), len, scratch.as_mut_ptr().add(y * pitch)) };
        }
        let tile = Tile { shape, zero_point: job.zero_point(), rows: scratch.as_mut_ptr(), pitch, count };
        // SAFETY: `count` columns from `from` on lie in the output.
        let out = unsafe { job.out().as_mut_ptr().add(from * shape.channels) };
        if is_prepared {
            // SAFETY: `packed` is as long as all groups.
            let mut group = unsafe { job.packed().as_ptr().add(HEADER) };
            for (first, blocks) in prepared.groups(shape.channels) {
                // SAFETY: as above.
                unsafe {
                    if blocks == BLOCKS {
                        tile.columns::<I, BLOCKS, COLUMNS>(group, first, out);
                    } else {
                        tile.columns::<I, 1, ALONE>(group, first, out);
                    }
                    group = group.add(prepared.group_len(&shape, blocks));
                }
            }
        } else {
            let mut group = Group([0; SCRATCH]);
            for (first, blocks) in single.groups(shape.channels) {
                let len = single.group_len(&shape, blocks);
                single.pack_group(job.layer(), first, blocks, group.0.get_mut(..len).unwrap_or(&mut []));
                // SAFETY: a group was just packed, and `len` fits.
                unsafe { tile.columns::<I, 1, ALONE>(group.0.as_ptr(), first, out) };
            }
        }
        from += count;
    }
    true
}

#[repr(align(64))]
struct Group([u8; SCRATCH]);

/// `len` int8 values to the elements of `I`, then zeros.
///
/// # Safety
/// `from` has `len` values, `to` room for them and [`TAIL`].
#[inline(always)]
unsafe fn convert<I: Isa>(from: *const i8, len: usize, to: *mut u8) {
    // SAFETY: the caller's.
    unsafe {
        if I::TAPS == 4 {
            let flip = if I::FLIPPED { 0x80 } else { 0 };
            for i in 0..len {
                *to.add(i) = *from.add(i) as u8 ^ flip;
            }
            to.add(len).write_bytes(0, TAIL);
        } else {
            let to = to.cast::<i16>();
            for i in 0..len {
                *to.add(i) = i16::from(*from.add(i));
            }
            to.add(len).cast::<u8>().write_bytes(0, TAIL);
        }
    }
}

/// Converted rows of `count` output columns.
struct Tile {
    shape: Shape,
    zero_point: i8,
    rows: *const u8,
    /// Bytes from a row to the next.
    pitch: usize,
    count: usize,
}

impl Tile {
    /// All columns of `BLOCKS` blocks of channels from `first` on; `out` is the first column.
    ///
    /// # Safety
    /// The processor has the instructions of `I`; `group` is packed for `BLOCKS` blocks; `out` has `count * channels` values.
    #[inline(always)]
    unsafe fn columns<I: Isa, const BLOCKS: usize, const COLUMNS: usize>(&self, group: *const u8, first: usize, out: *mut i8) {
        let mut x = 0;
        // SAFETY: `x + COLUMNS` (or x + 1) never passes `count`: the last block overlaps the one before.
        unsafe {
            if self.count >= COLUMNS {
                while x < self.count {
                    self.block::<I, BLOCKS, COLUMNS>(group, first, x.min(self.count - COLUMNS), out);
                    x += COLUMNS;
                }
            } else if self.count >= FEW {
                while x < self.count {
                    self.block::<I, BLOCKS, FEW>(group, first, x.min(self.count - FEW), out);
                    x += FEW;
                }
            } else {
                while x < self.count {
                    self.column::<I, BLOCKS>(group, first, x, out);
                    x += 1;
                }
            }
        }
    }

    /// # Safety
    /// As [`columns`](Self::columns), with `x + COLUMNS <= count`.
    #[inline(always)]
    unsafe fn block<I: Isa, const BLOCKS: usize, const COLUMNS: usize>(
        &self,
        group: *const u8,
        first: usize,
        x: usize,
        out: *mut i8,
    ) {
        let vector = I::LANES * WORD;
        let step = self.shape.step * (WORD / I::TAPS);
        let words = self.shape.span.div_ceil(I::TAPS);
        // SAFETY: a group holds biases, scales and `height * words` vectors a block; each row `words` words from every column.
        unsafe {
            let mut sums = [[I::load(group); COLUMNS]; BLOCKS];
            for b in 1..BLOCKS {
                sums[b] = [I::load(group.add(b * vector)); COLUMNS];
            }
            let mut w = group.add(parameters(&self.shape) * BLOCKS * vector);
            for y in 0..self.shape.height {
                let mut row = self.rows.add(y * self.pitch + x * step);
                for _ in 0..words {
                    let mut weights = [I::load(w); BLOCKS];
                    for b in 1..BLOCKS {
                        weights[b] = I::load(w.add(b * vector));
                    }
                    for c in 0..COLUMNS {
                        let values = I::splat(row.add(c * step));
                        for b in 0..BLOCKS {
                            sums[b][c] = I::dot(sums[b][c], values, weights[b]);
                        }
                    }
                    w = w.add(BLOCKS * vector);
                    row = row.add(WORD);
                }
            }
            // Through memory, for else the loop below, which is not unrolled, would keep the sums there all the time.
            self.finish::<I, BLOCKS, COLUMNS>(group, first, x, out, black_box(sums));
        }
    }

    /// A column alone: its words are summed by [`CHAINS`] chains, of which none waits for another.
    ///
    /// # Safety
    /// As [`columns`](Self::columns), with `x < count`.
    #[inline(always)]
    unsafe fn column<I: Isa, const BLOCKS: usize>(&self, group: *const u8, first: usize, x: usize, out: *mut i8) {
        const CHAINS: usize = 4;
        let vector = I::LANES * WORD;
        let words = self.shape.span.div_ceil(I::TAPS);
        // SAFETY: as in `block`.
        unsafe {
            let mut sums = [[I::zero(); BLOCKS]; CHAINS];
            for b in 0..BLOCKS {
                sums[0][b] = I::load(group.add(b * vector));
            }
            let mut w = group.add(parameters(&self.shape) * BLOCKS * vector);
            for y in 0..self.shape.height {
                let row = self.rows.add(y * self.pitch + x * self.shape.step * (WORD / I::TAPS));
                let mut word = 0;
                while word + CHAINS <= words {
                    for i in 0..CHAINS {
                        let values = I::splat(row.add((word + i) * WORD));
                        for b in 0..BLOCKS {
                            sums[i][b] = I::dot(sums[i][b], values, I::load(w.add((i * BLOCKS + b) * vector)));
                        }
                    }
                    w = w.add(CHAINS * BLOCKS * vector);
                    word += CHAINS;
                }
                while word < words {
                    let values = I::splat(row.add(word * WORD));
                    for b in 0..BLOCKS {
                        sums[0][b] = I::dot(sums[0][b], values, I::load(w.add(b * vector)));
                    }
                    w = w.add(BLOCKS * vector);
                    word += 1;
                }
            }
            let [one, two, three, four] = sums;
            let mut sums = [[I::zero(); 1]; BLOCKS];
            for b in 0..BLOCKS {
                sums[b] = [I::add(I::add(one[b], two[b]), I::add(three[b], four[b]))];
            }
            self.finish::<I, BLOCKS, 1>(group, first, x, out, sums);
        }
    }

    /// Requantises and writes the sums of `COLUMNS` columns from `x` on.
    ///
    /// # Safety
    /// As [`columns`](Self::columns), with `x + COLUMNS <= count`.
    #[inline(always)]
    unsafe fn finish<I: Isa, const BLOCKS: usize, const COLUMNS: usize>(
        &self,
        group: *const u8,
        first: usize,
        x: usize,
        out: *mut i8,
        sums: [[I::Vector; COLUMNS]; BLOCKS],
    ) {
        // SAFETY: the caller's.
        unsafe {
            for b in 0..BLOCKS {
                let rescale = Rescale::<I>::load(group, BLOCKS, b, &self.shape);
                let channel = first + b * I::LANES;
                let to = |c: usize| out.add((x + c) * self.shape.channels + channel);
                store::<I, COLUMNS>(sums[b], rescale, self.zero_point, to, self.shape.channels - channel);
            }
        }
    }
}

/// How the sums of a vector's channels become int8.
pub enum Rescale<I: Isa> {
    /// By f32 scales.
    Float(I::Vector),
    /// By multipliers and shifts.
    Fixed([I::Vector; 2]),
}

impl<I: Isa> Rescale<I> {
    /// Of block `b` of a packed group of so many.
    ///
    /// # Safety
    /// The processor has the instructions of `I`; the group holds its parameters.
    #[inline(always)]
    pub unsafe fn load(group: *const u8, blocks: usize, b: usize, shape: &Shape) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let vector = |i: usize| I::load(group.add((i * blocks + b) * I::LANES * WORD));
            if shape.fixed { Self::Fixed([vector(1), vector(2)]) } else { Self::Float(vector(1)) }
        }
    }
}

/// Requantises the vectors of `N` columns and writes their first `count` lanes, all of them if they have fewer.
///
/// # Safety
/// The processor has the instructions of `I`; each `to` has that many values.
#[inline(always)]
pub unsafe fn store<I: Isa, const N: usize>(
    sums: [I::Vector; N],
    rescale: Rescale<I>,
    zero_point: i8,
    to: impl Fn(usize) -> *mut i8,
    count: usize,
) {
    // SAFETY: the caller's; a short store goes by a copy.
    unsafe {
        let scale = match rescale {
            Rescale::Float(scale) => scale,
            Rescale::Fixed(by) => {
                for c in 0..N {
                    if count >= I::LANES {
                        I::requantize_fixed(sums[c], by, zero_point, to(c));
                        continue;
                    }
                    let mut lanes = [0i8; 16];
                    I::requantize_fixed(sums[c], by, zero_point, lanes.as_mut_ptr());
                    to(c).copy_from_nonoverlapping(lanes.as_ptr(), count);
                }
                return;
            }
        };
        if count >= I::LANES {
            let fours = N / 4 * 4;
            for c in (0..fours).step_by(4) {
                let columns = [0, 1, 2, 3].map(|i| c + i);
                I::requantize_columns(columns.map(|c| sums[c]), scale, zero_point, columns.map(&to));
            }
            for c in fours..N {
                I::requantize(sums[c], scale, zero_point, to(c));
            }
        } else {
            for c in 0..N {
                let mut lanes = [0i8; 16];
                I::requantize(sums[c], scale, zero_point, lanes.as_mut_ptr());
                to(c).copy_from_nonoverlapping(lanes.as_ptr(), count);
            }
        }
    }
}

/// One output row of a depthwise convolution.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn depthwise<I: Lanes>(mut checked: Depthwise<'_>) {
    const ZERO: [i8; 16] = [0; 16];
    let (args, taps) = (checked.args(), checked.stride());
    let channels = args.channels;
    let whole = channels / I::LANES * I::LANES;
    for (x, pixel) in checked.out().chunks_exact_mut(channels).enumerate() {
        for channel in (0..whole).step_by(I::LANES) {
            // SAFETY: each row holds the window of column `x`; there are weights, biases and scales of these lanes.
            unsafe {
                let value = |tap: usize| {
                    let (y, i) = (tap / args.kernel_width, tap % args.kernel_width);
                    args.rows.get(y).map_or(ZERO.as_ptr(), |row| row.as_ptr().add(x * args.step + i * channels + channel))
                };
                let weight = |tap: usize| {
                    if tap < taps { args.filters.weights.as_ptr().add(tap * channels + channel).cast() } else { ZERO.as_ptr() }
                };
                let mut sum = I::load(args.filters.bias.as_ptr().add(WORD * channel));
                for tap in (0..taps).step_by(2) {
                    sum = I::multiply(sum, [value(tap), value(tap + 1)], [weight(tap), weight(tap + 1)]);
                }
                let (scale, to) = (I::load(args.filters.scales.as_ptr().add(WORD * channel)), pixel.as_mut_ptr().add(channel));
                if args.filters.is_fixed() {
                    let shifts = I::load_shifts(args.filters.shifts.as_ptr().add(channel));
                    I::requantize_fixed(sum, [scale, shifts], args.filters.zero_point, to);
                } else {
                    I::requantize(sum, scale, args.filters.zero_point, to);
                }
            }
        }
        for (channel, q) in pixel.iter_mut().enumerate().skip(whole) {
            let sum = scalar::depthwise_sum(&args, x, channel).wrapping_add(word(args.filters.bias, channel));
            *q = args.filters.requantize(channel, sum);
        }
    }
}

/// Sum of products of int8 values.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn dot<I: Lanes>(values: &[i8], weights: &[u8]) -> i32 {
    let zero = [0u8; 64];
    // SAFETY: a vector is 64 bytes at most.
    let mut sum = unsafe { I::load(zero.as_ptr()) };
    let pair = 2 * I::LANES;
    let whole = values.len().min(weights.len()) / pair * pair;
    for at in (0..whole).step_by(pair) {
        // SAFETY: `at + pair` lies within both.
        unsafe {
            let (x, w) = (values.as_ptr().add(at), weights.as_ptr().add(at).cast::<i8>());
            sum = I::multiply(sum, [x, x.add(I::LANES)], [w, w.add(I::LANES)]);
        }
    }
    let rest = scalar::dot(values.get(whole..).unwrap_or(&[]), weights.get(whole..).unwrap_or(&[]));
    // SAFETY: the caller's.
    unsafe { I::total(sum).wrapping_add(rest) }
}
