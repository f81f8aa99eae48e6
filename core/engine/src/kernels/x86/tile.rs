//! What `winograd_2d.rs` does with its tiles: inputs to factors, factors to products, products to outputs.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::axis::{self, Axis, Line, OUTPUTS, Sums, shared};
use super::words::Words;
use crate::kernels::checked::WORD;
use crate::kernels::vector::{Isa, Rescale, store};
use core::arch::asm;
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

/// Bytes of a vector, and its lanes.
pub const VECTOR: usize = 32;
pub const LANES: usize = 8;
/// Input channels that are transformed together.
pub const CHANNELS: usize = 16;
/// Tiles whose factors lie side by side: what is multiplied in registers at a time.
pub const SIDE: usize = 4;
/// Bytes of products of a tile at a point: three blocks at most.
pub const SUMS: usize = 3 * VECTOR;
/// Input channels from which on weights are fetched ahead: there are too many for the nearest cache.
const AHEAD_FROM: usize = 48;

/// A table by points: across, down.
pub type Points = [[usize; 9]; 9];

/// How many points are multiplied before another: those with the same filter follow one another.
pub const fn places<A: Axis>() -> Points {
    let (mut places, mut j) = ([[0; 9]; 9], 0);
    while j < A::POINTS {
        let mut i = 0;
        while i < A::POINTS {
            let (f, k) = (filter::<A>(i), filter::<A>(j));
            places[j][i] = f * A::POINTS + k * shared::<A>(f) + (i - f) * shared::<A>(k) + (j - k);
            i += 1;
        }
        j += 1;
    }
    places
}

const fn filter<A: Axis>(point: usize) -> usize {
    if point < A::FILTERS { point } else { A::FILTERS - 1 }
}

/// The factors of a tile, 16 channels; `places` in bytes.
///
/// # Safety
/// AVX2; `from` has `IN` rows of `IN` pixels, `to` room at all places.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub unsafe fn transform<A: Axis>(from: *const i8, row_len: usize, channels: usize, to: *mut u8, places: &Points) {
    // SAFETY: the caller's; lines are written as far as they are read.
    unsafe {
        let zero = axis::Words(_mm256_setzero_si256());
        let mut rows = [const { MaybeUninit::<Line<axis::Words>>::uninit() }; 9];
        for y in 0..A::IN {
            let mut d = [zero; 9];
            for x in 0..A::IN {
                d[x] = axis::Words(_mm256_cvtepi8_epi16(_mm_loadu_si128(from.add(y * row_len + x * channels).cast())));
            }
            let d = A::factors(d);
            let row = rows.as_mut_ptr().add(y).cast::<axis::Words>();
            for j in 0..A::POINTS {
                row.add(j).write(d[j]);
            }
        }
        for j in 0..A::POINTS {
            let mut d = [zero; 9];
            for y in 0..A::IN {
                d[y] = rows.as_ptr().add(y).cast::<axis::Words>().add(j).read();
            }
            let d = A::factors(d);
            for i in 0..A::POINTS {
                _mm256_storeu_si256(to.add(places[j][i]).cast(), d[i].0);
            }
        }
    }
}

/// All products of `B` blocks of channels, of an axis with so many filters and points. `FUSED`: by AVX-VNNI.
///
/// # Safety
/// AVX2, and AVX-VNNI if `FUSED`; `weights` of all filters, factors and room for products of `tiles`, rounded up to whole fours.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub unsafe fn multiply<const B: usize, const FUSED: bool>(
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
            let mut is_ahead = channels >= AHEAD_FROM;
            while point < end {
                for four in 0..tiles.div_ceil(SIDE) {
                    let row = (four * points * points + point) * SIDE;
                    // SAFETY: the caller's.
                    unsafe {
                        let (v, m) = (factors.add(row * 2 * channels), products.add(row * SUMS));
                        if is_ahead {
                            dots::<B, FUSED, true>(weights, v, channels, m);
                        } else {
                            dots::<B, FUSED, false>(weights, v, channels, m);
                        }
                    }
                    is_ahead = false;
                }
                point += 1;
            }
            // SAFETY: the next filter's, or the end.
            weights = unsafe { weights.add(channels / 2 * B * VECTOR) };
        }
    }
}

