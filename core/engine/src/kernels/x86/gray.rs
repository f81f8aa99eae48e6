//! The first layer of a gray image, 3x3 with stride 2, on AVX2: nine taps in five words of two, where rows by themselves take six.
//!
//! Of each row, the first two taps are a word as they lie there. The third taps of the upper rows are brought together in a word, and
//! that of the lower row goes with whatever comes after it, times zero. Both columns and both vectors of channels that are computed
//! together are requantised together.

use super::words::Words;
use crate::kernels::checked::{Covered, Shape, WORD};
use crate::kernels::pack::{HEADER, put, word};
use crate::kernels::vector::{Isa, Job};
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

/// The first byte of filters that are packed so.
pub const FORM: u8 = 64;
const VECTOR: usize = 32;
/// Channels that are computed together.
const CHANNELS: usize = 16;
const WORDS: usize = 5;
/// Columns that are computed from one filling of the buffers, and the words of a buffer.
const COLUMNS: usize = 128;
const ROOM: usize = COLUMNS + 17;
const GROUP: usize = 2 * VECTOR * (2 + WORDS);

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
        put(out, start + 2 * VECTOR, &word(filters.scales, channel).to_le_bytes());
        let taps: [i32; 9] = core::array::from_fn(|i| layer.weight(channel, i));
        let pairs = [[taps[0], taps[1]], [taps[3], taps[4]], [taps[6], taps[7]], [taps[2], taps[5]], [taps[8], 0]];
        for (i, [low, high]) in pairs.into_iter().enumerate() {
            put(out, start + 2 * VECTOR * (2 + i), &(low as i16).to_le_bytes());
            put(out, start + 2 * VECTOR * (2 + i) + 2, &(high as i16).to_le_bytes());
        }
    }
    len
}

/// One output row from filters packed by [`pack`]; false, with nothing written, where the layer or the filters are others.
#[target_feature(enable = "avx2")]
pub fn row(job: &mut Job<'_>) -> bool {
    let (shape, packed) = (job.layer().shape(), job.packed());
    let is_of_this_form = packed.first() == Some(&FORM) && suits(shape) && packed.len() >= len(shape) && job.width() >= 2;
    if is_of_this_form {
        // SAFETY: AVX2 is there; the rest is checked.
        unsafe { columns(job) }
    }
    is_of_this_form
}

/// # Safety
/// AVX2, and what [`row`] checks.
#[target_feature(enable = "avx2")]
unsafe fn columns(job: &mut Job<'_>) {
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
        for x in (0..count).step_by(8) {
            // SAFETY: after a row are 33 zeros, and as much room in the fourth buffer.
            unsafe {
                let [a, b] = [upper, middle].map(|row| _mm256_loadu_si256(row.add(x + 1).cast()));
                let both = _mm256_blend_epi16::<0b1010_1010>(a, _mm256_slli_epi32::<16>(b));
                _mm256_storeu_si256(third.add(x).cast(), both);
            }
        }
        let words = [upper, middle, lower, third, lower.wrapping_add(1)].map(|row| row.cast_const().cast::<u8>());
        for group in 0..channels / CHANNELS {
            // SAFETY: the filters are as long as all groups, the output as all columns.
            unsafe {
                let filters = job.packed().as_ptr().add(HEADER + group * GROUP);
                let to = job.out().as_mut_ptr().add(from * channels + group * CHANNELS);
                pairs(filters, words, count, zero_point, to, channels);
            }
        }
        from += count;
    }
}

/// `count` columns of 16 channels, two at a time.
///
/// # Safety
/// AVX2; each of `words` has `count` words, `to` room for as many columns.
#[target_feature(enable = "avx2")]
unsafe fn pairs(filters: *const u8, words: [*const u8; WORDS], count: usize, zero_point: i8, to: *mut i8, pitch: usize) {
    // SAFETY: the caller's.
    unsafe {
        let vector = |i: usize, b: usize| Words::load(filters.add(VECTOR * (2 * i + b)));
        let zero_point = _mm256_set1_epi16(i16::from(zero_point));
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let column = |x: usize| {
            let mut sums = [vector(0, 0), vector(0, 1)];
            for (i, words) in words.into_iter().enumerate() {
                let values = Words::splat(words.add(WORD * x));
                sums = [Words::dot(sums[0], values, vector(2 + i, 0)), Words::dot(sums[1], values, vector(2 + i, 1))];
            }
            let round = |b: usize| {
                let scale = _mm256_castsi256_ps(vector(1, b));
                _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums[b]), scale))
            };
            _mm256_adds_epi16(_mm256_packs_epi32(round(0), round(1)), zero_point)
        };
        let mut x = 0;
        while x < count {
            let first = x.min(count - 2);
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(column(first), column(first + 1)), order);
            let to = to.add(first * pitch);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes));
            _mm_storeu_si128(to.add(pitch).cast(), _mm256_extracti128_si256::<1>(bytes));
            x += 2;
        }
    }
}
