//! Strips and tiles of a TIFF as a stream of their rows' bytes, whatever they are compressed with.
//!
//! Streams, so that a picture in one strip is never in memory as it was stored; JPEG, WebP and fax alone need a whole
//! strip or tile at once.

/// Least and most memory that a stream's own dictionary may take: that of xz's preset 6, and of its largest.
const DICTIONARY: [usize; 2] = [12 << 20, 80 << 20];

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Lzw,
    Deflate,
    PackBits,
    Zstd,
    Lzma,
    /// Modified Huffman without line ends, rows at byte or word boundaries.
    FaxRle {
        words: bool,
    },
    /// Group 3, one- or two-dimensional.
    Fax3 {
        two_dimensional: bool,
    },
    Fax4,
    Jpeg,
    WebP,
}

impl Codec {
    /// Of the Compression and T4Options tags; the name of what is not read.
    pub(super) fn of(compression: u64, t4_options: u64) -> Result<Self, String> {
        Ok(match compression {
            1 => Self::None,
            2 => Self::FaxRle { words: false },
            3 => Self::Fax3 { two_dimensional: t4_options & 1 == 1 },
            4 => Self::Fax4,
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32_946 => Self::Deflate,
            32_771 => Self::FaxRle { words: true },
            32_773 => Self::PackBits,
            34_925 => Self::Lzma,
            50_000 => Self::Zstd,
            50_001 => Self::WebP,
            6 => return Err("old-style JPEG".to_owned()),
            9 | 10 | 34_661 => return Err("JBIG".to_owned()),
            32_766 => return Err("NeXT".to_owned()),
            32_809 => return Err("ThunderScan".to_owned()),
            33_003..=33_005 | 34_712 => return Err("JPEG 2000".to_owned()),
            34_676 | 34_677 => return Err("SGI Log".to_owned()),
            34_887 => return Err("LERC".to_owned()),
            50_002 | 52_546 => return Err("JPEG XL".to_owned()),
            34_892 => return Err("lossy JPEG of DNG".to_owned()),
            other => return Err(format!("number {other}")),
        })
    }

    /// True where a whole strip or tile is in memory at once.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::FaxRle { .. } | Self::Fax3 { .. } | Self::Fax4 | Self::Jpeg | Self::WebP)
    }

    /// Bytes that its state may take for a strip or tile of `bytes`; a dictionary is seldom larger than what it is for.
    pub(super) fn state(self, bytes: usize) -> usize {
        match self {
            Self::Zstd | Self::Lzma => bytes.saturating_mul(2).clamp(DICTIONARY[0], DICTIONARY[1]),
            _ => 128 << 10,
        }
    }

    /// True for codes of single bits.
    pub(super) fn is_fax(self) -> bool {
        matches!(self, Self::FaxRle { .. } | Self::Fax3 { .. } | Self::Fax4)
    }
}

/// The extent of a strip or tile and what its rows are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Samples a pixel, in this strip or tile.
    pub(super) channels: usize,
    /// What they take when they are unpacked.
    pub(super) bytes: usize,
}