/// Products of `B` blocks of channels and four rows of factors. `AHEAD`: meanwhile the weights that follow are fetched.
///
/// # Safety
/// AVX2, and AVX-VNNI if `FUSED`; `weights` has `B` vectors a word, `v` four rows, `m` room for four rows of products.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn dots<const B: usize, const FUSED: bool, const AHEAD: bool>(
    weights: *const u8,
    v: *const u8,
    channels: usize,
    m: *mut u8,
) {
    // SAFETY: the caller's; what is fetched ahead need not exist.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); B]; SIDE];
        for r in 0..SIDE {
            let values = Words::splat(v.add(r * 2 * channels));
            for b in 0..B {
                sums[r][b] = _mm256_madd_epi16(values, Words::load(weights.add(b * VECTOR)));
            }
        }
        let add = |sums: &mut [[__m256i; B]; SIDE], word: usize| {
            let (w, x) = (weights.add(word * B * VECTOR), v.add(word * WORD));
            if AHEAD {
                for line in 0..B.div_ceil(2) {
                    _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(channels / 2 * B * VECTOR + 64 * line).cast());
                }
            }
            for r in 0..SIDE {
                let values = Words::splat(x.add(r * 2 * channels));
                for b in 0..B {
                    sums[r][b] = match (FUSED, b) {
                        (false, 0 | 1) => Words::dot(sums[r][b], values, Words::load(w.add(b * VECTOR))),
                        (false, _) => _mm256_add_epi32(sums[r][b], third(values, w)),
                        (true, 0 | 1) => fused(sums[r][b], values, Words::load(w.add(b * VECTOR))),
                        (true, _) => fused_third(sums[r][b], values, w),
                    };
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
                _mm256_storeu_si256(m.add(r * SUMS + b * VECTOR).cast(), sums[r][b]);
            }
        }
    }
}

/// The products with the third vector at `w`, from memory: a register for it would cost one of twelve sums its own.
///
/// # Safety
/// AVX2; three vectors at `w`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn third(values: __m256i, w: *const u8) -> __m256i {
    let products;
    // SAFETY: reads the vector, no more.
    unsafe {
        asm!(
            "vpmaddwd {products}, {values}, ymmword ptr [{w} + 64]",
            products = lateout(ymm_reg) products,
            values = in(ymm_reg) values,
            w = in(reg) w,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    products
}

/// `sum + x * w`, both products of a lane, in one instruction.
///
/// # Safety
/// AVX-VNNI.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn fused(mut sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {x}, {w}",
            sum = inlateout(ymm_reg) sum,
            x = in(ymm_reg) x,
            w = in(ymm_reg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// [`fused`] with the third vector at `w`, as [`third`].
///
/// # Safety
/// AVX-VNNI; three vectors at `w`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn fused_third(mut sum: __m256i, x: __m256i, w: *const u8) -> __m256i {
    // SAFETY: reads the vector, no more.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {x}, ymmword ptr [{w} + 64]",
            sum = inlateout(ymm_reg) sum,
            x = in(ymm_reg) x,
            w = in(reg) w,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sum
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
    /// AVX2; `from` has the products at all places, `to` room.
    #[target_feature(enable = "avx2")]
    #[inline(never)]
    pub unsafe fn tile<A: Axis>(&self, from: *const u8) {
        let places = const { places::<A>() };
        // SAFETY: the caller's; lines are written as far as they are read.
        unsafe {
            let bias = Sums(Words::load(self.parameters));
            let scale = Words::load(self.parameters.add(self.blocks * VECTOR));
            let zero = Sums(_mm256_setzero_si256());
            let mut rows = [const { MaybeUninit::<Line<Sums>>::uninit() }; OUTPUTS];
            for j in 0..A::POINTS {
                let mut m = [zero; 9];
                for i in 0..A::POINTS {
                    m[i] = Sums(Words::load(from.add(places[j][i] * SIDE * SUMS)));
                }
                if j == 1 {
                    // Where each output takes it once.
                    m[1] = m[1] + bias;
                }
                let y = A::outputs(m);
                for r in 0..OUTPUTS {
                    rows[r].as_mut_ptr().cast::<Sums>().add(j).write(y[r]);
                }
            }
            for r in 0..OUTPUTS.min(self.rows) {
                let mut m = [zero; 9];
                for j in 0..A::POINTS {
                    m[j] = rows.as_ptr().add(r).cast::<Sums>().add(j).read();
                }
                let [y0, y1, y2, y3, ..] = A::outputs(m);
                let divisor = _mm256_set1_epi32(const { inverse_of_odd_part(A::SCALE * A::SCALE) });
                let sums = [y0, y1, y2, y3].map(|y| _mm256_mullo_epi32(y.0, divisor));
                let to = |c: usize| self.to.wrapping_add(r * self.row + c * self.pixel);
                store::<Words, OUTPUTS>(sums, Rescale::Float(scale), self.zero_point, to, self.lanes);
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
