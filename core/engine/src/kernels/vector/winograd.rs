//! Winograd's F(4, 3) along the width: four outputs of a three-tap filter by six products instead of twelve, exact in integers.
//!
//! With inputs `d0..d5` and weights `g0..g2`, each a pixel's channels, the products
//!
//! ```text
//! m0 = (4 d0 - 5 d2 + d4) * 6 g0
//! m1 = (d4 - 4 d2 + (d3 - 4 d1)) * -4 (g0 + g1 + g2)    m2 = (d4 - 4 d2 - (d3 - 4 d1)) * -4 (g0 - g1 + g2)
//! m3 = (d4 - d2 + 2 (d3 - d1)) * (g0 + 2 g1 + 4 g2)     m4 = (d4 - d2 - 2 (d3 - d1)) * (g0 - 2 g1 + 4 g2)
//! m5 = (4 d1 - 5 d3 + d5) * 24 g2
//! ```
//!
//! give `24 y0 = m0 + m1 + m2 + m3 + m4`, `24 y1 = m1 - m2 + 2 (m3 - m4)`, `24 y2 = m1 + m2 + 4 (m3 + m4)` and
//! `24 y3 = m1 - m2 + 8 (m3 - m4) + m5`. Weights are the textbook's times 24, so that they are whole. Sums are taken modulo 2^32, which is
//! exact wherever `|24 y| < 2^31`: [`Covered::suits_winograd`](crate::kernels::checked::Covered::suits_winograd) asks the weights. A division by 24 without remainder is a shift by 3 and
//! a multiplication by the inverse of 3 modulo 2^32. (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.)

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::job::Job;
use super::rescale::{Rescale, store};
use super::scratch::{SCRATCH, Scratch};
use crate::kernels::checked::{Shape, WORD};
use crate::kernels::pack::{HEADER, Layout, PRODUCTS, parameters};
use core::hint::black_box;

/// Outputs of a tile; it has as many pixels as products.
pub const OUTPUTS: usize = 4;

/// `3 * THIRD == 1` modulo 2^32.
pub const THIRD: i32 = 0xAAAA_AAABu32 as i32;

/// Vector operations beyond those of a plain convolution, lane by lane modulo 2^32.
///
/// # Safety
/// As [`Isa`].
pub trait Winograd: Isa {
    /// `a - b`
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// A 24th of what is divisible by 24: an arithmetic shift by 3, times [`THIRD`].
    unsafe fn twenty_fourth(a: Self::Vector) -> Self::Vector;
}

/// Outputs from products.
///
/// # Safety
/// As [`Isa`].
#[inline(always)]
unsafe fn outputs<I: Winograd>([m0, m1, m2, m3, m4, m5]: [I::Vector; PRODUCTS]) -> [I::Vector; OUTPUTS] {
    // SAFETY: the caller's.
    unsafe {
        let (sum, difference) = (I::add(m1, m2), I::sub(m1, m2));
        let (outer, outer_difference) = (I::add(m3, m4), I::sub(m3, m4));
        let double = |v| I::add(v, v);
        let twice = double(outer_difference);
        let y0 = I::add(I::add(m0, sum), outer);
        let y1 = I::add(difference, twice);
        let y2 = I::add(sum, double(double(outer)));
        let y3 = I::add(I::add(difference, double(double(twice))), m5);
        [y0, y1, y2, y3].map(|y| I::twenty_fourth(y))
    }
}

