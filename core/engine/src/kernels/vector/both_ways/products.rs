//! Factors to products: where nearly all of the time goes.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::tiles::Tiles;
use crate::kernels::checked::WORD;
use crate::kernels::vector::isa::Isa;

/// Tiles whose factors lie side by side: what is multiplied in registers at a time.
pub const SIDE: usize = 4;
/// Input channels from which on weights are fetched ahead: there are too many for the nearest cache.
const AHEAD_FROM: usize = 48;

/// How products are added to sums.
pub trait Products {
    /// The instruction set.
    type Isa: Tiles;

    /// `sum + x * w` with vector `b` of those at `w`.
    ///
    /// # Safety
    /// As [`Isa`].
    unsafe fn add(
        sum: <Self::Isa as Isa>::Vector,
        x: <Self::Isa as Isa>::Vector,
        w: *const u8,
        b: usize,
    ) -> <Self::Isa as Isa>::Vector;
}

/// All products of `B` blocks of channels, of an axis with so many filters and points.
///
/// # Safety
/// The processor has the instructions of `P`; `weights` of all filters, factors and room for products of `tiles`, rounded up to whole fours.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[inline(never)]
pub unsafe fn multiply<P: Products, const B: usize>(
    [filters, points]: [usize; 2],
    mut weights: *const u8,
    factors: *const u8,
    channels: usize,
    tiles: usize,
    products: *mut u8,
) {
    let shared = |filter| if filter + 1 == filters { points - filters + 1 } else { 1 };
    let mut point = 0;
    for f in 0..filters {
        for k in 0..filters {
            let end = point + shared(f) * shared(k);
            let mut is_ahead = P::Isa::FETCHES && channels >= AHEAD_FROM;
            while point < end {
                for four in 0..tiles.div_ceil(SIDE) {
                    let row = (four * points * points + point) * SIDE;
                    // SAFETY: the caller's.
                    unsafe {
                        let (v, m) = (factors.add(row * 2 * channels), products.add(row * P::Isa::SUMS));
                        if is_ahead {
                            dots::<P, B, true>(weights, v, channels, m);
                        } else {
                            dots::<P, B, false>(weights, v, channels, m);
                        }
                    }
                    is_ahead = false;
                }
                point += 1;
            }
            // SAFETY: the next filter's, or the end.
            weights = unsafe { weights.add(channels / 2 * B * P::Isa::VECTOR) };
        }
    }
}

/// Products of `B` blocks of channels and four rows of factors. `AHEAD`: meanwhile the weights that follow are fetched.
///
/// # Safety
/// The processor has the instructions of `P`; `weights` has `B` vectors a word, `v` four rows, `m` room for four rows of products.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[inline]
unsafe fn dots<P: Products, const B: usize, const AHEAD: bool>(weights: *const u8, v: *const u8, channels: usize, m: *mut u8) {
    // SAFETY: the caller's; what is fetched ahead need not exist.
    unsafe {
        let row = 2 * channels;
        let mut sums = [[P::Isa::zero(); B]; SIDE];
        for r in 0..SIDE {
            let values = P::Isa::splat(v.add(r * row));
            for b in 0..B {
                sums[r][b] = P::Isa::product(values, P::Isa::load(weights.add(b * P::Isa::VECTOR)));
            }
        }
        let add = |sums: &mut [[<P::Isa as Isa>::Vector; B]; SIDE], word: usize| {
            let (w, x) = (weights.add(word * B * P::Isa::VECTOR), v.add(word * WORD));
            if AHEAD {
                for line in 0..B.div_ceil(2) {
                    P::Isa::fetch(w.wrapping_add(channels / 2 * B * P::Isa::VECTOR + 64 * line));
                }
            }
            for r in 0..SIDE {
                let values = P::Isa::splat(x.add(r * row));
                for b in 0..B {
                    sums[r][b] = P::add(sums[r][b], values, w, b);
                }
            }
        };
        let mut word = 1;
        while word + 1 < channels / 2 {
            add(&mut sums, word);
            add(&mut sums, word + 1);
            word += 2;
        }
        if word < channels / 2 {
            add(&mut sums, word);
        }
        for r in 0..SIDE {
            for b in 0..B {
                P::Isa::save(sums[r][b], m.add(r * P::Isa::SUMS + b * P::Isa::VECTOR));
            }
        }
    }
}
