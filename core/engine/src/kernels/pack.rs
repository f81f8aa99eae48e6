//! Filters in the order in which a vector kernel reads them, with what the kernel folds into the biases.
//!
//! Output channels are split into blocks of [`Layout::lanes`], one a lane, and blocks into groups whose vectors lie side by side.
//! A group is its biases, its scales (multipliers and shifts in TFLite's arithmetic), then for each window row and each word of taps a vector a block. A word is 32 bits:
//! four int8 taps or two i16 taps of one channel. What lies outside the filters is zero.

use super::checked::{Covered, Shape, WORD};

/// Bytes before the first group: the form of the filters, then nothing, so that vectors stay aligned.
pub const HEADER: usize = 64;

/// Products of a tile under Winograd.
pub const PRODUCTS: usize = 6;

/// Under so many elements a step, transforming the inputs costs more than it saves.
const WINOGRAD_MIN_STEP: usize = 16;

impl Covered<'_> {
    /// Weight `i` of filter `channel`.
    #[inline(always)]
    pub fn weight(&self, channel: usize, i: usize) -> i32 {
        let (weights, at) = (self.filters().weights, channel * self.filter_stride());
        if self.shape().wide {
            let low = weights.get(at + 2 * i).copied().unwrap_or(0);
            let high = weights.get(at + 2 * i + 1).copied().unwrap_or(0);
            i32::from(i16::from_le_bytes([low, high]))
        } else {
            i32::from(weights.get(at + i).copied().unwrap_or(0) as i8)
        }
    }

    /// Largest magnitude of a sum of filter `channel`, bias included.
    pub fn largest(&self, channel: usize) -> i64 {
        let taps = self.shape().height * self.shape().span;
        let sum: i64 = (0..taps).map(|i| i64::from(self.weight(channel, i)).abs()).sum();
        128 * sum + i64::from(word(self.filters().bias, channel)).abs()
    }

    /// True if Winograd's products are fewer and nothing can overflow: three taps a step apart, an even number of channels, weights not large.
    pub fn suits_winograd(&self) -> bool {
        let fits = |channel: usize| 24 * self.largest(channel) < 1 << 31;
        self.shape().has_winograd() && self.shape().step >= WINOGRAD_MIN_STEP && (0..self.shape().channels).all(fits)
    }
}

/// How a kernel wants its filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Lanes of a vector: output channels of a block.
    pub lanes: usize,
    /// Taps in a word: 4 of int8 or 2 of i16.
    pub taps: usize,
    /// Blocks in a group; what is left over forms groups of one.
    pub blocks: usize,
    /// Activations come with their top bit flipped, as 0 to 255: 128 times the sum of the weights goes into the bias.
    pub flipped: bool,
    /// A vector holds the first tap of every lane, then the second; otherwise a lane's taps lie side by side.
    pub tap_major: bool,
    /// Winograd's F(4, 3) along the width: see `winograd.rs`. Blocks are not grouped then.
    pub winograd: bool,
}

impl Layout {
    /// First output channel and number of blocks of each group.
    pub fn groups(self, channels: usize) -> impl Iterator<Item = (usize, usize)> {
        let (blocks, size) = (channels.div_ceil(self.lanes), if self.winograd { 1 } else { self.blocks });
        let whole = blocks / size;
        let grouped = (0..whole).map(move |i| (i * size * self.lanes, size));
        grouped.chain((whole * size..blocks).map(move |block| (block * self.lanes, 1)))
    }

    /// Words of taps in a window row.
    pub const fn words(self, shape: &Shape) -> usize {
        if self.winograd { PRODUCTS.saturating_mul(shape.step / 2) } else { shape.span.div_ceil(self.taps) }
    }

    /// Bytes of a group; the largest number, as of no slice, where they do not fit one.
    pub const fn group_len(self, shape: &Shape, blocks: usize) -> usize {
        let vectors = shape.height.saturating_mul(self.words(shape)).saturating_add(parameters(shape));
        vectors.saturating_mul(blocks * self.lanes * WORD)
    }

    /// Bytes of all groups and the header; the largest number where they do not fit one.
    pub fn len(self, shape: &Shape) -> usize {
        let groups = self.groups(shape.channels).map(|(_, blocks)| self.group_len(shape, blocks));
        groups.fold(HEADER, usize::saturating_add)
    }

    /// [`pack`](Self::pack) if `out` is long enough; the length that it takes.
    pub fn pack_into(self, layer: &Covered<'_>, out: &mut [u8]) -> usize {
        let len = self.len(layer.shape());
        if out.len() >= len {
            self.pack(layer, out);
        }
        len
    }

