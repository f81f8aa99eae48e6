//! Samples of a frame, what a compressed stream says of itself, and why it gives none.

use std::borrow::Cow;

/// Samples of a frame.
pub(super) struct Samples<'a> {
    pub(super) data: Data<'a>,
    /// Samples a pixel.
    pub(super) components: usize,
    /// One plane a component, not one sample of each a pixel.
    pub(super) planar: bool,
    /// What three components are, where the stream says so.
    pub(super) colour: Option<Colour>,
    /// Values are signed although the header does not say so.
    pub(super) signed: bool,
}

/// Bytes or words of samples.
pub(super) enum Data<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Bytes in big-endian words.
    Swapped(&'a [u8]),
    /// Two bytes a sample; big endian.
    Pairs(Cow<'a, [u8]>, bool),
    /// Four bytes a sample; big endian.
    Fours(Cow<'a, [u8]>, bool),
    Words(Vec<u16>),
}

/// What three components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Rgb,
    /// Luma and chroma of the full range.
    Ybr,
}

/// What a compressed stream says of itself, and what decoding takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: usize,
    /// Bits a sample.
    pub(super) precision: u32,
    /// Bytes of a decoded sample.
    pub(super) sample_bytes: u64,
    /// Bytes at the worst moment of decoding, the samples among them.
    pub(super) peak: u64,
}

impl Plan {
    pub(super) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Bytes of the decoded samples.
    pub(super) fn kept(&self) -> u64 {
        self.pixels().saturating_mul(self.components as u64 * self.sample_bytes)
    }
}

/// Why a stream gives no samples; the caller makes a refusal of it.
pub(super) enum Failure {
    /// Breaks off or contradicts itself.
    Damaged(String),
    /// Sound, of a sort that is not read.
    Unsupported(String),
}

impl Data<'_> {
    /// A sample; 0 beyond the end.
    #[inline]
    pub(super) fn get(&self, i: usize) -> u32 {
        let value = match self {
            Self::Bytes(bytes) => bytes.get(i).map(|byte| u32::from(*byte)),
            Self::Swapped(bytes) => bytes.get(i ^ 1).map(|byte| u32::from(*byte)),
            Self::Words(words) => words.get(i).map(|word| u32::from(*word)),
            Self::Pairs(bytes, big) => bytes.get(2 * i..2 * i + 2).map(|pair| {
                let pair = [pair[0], pair[1]];
                u32::from(if *big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
            }),
            Self::Fours(bytes, big) => bytes.get(4 * i..4 * i + 4).map(|four| {
                let four = [four[0], four[1], four[2], four[3]];
                if *big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
            }),
        };
        value.unwrap_or(0)
    }

    /// The first `count` samples as levels; words are replaced in place.
    pub(super) fn into_levels(self, count: usize, mut level: impl FnMut(u32) -> u16) -> Vec<u16> {
        match self {
            Self::Words(mut words) => {
                words.truncate(count);
                words.iter_mut().for_each(|word| *word = level(u32::from(*word)));
                words
            }
            other => (0..count).map(|i| level(other.get(i))).collect(),
        }
    }

    /// Bits of a sample in memory.
    pub(super) fn bits(&self) -> u32 {
        match self {
            Self::Bytes(_) | Self::Swapped(_) => 8,
            Self::Pairs(..) | Self::Words(_) => 16,
            Self::Fours(..) => 32,
        }
    }
}
