//! What is done with tiles: inputs to factors, and products to outputs.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::axis::{Axis, Line, OUTPUTS};
use super::places::{Points, places};
use super::products::SIDE;
use super::tiles::{Sums, Tiles, Words};
use crate::kernels::vector::rescale::{Rescale, store};
use core::mem::MaybeUninit;

/// The factors of a tile, [`CHANNELS`](Tiles::CHANNELS) of them; `places` in bytes.
///
/// # Safety
/// The processor has the instructions of `I`; `from` has `IN` rows of `IN` pixels, `to` room at all places.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[inline(never)]
pub unsafe fn transform<I: Tiles, A: Axis>(from: *const i8, row_len: usize, channels: usize, to: *mut u8, places: &Points) {
    // SAFETY: the caller's; lines are written as far as they are read.
    unsafe {
        let zero = Words::<I>(I::zero());
        let mut rows = [const { MaybeUninit::<Line<Words<I>>>::uninit() }; 9];
        for y in 0..A::IN {
            let mut d = [zero; 9];
            for x in 0..A::IN {
                d[x] = Words(I::load_words(from.add(y * row_len + x * channels)));
            }
            let d = A::factors(d);
            let row = rows.as_mut_ptr().add(y).cast::<Words<I>>();
            for j in 0..A::POINTS {
                row.add(j).write(d[j]);
            }
        }
        for j in 0..A::POINTS {
            let mut d = [zero; 9];
            for y in 0..A::IN {
                d[y] = rows.as_ptr().add(y).cast::<Words<I>>().add(j).read();
            }
            let d = A::factors(d);
            for i in 0..A::POINTS {
                I::save(d[i].0, to.add(places[j][i]));
            }
        }
    }
}

/// Where the outputs of a tile go, of a block of channels.
pub struct Finish {
    /// A vector of biases; `blocks` vectors on, one of scales.
    pub parameters: *const u8,
    pub blocks: usize,
    pub zero_point: i8,
    pub to: *mut i8,
    /// Values from a pixel to the next, and from a row to the next.
    pub pixel: usize,
    pub row: usize,
    /// Rows and channels that are wanted, if they are fewer than the tile has.
    pub rows: usize,
    pub lanes: usize,
}

impl Finish {
    /// # Safety
    /// The processor has the instructions of `I`; `from` has the products at all places, `to` room.
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[inline(never)]
    pub unsafe fn tile<I: Tiles, A: Axis>(&self, from: *const u8) {
        let places = const { places::<A>() };
        // SAFETY: the caller's; lines are written as far as they are read.
        unsafe {
            let bias = Sums::<I>(I::load(self.parameters));
            let scale = I::load(self.parameters.add(self.blocks * I::VECTOR));
            let zero = Sums(I::zero());
            let mut rows = [const { MaybeUninit::<Line<Sums<I>>>::uninit() }; OUTPUTS];
            for j in 0..A::POINTS {
                let mut m = [zero; 9];
                for i in 0..A::POINTS {
                    m[i] = Sums(I::load(from.add(places[j][i] * SIDE * I::SUMS)));
                }
                if j == 1 {
                    // Where each output takes it once.
                    m[1] = m[1] + bias;
                }
                let y = A::outputs(m);
                for r in 0..OUTPUTS {
                    rows[r].as_mut_ptr().cast::<Sums<I>>().add(j).write(y[r]);
                }
            }
            for r in 0..OUTPUTS.min(self.rows) {
                let mut m = [zero; 9];
                for j in 0..A::POINTS {
                    m[j] = rows.as_ptr().add(r).cast::<Sums<I>>().add(j).read();
                }
                let [y0, y1, y2, y3, ..] = A::outputs(m);
                let inverse = const { inverse_of_odd_part(A::SCALE * A::SCALE) };
                let sums = [y0, y1, y2, y3].map(|y| I::scale(y.0, inverse));
                let to = |c: usize| self.to.wrapping_add(r * self.row + c * self.pixel);
                store::<I, OUTPUTS>(sums, Rescale::Float(scale), self.zero_point, to, self.lanes);
            }
        }
    }
}

/// What times the odd part of `n` is 1, modulo 2^32.
const fn inverse_of_odd_part(n: i32) -> i32 {
    let odd = n >> n.trailing_zeros();
    // Right in 3 bits, then in twice as many each time.
    let (mut x, mut bits) = (odd, 3);
    while bits < 32 {
        x = x.wrapping_mul(2i32.wrapping_sub(odd.wrapping_mul(x)));
        bits *= 2;
    }
    x
}
