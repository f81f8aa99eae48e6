//! Strips of bits as fax machines write them.

use super::codec::{Codec, Extent};
use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};

/// Rows of bits, ink 1.
struct Rows {
    width: usize,
    stride: usize,
    bits: Vec<u8>,
    rows: usize,
}

impl hayro_ccitt::Decoder for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        if self.rows == 0 {
            return;
        }
        self.rows -= 1;
        let start = self.bits.len();
        self.bits.resize(start + self.stride, 0);
        for ink in changes.chunks(2) {
            let from = (ink[0] as usize).min(self.width);
            let to = ink.get(1).map_or(self.width, |to| (*to as usize).min(self.width));
            for x in from..to {
                self.bits[start + x / 8] |= 0x80 >> (x % 8);
            }
        }
    }
}

/// The rows of a strip, eight pixels a byte.
pub(super) fn fax(codec: Codec, stored: &[u8], extent: Extent) -> Result<Vec<u8>, String> {
    let stride = extent.width.div_ceil(8);
    let mut rows = Rows { width: extent.width, stride, bits: Vec::with_capacity(stride * extent.rows), rows: extent.rows };
    let settings = DecodeSettings {
        columns: extent.width as u32,
        rows: extent.rows as u32,
        end_of_block: !matches!(codec, Codec::FaxRle { .. }),
        end_of_line: matches!(codec, Codec::Fax3 { .. }),
        rows_are_byte_aligned: matches!(codec, Codec::FaxRle { .. }),
        encoding: match codec {
            Codec::Fax4 => EncodingMode::Group4,
            Codec::Fax3 { two_dimensional: true } => EncodingMode::Group3_2D,
            _ => EncodingMode::Group3_1D,
        },
        strict: false,
    };
    hayro_ccitt::decode(stored, &mut rows, &mut DecoderContext::new(settings)).map_err(|error| format!("{error:?}"))?;
    // Group 4 may leave out white rows at the end.
    if codec == Codec::Fax4 {
        rows.bits.resize(stride * extent.rows, 0);
    }
    Ok(rows.bits)
}
