//! The two innermost loops of a convolution: values into a tile, and their products with the weights.

use crate::kernels::columns::{COLUMNS, row_of};

/// Taps that a tile holds; longer filters are summed in several passes.
pub const TAPS: usize = 96;

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

/// RISC-V has registers for the sums of two channels.
pub const WIDE: bool = cfg!(any(target_arch = "riscv32", target_arch = "riscv64"));

/// A weight in the file, little-endian.
pub trait Weight: Copy {
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
    pub const fn blocks<W: Weight, const BLOCK: usize>() -> Self {
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
