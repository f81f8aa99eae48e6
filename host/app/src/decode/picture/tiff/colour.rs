//! What the samples of a TIFF's pixels mean.

use super::codec::Codec;
use super::directory::{Directory, tag};
use super::unread::{Unread, damaged, unsupported};

/// What the samples of a pixel mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Gray {
        min_is_white: bool,
    },
    Rgb,
    /// Gray levels of the palette's colours, R, G and B.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr,
}

impl Colour {
    /// Samples that make a colour.
    pub(super) fn channels(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// Of the photometric interpretation, which few writers leave out.
pub(super) fn colour(directory: &Directory<'_>, channels: usize, codec: Codec, bits: u32) -> Result<Colour, Unread> {
    let absent = match channels {
        3 | 4 => 2,
        _ => u64::from(!codec.is_fax()),
    };
    Ok(match directory.value(tag::PHOTOMETRIC).unwrap_or(absent) {
        // A mask is black and white too.
        0 => Colour::Gray { min_is_white: true },
        1 | 4 => Colour::Gray { min_is_white: false },
        2 => Colour::Rgb,
        3 => {
            let size = 1usize << bits.min(16);
            let map = directory.values(tag::COLOR_MAP).unwrap_or_default();
            if map.len() < 3 * size || bits > 16 {
                return damaged("its palette is missing or too short");
            }
            // Some writers fill the 16-bit map with values of 8 bits.
            let shift = if map[..3 * size].iter().all(|value| *value < 256) { 0 } else { 8 };
            let entry = |k: usize| (map[k] >> shift).min(255) as u8;
            Colour::Palette((0..size).map(|k| [entry(k), entry(size + k), entry(2 * size + k)]).collect())
        }
        5 => Colour::Cmyk,
        6 => Colour::YCbCr,
        8..=10 => return unsupported("CIELab colours are not read: convert it to a gray or RGB PNG"),
        32_803 | 34_892 => return unsupported("the raw data of a camera are not read: develop them to PNG or JPEG"),
        32_844 | 32_845 => return unsupported("LogLuv light is not read: convert it to an 8 or 16-bit PNG"),
        other => return unsupported(format!("photometric interpretation {other} is not read: convert it to a gray or RGB PNG")),
    })
}