/// One output row from filters packed with `layout.winograd`; false, with nothing written, if the layer or the packed filters are of
/// another form, the row is too short or does not fit the scratch buffer.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn row<I: Winograd, const TILES: usize>(job: &mut Job<'_>, layout: Layout) -> bool {
    let (shape, width, packed) = (*job.layer().shape(), job.width(), job.packed());
    if packed.first() != Some(&1) || !shape.has_winograd() || width < OUTPUTS || packed.len() < layout.len(&shape) {
        return false;
    }
    let tile_len = PRODUCTS * shape.step; // i16, twice the span
    let Some(at_once @ 1..) = SCRATCH.checked_div(tile_len.saturating_mul(2 * shape.height)) else { return false };
    let tiles = width.div_ceil(OUTPUTS);
    let mut scratch = Scratch::new();
    let buffer = scratch.as_mut_ptr().cast::<i16>();
    // The last tile may overlap the one before.
    let column = |tile: usize| (OUTPUTS * tile).min(width - OUTPUTS);
    let mut from = 0;
    while from < tiles {
        let count = at_once.min(tiles - from);
        for (y, row) in job.rows().iter().enumerate() {
            for tile in 0..count {
                // SAFETY: a row holds six steps from every column up to width - 4, four windows of three; the buffer holds `at_once` tiles a row.
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
        let zero_point = job.zero_point();
        for (first, _) in layout.groups(shape.channels) {
            let out = job.out().as_mut_ptr();
            let block = Block { shape, group, first, buffer, pitch: count * tile_len };
            let mut tile = 0;
            while tile < count {
                // SAFETY: tiles `tile..tile + TILES` are transformed, and their columns lie in the output.
                unsafe {
                    if count >= TILES {
                        let tile = tile.min(count - TILES);
                        block.tiles::<I, TILES>(zero_point, tile, |t| column(from + t), out);
                    } else {
                        block.tiles::<I, 1>(zero_point, tile, |t| column(from + t), out);
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

/// Six pixels of int8 to the six factors of the products, at most 1280 in magnitude.
///
/// # Safety
/// `d` has `6 * step` readable values, `t` room for as many.
#[inline(always)]
unsafe fn transform(d: *const i8, step: usize, t: *mut i16) {
    for i in 0..step {
        // SAFETY: i < step.
        unsafe {
            let [d0, d1, d2, d3, d4, d5] = [0, 1, 2, 3, 4, 5].map(|k| i16::from(*d.add(k * step + i)));
            let (even, odd) = (d4 - 4 * d2, d3 - 4 * d1);
            let (near, far) = (d4 - d2, 2 * (d3 - d1));
            *t.add(i) = 4 * d0 - 5 * d2 + d4;
            *t.add(step + i) = even + odd;
            *t.add(2 * step + i) = even - odd;
            *t.add(3 * step + i) = near + far;
            *t.add(4 * step + i) = near - far;
            *t.add(5 * step + i) = 4 * d1 - 5 * d3 + d5;
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
        out: *mut i8,
    ) {
        let (step, vector) = (self.shape.step, I::LANES * WORD);
        // SAFETY: the group holds biases, scales and the vectors of `height * step / 2 * 6` words; the buffer the tiles.
        unsafe {
            let mut m = [[I::zero(); TILES]; PRODUCTS];
            m[1] = [I::load(self.group); TILES];
            let mut w = self.group.add(parameters(&self.shape) * vector);
            for y in 0..self.shape.height {
                let mut x = self.buffer.add(y * self.pitch + tile * PRODUCTS * step).cast::<u8>();
                for _ in 0..step / 2 {
                    for product in 0..PRODUCTS {
                        let weights = I::load(w.add(product * vector));
                        for t in 0..TILES {
                            let values = I::splat(x.add(2 * step * (PRODUCTS * t + product)));
                            m[product][t] = I::dot(m[product][t], values, weights);
                        }
                    }
                    w = w.add(PRODUCTS * vector);
                    x = x.add(WORD);
                }
            }
            // As in `simd.rs`: sums stay in registers until here.
            let m = black_box(m);
            for t in 0..TILES {
                let rescale = Rescale::<I>::load(self.group, 1, 0, &self.shape);
                let sums = outputs::<I>(m.map(|m| m[t]));
                let at = column(tile + t) * self.shape.channels + self.first;
                let to = |k: usize| out.wrapping_add(at + k * self.shape.channels);
                store::<I, OUTPUTS>(sums, rescale, zero_point, to, self.shape.channels - self.first);
            }
        }
    }
}
