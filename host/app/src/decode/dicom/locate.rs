//! Where the pixels lie and what codes them.

use super::data_set::{PixelData, items};
use super::element::printable;
use super::encoding::Encoding;
use super::file::File;
use super::header::Header;
use super::rle;
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
        let planes = usize::from(self.samples_per_pixel) * usize::from(self.bits_allocated / 8);
        let shown = |range: &Range<usize>| {
            let stream = &bytes[range.clone()];
            Codec::shown(stream).or_else(|| rle::is_shown(stream, planes).then_some(Codec::Rle))
        };
        if ranges.first().is_some_and(|first| shown(first).is_none()) {
            ranges.remove(0);
        }
        ranges.retain(|range| !range.is_empty());
        let Some(first) = ranges.first() else {
            refuse!(Unsupported, "{name}: this DICOM file holds no pixels: give one with a radiograph")
        };
        // As long as the values themselves: they are not coded at all.
        let length: u64 = ranges.iter().map(|range| range.len() as u64).sum();
        let is_plain = length == expected || length == expected.next_multiple_of(2);
        let declared_name = match syntax::name(&file.syntax) {
            "" => "nothing".to_owned(),
            name => printable(name),
        };
        self.codec = match (shown(first), declared) {
            (Some(shown), _) => shown,
            _ if is_plain => Codec::Native,
            (None, Some(declared)) if declared != Codec::Native => declared,
            (None, Some(_)) if file.syntax.ends_with(".1.98") => Codec::Native,
            (None, Some(_)) => refuse!(
                Unsupported,
                "{name}: its DICOM pixels are compressed although its transfer syntax says {declared_name}: save it uncompressed"
            ),
            (None, None) => refuse!(
                Unsupported,
                "{name}: DICOM pixels stored as {declared_name} are not read: save it uncompressed, as JPEG or as RLE"
            ),
        };
        self.data = ranges;
        Ok(())
    }
}
