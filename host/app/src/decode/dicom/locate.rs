//! Where the pixels lie and what codes them.

use super::data_set::{PixelData, items};
use super::element::printable;
use super::encoding::Encoding;
use super::file::File;
use super::header::Header;
use super::syntax::{self, Codec};
use crate::decode::refusal::refuse;
use anyhow::Result;
use std::ops::Range;

impl Header {
    /// Finds the stream or the values of the frame, and what codes them: the bytes say so, not the declared syntax.
    pub(super) fn locate(&mut self, file: &File<'_>, pixels: PixelData, is_document: bool, name: &str) -> Result<()> {
        let bytes = &file.bytes;
        let declared = if file.syntax.is_empty() { Some(Codec::Native) } else { Codec::of(&file.syntax) };
        let expected = self.native_bytes();
        let mut ranges = match pixels {
            PixelData::Float => refuse!(
                Unsupported,
                "{name}: floating-point DICOM pixels have no black and white: export it as MONOCHROME2 of 8 or 16 bits"
            ),
            PixelData::None if is_document => {
                refuse!(Unsupported, "{name}: this DICOM file holds no pixels but a document: give one with a radiograph")
            }
            PixelData::None => refuse!(Unsupported, "{name}: this DICOM file holds no pixels: give one with a radiograph"),
            PixelData::Items(items) => items,
            PixelData::Value(range, words) => {
                self.words = words;
                // A stream, or items of one, in a value of defined length.
                let value = &bytes[range.clone()];
                let cut = (range.len() as u64) < expected;
                let coded = Codec::shown(value).is_some() || value.starts_with(&[0xfe, 0xff, 0, 0xe0]);
                if !(coded && (cut || declared != Some(Codec::Native))) {
                    self.data = vec![range];
                    return Ok(());
                }
                if value.starts_with(&[0xfe, 0xff]) {
                    let (items, _) = items(value, 0, Encoding::EXPLICIT).unwrap_or_default();
                    items.into_iter().map(|item| item.start + range.start..item.end + range.start).collect()
                } else {
                    self.data = vec![range.clone()];
                    self.codec = Codec::shown(value).unwrap_or(Codec::Jpeg);
                    return Ok(());
                }
            }
        };
        // The first item is the offset table, of no use to a single frame; some files leave it out.
        let is_stream = |range: &Range<usize>| Codec::shown(&bytes[range.clone()]).is_some();
        if ranges.first().is_some_and(|first| !is_stream(first)) {
            ranges.remove(0);
        }
        ranges.retain(|range| !range.is_empty());
        let Some(first) = ranges.first() else {
            refuse!(Unsupported, "{name}: this DICOM file holds no pixels: give one with a radiograph")
        };
        self.codec = match (Codec::shown(&bytes[first.clone()]), declared) {
            (Some(shown), _) => shown,
            (None, Some(declared)) if declared != Codec::Native => declared,
            (None, Some(_)) if file.syntax.ends_with(".1.98") => Codec::Native,
            (None, Some(_)) => refuse!(
                Unsupported,
                "{name}: its pixels are compressed although its transfer syntax says {}: save it uncompressed",
                syntax::name(&file.syntax)
            ),
            (None, None) => refuse!(
                Unsupported,
                "{name}: DICOM pixels stored as {} are not read: save it uncompressed, as JPEG or as RLE",
                syntax::name(&printable(&file.syntax))
            ),
        };
        self.data = ranges;
        Ok(())
    }
}