    /// Writes header and groups into `out`, [`len`](Self::len) bytes or more.
    pub fn pack(self, layer: &Covered<'_>, out: &mut [u8]) {
        let (header, mut rest) = out.split_at_mut_checked(HEADER).unwrap_or_default();
        header.fill(0);
        if let Some(form) = header.first_mut() {
            *form = u8::from(self.winograd);
        }
        for (first, blocks) in self.groups(layer.shape().channels) {
            let (group, after) = rest.split_at_mut_checked(self.group_len(layer.shape(), blocks)).unwrap_or_default();
            self.pack_group(layer, first, blocks, group);
            rest = after;
        }
    }

    /// Writes the group of `blocks` blocks from channel `first` on into `out`, [`group_len`](Self::group_len) bytes.
    #[inline(never)]
    pub fn pack_group(self, layer: &Covered<'_>, first: usize, blocks: usize, out: &mut [u8]) {
        let (shape, filters, vector) = (layer.shape(), layer.filters(), WORD * self.lanes);
        let (words, stride) = (self.words(shape), layer.filter_stride());
        out.fill(0);
        for (lane, channel) in (first..shape.channels).take(blocks * self.lanes).enumerate() {
            let weight = |row: usize, i: usize| layer.weight(channel, row * shape.span + i);
            let mut bias = word(filters.bias, channel);
            if self.flipped {
                let sum: i32 = (0..shape.height * shape.span).map(|i| weight(0, i)).fold(0, i32::wrapping_add);
                bias = bias.wrapping_sub(sum.wrapping_mul(128));
            }
            if self.winograd {
                bias = bias.wrapping_mul(24);
            }
            put(out, lane * WORD, &bias.to_le_bytes());
            put(out, (blocks * self.lanes + lane) * WORD, &word(filters.scales, channel).to_le_bytes());
            if shape.fixed {
                let shift = filters.shifts.get(channel).map_or(0, |shift| i32::from(*shift as i8));
                put(out, (2 * blocks * self.lanes + lane) * WORD, &shift.to_le_bytes());
            }
            let (block, lane) = (lane / self.lanes, lane % self.lanes);
            let at = |row: usize, column: usize| vector * (parameters(shape) * blocks + (row * words + column) * blocks + block);
            if self.winograd {
                for (row, column) in (0..shape.height).flat_map(|row| (0..words).map(move |column| (row, column))) {
                    let tap = |tap| {
                        winograd(shape.step, column % PRODUCTS, column / PRODUCTS * 2 + tap, |i| weight(row, i)).to_le_bytes()
                    };
                    self.put_taps(out, at(row, column), lane, tap);
                }
                continue;
            }
            let (size, zero) = (if shape.wide { 2 } else { 1 }, [0; WORD]);
            let filter = filters.weights.get(channel * stride..).unwrap_or(&[]);
            for (row, weights) in filter.chunks_exact(shape.span * size).take(shape.height).enumerate() {
                for (column, word) in weights.chunks(self.taps * size).enumerate() {
                    let tap = |tap| match word.get(tap * size..(tap + 1) * size) {
                        Some(&[low, high]) => [low, high, 0, 0],
                        Some(&[value]) => i32::from(value as i8).to_le_bytes(),
                        _ => zero,
                    };
                    self.put_taps(out, at(row, column), lane, tap);
                }
            }
        }
    }

    /// Writes the taps of a lane, little-endian, into the vector at byte `at`.
    #[inline(always)]
    fn put_taps(self, out: &mut [u8], at: usize, lane: usize, tap: impl Fn(usize) -> [u8; WORD]) {
        if self.taps == 4 {
            put(out, at + WORD * lane, &[0, 1, 2, 3].map(|i| tap(i)[0]));
            return;
        }
        for i in 0..self.taps {
            let place = if self.tap_major { i * self.lanes + lane } else { lane * self.taps + i };
            let [low, high, ..] = tap(i);
            put(out, at + 2 * place, &[low, high]);
        }
    }
}

/// Columns that a row must have for filters that are packed so.
pub fn least_width(packed: &[u8]) -> usize {
    if packed.first() == Some(&1) { 4 } else { 1 }
}

/// Vectors of a block before its taps: biases, scales, and shifts where there are any.
pub const fn parameters(shape: &Shape) -> usize {
    2 + shape.fixed as usize
}

/// Transformed weight `product` of element `i` of a step.
fn winograd(step: usize, product: usize, i: usize, g: impl Fn(usize) -> i32) -> i32 {
    let (g0, g1, g2) = (g(i), g(step + i), g(2 * step + i));
    match product {
        0 => 6 * g0,
        1 => -4 * (g0 + g1 + g2),
        2 => -4 * (g0 - g1 + g2),
        3 => g0 + 2 * g1 + 4 * g2,
        4 => g0 - 2 * g1 + 4 * g2,
        _ => 24 * g2,
    }
}

pub fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = out.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Word `i` of little-endian words.
pub fn word(bytes: &[u8], i: usize) -> i32 {
    bytes.get(WORD * i..).and_then(|rest| rest.first_chunk()).copied().map_or(0, i32::from_le_bytes)
}
