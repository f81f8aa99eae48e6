//! The first layer of a gray image, 3x3 with stride 2: nine taps in five words of two, where rows by themselves take six.
//!
//! Of each row, the first two taps are a word as they lie there. The third taps of the upper rows are brought together in a word, and
//! that of the lower row goes with whatever comes after it, times zero. Two columns of sixteen channels are computed and requantised
//! together.

// Indices, so that what they index stays in registers.
#![allow(clippy::needless_range_loop)]

use super::both_ways::Tiles;
use super::job::Job;
use crate::kernels::checked::{Covered, Shape, WORD};
use crate::kernels::pack::{HEADER, put, word};
use core::mem::MaybeUninit;

/// The first byte of filters that are packed so.
pub const FORM: u8 = 64;
/// Bytes of a word, or of another parameter, of all channels that are computed together.
const VECTORS: usize = CHANNELS * WORD;
/// Channels that are computed together.
const CHANNELS: usize = 16;
const WORDS: usize = 5;
/// Columns that are computed from one filling of the buffers, and the words of a buffer.
const COLUMNS: usize = 128;
const ROOM: usize = COLUMNS + 17;
const GROUP: usize = VECTORS * (2 + WORDS);

/// What the loops ask of an instruction set; sixteen channels are `V` vectors.
///
/// # Safety
/// As [`Isa`](super::Isa).
pub trait Pixels<const V: usize>: Tiles {
    /// Words of the low halves of the words of `a`, and above them those of `b`.
    unsafe fn low_halves(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Requantises two columns (scales as f32 bits) and writes sixteen int8 values of each.
    unsafe fn requantize_pair(sums: [[Self::Vector; V]; 2], scales: [Self::Vector; V], zero_point: i8, to: [*mut i8; 2]);
}

/// True for what this is made for.
pub const fn suits(shape: &Shape) -> bool {
    shape.wide
        && !shape.fixed
        && shape.height == 3
        && shape.span == 3
        && shape.step == 2
        && shape.channels.is_multiple_of(CHANNELS)
}

/// Bytes of packed filters; the largest number where they fit no slice.
const fn len(shape: &Shape) -> usize {
    (shape.channels / CHANNELS).saturating_mul(GROUP).saturating_add(HEADER)
}

/// Packs; the bytes taken, written only if `out` is that long.
pub fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    let (filters, len) = (layer.filters(), len(layer.shape()));
    let Some(out) = out.get_mut(..len) else { return len };
    out.fill(0);
    put(out, 0, &[FORM]);
    for channel in 0..layer.shape().channels {
        let start = HEADER + channel / CHANNELS * GROUP + channel % CHANNELS * WORD;
        put(out, start, &word(filters.bias, channel).to_le_bytes());
        put(out, start + VECTORS, &word(filters.scales, channel).to_le_bytes());
        let taps: [i32; 9] = core::array::from_fn(|i| layer.weight(channel, i));
        let pairs = [[taps[0], taps[1]], [taps[3], taps[4]], [taps[6], taps[7]], [taps[2], taps[5]], [taps[8], 0]];
        for (i, [low, high]) in pairs.into_iter().enumerate() {
            put(out, start + VECTORS * (2 + i), &(low as i16).to_le_bytes());
            put(out, start + VECTORS * (2 + i) + 2, &(high as i16).to_le_bytes());
        }
    }
    len
}

/// One output row from filters packed by [`pack`]; false, with nothing written, where the layer or the filters are others.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn row<I: Pixels<V>, const V: usize>(job: &mut Job<'_>) -> bool {
    let (shape, packed) = (job.layer().shape(), job.packed());
    let is_of_this_form = packed.first() == Some(&FORM) && suits(shape) && packed.len() >= len(shape) && job.width() >= 2;
    if is_of_this_form {
        // SAFETY: the caller's; the rest is checked.
        unsafe { columns::<I, V>(job) }
    }
    is_of_this_form
}

/// # Safety
/// The processor has the instructions of `I`, and all that [`row`] checks.
#[inline(always)]
unsafe fn columns<I: Pixels<V>, const V: usize>(job: &mut Job<'_>) {
    let (width, channels, zero_point) = (job.width(), job.layer().shape().channels, job.zero_point());
    let mut buffers = [const { MaybeUninit::<[u32; ROOM]>::uninit() }; 4];
    let mut from = 0;
    while from < width {
        // Two columns at least: the last may be computed again.
        from = from.min(width - 2);
        let count = COLUMNS.min(width - from);
        for (buffer, row) in buffers.iter_mut().zip(job.rows()) {
            // SAFETY: a row holds the windows of `count` columns, `2 * count + 1` values from there; a buffer has room for as many.
            unsafe {
                let (row, to) = (row.as_ptr().add(2 * from), buffer.as_mut_ptr().cast::<i16>());
                for i in 0..2 * count + 1 {
                    *to.add(i) = i16::from(*row.add(i));
                }
                to.add(2 * count + 1).write_bytes(0, 33);
            }
        }
        let [upper, middle, lower, third] = buffers.each_mut().map(|buffer| buffer.as_mut_ptr().cast::<u32>());
        for x in (0..count).step_by(I::LANES) {
            // SAFETY: after a row are 33 zeros, and as much room in the fourth buffer.
            unsafe {
                let [a, b] = [upper, middle].map(|row| I::load(row.add(x + 1).cast()));
                I::save(I::low_halves(a, b), third.add(x).cast());
            }
        }
        let words = [upper, middle, lower, third, lower.wrapping_add(1)].map(|row| row.cast_const().cast::<u8>());
        for group in 0..channels / CHANNELS {
            // SAFETY: the filters are as long as all groups, the output as all columns.
            unsafe {
                let filters = job.packed().as_ptr().add(HEADER + group * GROUP);
                let to = job.out().as_mut_ptr().add(from * channels + group * CHANNELS);
                pairs::<I, V>(filters, words, count, zero_point, to, channels);
            }
        }
        from += count;
    }
}

/// `count` columns of 16 channels, two at a time.
///
/// # Safety
/// The processor has the instructions of `I`; each of `words` has `count` words, `to` room for as many columns.
#[inline(always)]
unsafe fn pairs<I: Pixels<V>, const V: usize>(
    filters: *const u8,
    words: [*const u8; WORDS],
    count: usize,
    zero_point: i8,
    to: *mut i8,
    pitch: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let vectors = |i: usize| {
            let mut vectors = [I::zero(); V];
            for b in 0..V {
                vectors[b] = I::load(filters.add(VECTORS * i + I::VECTOR * b));
            }
            vectors
        };
        let mut x = 0;
        while x < count {
            let first = x.min(count - 2);
            let mut sums = [vectors(0); 2];
            for i in 0..WORDS {
                let weights = vectors(2 + i);
                for c in 0..2 {
                    let values = I::splat(words[i].add(WORD * (first + c)));
                    for b in 0..V {
                        sums[c][b] = I::dot(sums[c][b], values, weights[b]);
                    }
                }
            }
            let to = to.add(first * pitch);
            I::requantize_pair(sums, vectors(1), zero_point, [to, to.add(pitch)]);
            x += 2;
        }
    }
}
