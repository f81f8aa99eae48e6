//! Winograd's F(2, 3) along the width: two outputs of a three-tap filter by four products instead of six, exact in integers.
//!
//! With inputs `d0..d3` and weights `g0..g2`, each a pixel's channels, the products
//!
//! ```text
//! m0 = (d0 - d2) * 2 g0            m1 = (d1 + d2) * (g0 + g1 + g2)
//! m2 = (d2 - d1) * (g0 - g1 + g2)  m3 = (d1 - d3) * 2 g2
//! ```
//!
//! give `2 y0 = m0 + m1 + m2` and `2 y1 = m1 - m2 - m3`. Weights are the textbook's doubled, so that they are whole, and the last
//! shift loses nothing. Sums are taken modulo 2^32, which is exact wherever `|2 y| < 2^31`: [`Shape::suits_winograd`] asks the weights.
//! (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.)

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::pack::{HEADER, Layout, Shape, WORD};
use super::simd::{Isa, Job, SCRATCH, Scratch, store};
use core::hint::black_box;

/// Vector operations beyond those of a plain convolution.
pub trait Winograd: Isa {
    /// All zero.
    ///
    /// # Safety
    /// As for every function of [`Isa`].
    unsafe fn zero() -> Self::Vector;
    /// `a + b + c` and `b - c - d`, halved.
    ///
    /// # Safety
    /// As for every function of [`Isa`].
    unsafe fn outputs(m: [Self::Vector; 4]) -> [Self::Vector; 2];
}

/// One output row from filters packed with `layout.winograd`; false if the row is too short or does not fit the scratch buffer.
///
/// # Safety
/// The processor has the instructions of `I`; `job.is_sound(width)`; `packed` holds the groups of `layout`.
#[inline(always)]
pub unsafe fn row<I: Winograd, const TILES: usize>(job: &Job<'_>, layout: Layout, packed: &[u8], out: &mut [i8]) -> bool {
    let shape = job.shape;
    let width = out.len() / shape.channels;
    let tile_len = 4 * shape.step; // i16
    let at_once = SCRATCH / (2 * shape.height * tile_len);
    if width < 2 || at_once == 0 || packed.len() < layout.len(&shape) {
        return false;
    }
    let tiles = width.div_ceil(2);
    let mut scratch = Scratch::new();
    let buffer = scratch.as_mut_ptr().cast::<i16>();
    // The last tile overlaps the one before where the width is odd.
    let column = |tile: usize| (2 * tile).min(width - 2);
    let mut from = 0;
    while from < tiles {
        let count = at_once.min(tiles - from);
        for (y, row) in job.rows.iter().enumerate() {
            for tile in 0..count {
                // SAFETY: `is_sound` gives four steps from every column up to width - 2; the buffer holds `at_once` tiles a row.
                unsafe {
                    transform(
                        row.as_ptr().add(column(from + tile) * shape.step),
                        shape.step,
                        buffer.add((y * count + tile) * tile_len),
                    )
                };
            }
        }
        // SAFETY: `packed` is as long as all groups.
        let mut group = unsafe { packed.as_ptr().add(HEADER) };
        for (first, _) in layout.groups(shape.channels) {
            let block = Block { shape, group, first, buffer, pitch: count * tile_len };
            let mut tile = 0;
            while tile < count {
                // SAFETY: tiles `tile..tile + TILES` are transformed, and their columns lie in the output.
                unsafe {
                    if count >= TILES {
                        let tile = tile.min(count - TILES);
                        block.tiles::<I, TILES>(job.zero_point(), tile, |t| column(from + t), out);
                    } else {
                        block.tiles::<I, 1>(job.zero_point(), tile, |t| column(from + t), out);
                    }
                }
                tile += if count >= TILES { TILES } else { 1 };
            }
            // SAFETY: `len` is the sum of these.
            group = unsafe { group.add(layout.group_len(&shape, 1)) };
        }
        from += count;
    }
    true
}

/// Four pixels of int8 to the four factors of the products.
///
/// # Safety
/// `d` has `4 * step` readable values, `t` room for as many.
#[inline(always)]
unsafe fn transform(d: *const i8, step: usize, t: *mut i16) {
    for i in 0..step {
        // SAFETY: i < step.
        unsafe {
            let [d0, d1, d2, d3] = [0, 1, 2, 3].map(|k| i16::from(*d.add(k * step + i)));
            *t.add(i) = d0 - d2;
            *t.add(step + i) = d1 + d2;
            *t.add(2 * step + i) = d2 - d1;
            *t.add(3 * step + i) = d1 - d3;
        }
    }
}

/// Output channels `first..first + I::LANES` of a row.
struct Block {
    shape: Shape,
    group: *const u8,
    first: usize,
    buffer: *const i16,
    /// Values from a transformed row to the next.
    pitch: usize,
}

impl Block {
    /// # Safety
    /// As in [`row`].
    #[inline(always)]
    unsafe fn tiles<I: Winograd, const TILES: usize>(
        &self,
        zero_point: i8,
        tile: usize,
        column: impl Fn(usize) -> usize,
        out: &mut [i8],
    ) {
        let (step, vector) = (self.shape.step, I::LANES * WORD);
        // SAFETY: the group holds biases, scales and the vectors of `height * step / 2 * 4` words; the buffer the tiles.
        unsafe {
            let mut m = [[I::zero(); TILES]; 4];
            m[1] = [I::load(self.group); TILES];
            let mut w = self.group.add(2 * vector);
            for y in 0..self.shape.height {
                let mut x = self.buffer.add(y * self.pitch + tile * 4 * step).cast::<u8>();
                for _ in 0..step / 2 {
                    for product in 0..4 {
                        let weights = I::load(w.add(product * vector));
                        for t in 0..TILES {
                            let values = I::splat(x.add(2 * step * (4 * t + product)));
                            m[product][t] = I::dot(m[product][t], values, weights);
                        }
                    }
                    w = w.add(4 * vector);
                    x = x.add(WORD);
                }
            }
            // As in `simd.rs`: sums stay in registers until here.
            let m = black_box(m);
            let scale = I::load(self.group.add(vector));
            for t in 0..TILES {
                let both = I::outputs([m[0][t], m[1][t], m[2][t], m[3][t]]);
                for (k, sum) in both.into_iter().enumerate() {
                    let at = (column(tile + t) + k) * self.shape.channels + self.first;
                    store::<I>(sum, scale, zero_point, out.as_mut_ptr().add(at), self.shape.channels - self.first);
                }
            }
        }
    }
}
