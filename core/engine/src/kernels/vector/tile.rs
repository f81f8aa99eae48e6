//! Sums of some columns and some blocks of channels, in registers.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::rescale::{Rescale, store};
use crate::kernels::checked::{Shape, WORD};
use crate::kernels::pack::parameters;
use core::hint::black_box;

/// Columns of what is narrower than a block: strips.
const FEW: usize = 4;
/// Bytes of zeros after each converted row: the last word may reach over its end.
pub const TAIL: usize = 16;

/// Converted rows of `count` output columns.
pub struct Tile {
    pub shape: Shape,
    pub zero_point: i8,
    pub rows: *const u8,
    /// Bytes from a row to the next.
    pub pitch: usize,
    pub count: usize,
}

impl Tile {
    /// All columns of `BLOCKS` blocks of channels from `first` on; `out` is the first column.
    ///
    /// # Safety
    /// The processor has the instructions of `I`; `group` is packed for `BLOCKS` blocks; `out` has `count * channels` values.
    #[inline(always)]
    pub unsafe fn columns<I: Isa, const BLOCKS: usize, const COLUMNS: usize>(
        &self,
        group: *const u8,
        first: usize,
        out: *mut i8,
    ) {
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
