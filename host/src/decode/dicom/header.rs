//! The elements of a DICOM data set that describe pixels.

use super::super::{Kind, Refusal, refuse};
use anyhow::Result;
use dicom_core::header::Header as _;
use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::io::Cursor;
use std::ops::Range;

/// How the pixels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Uncompressed, little endian.
    Little,
    /// Uncompressed, big endian.
    Big,
    /// JPEG: baseline, extended or lossless.
    Jpeg,
    /// Run lengths.
    Rle,
}

impl Syntax {
    fn of(uid: &str) -> Option<Self> {
        Some(match uid {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => Self::Little,
            "1.2.840.10008.1.2.2" => Self::Big,
            uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => Self::Jpeg,
            uids::RLE_LOSSLESS => Self::Rle,
            _ => return None,
        })
    }

    /// True if the pixels lie there as they are.
    pub(super) fn is_native(self) -> bool {
        matches!(self, Self::Little | Self::Big)
    }

    /// True for JPEG.
    pub(super) fn is_jpeg(self) -> bool {
        self == Self::Jpeg
    }
}

/// A look-up table of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Stored value of the first entry.
    pub(super) first: i32,
    /// Bits of an entry.
    pub(super) bits: u32,
    /// The entries, by stored value.
    pub(super) values: Vec<u16>,
}

/// What is needed to turn the pixels into gray levels.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) syntax: Syntax,
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) samples_per_pixel: u16,
    pub(super) photometric: String,
    /// Three planes rather than three samples a pixel.
    pub(super) planar: bool,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) signed: bool,
    pub(super) padding: Option<i32>,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    /// Centre, width and name of each window.
    pub(super) windows: Vec<(f64, f64, String)>,
    /// LINEAR, LINEAR_EXACT or SIGMOID.
    pub(super) function: String,
    pub(super) modality_table: Option<Table>,
    pub(super) voi_table: Option<Table>,
    /// Where the pixels, or the fragments of them, lie in the file.
    pub(super) data: Vec<Range<usize>>,
}

/// Longest value read of any element but a table: windows and their names are short.
const MAX_VALUE: u32 = 4096;
/// Longest look-up table in bytes: 2^16 entries of two bytes.
const MAX_TABLE: u32 = 1 << 17;
/// Deepest nesting followed.
const MAX_DEPTH: usize = 32;

impl Header {
    /// Walks the data set up to its pixels and checks what it says.
    pub(super) fn read(bytes: &[u8], name: &str) -> Result<Self> {
        let damaged =
            |what: &str| Refusal::new(Kind::Damaged, format!("{name}: damaged DICOM file ({what}): replace it or leave it out"));
        let (uid, start) = meta(bytes).ok_or_else(|| damaged("file meta information"))?;
        let Some(syntax) = Syntax::of(uid) else {
            let known = TransferSyntaxRegistry.get(uid).map_or(uid, |syntax| syntax.name());
            refuse!(Unsupported, "{name}: DICOM pixels stored as {known} are not read: save it uncompressed, as JPEG or as RLE");
        };
        let description = TransferSyntaxRegistry.get(uid).ok_or_else(|| damaged("transfer syntax"))?;
        let mut header = Self::empty(syntax);
        let mut frames = 1;
        let mut cursor = Cursor::new(bytes);
        cursor.set_position(start as u64);
        let mut reader = LazyDataSetReader::new_with_ts(cursor, description).map_err(|error| damaged(&error.to_string()))?;
        let mut depth = 0usize;
        let mut table = None::<(Tag, Table)>;
        let mut fragments = None::<usize>;
        while let Some(token) = reader.advance() {
            let token = token.map_err(|error| damaged(&error.to_string()))?;
            match token {
                LazyDataToken::SequenceStart { tag, .. } => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(damaged("nested too deeply").into());
                    }
                    if depth == 1 && (tag == tags::MODALITY_LUT_SEQUENCE || tag == tags::VOILUT_SEQUENCE) {
                        table = Some((tag, Table::default()));
                    }
                }
                LazyDataToken::SequenceEnd if fragments.is_some() => break,
                LazyDataToken::SequenceEnd => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        header.keep(table.take());
                    }
                }
                LazyDataToken::PixelSequenceStart => fragments = Some(0),
                // The first item is the offset table, of no use to a single frame.
                LazyDataToken::LazyItemValue { len, decoder } => {
                    let range = range(decoder.position(), len, bytes).ok_or_else(|| damaged("its pixels break off"))?;
                    decoder.skip_bytes(len).map_err(|error| damaged(&error.to_string()))?;
                    if fragments.is_some_and(|count| count > 1) {
                        header.data.push(range);
                    }
                }
                LazyDataToken::ItemStart { len } => {
                    if let Some(count) = &mut fragments {
                        *count += 1;
                        if *count > 1 && len.get() == Some(0) {
                            header.data.push(0..0);
                        }
                    }
                }
                LazyDataToken::LazyValue { header: element, decoder } => {
                    let (tag, len) = (element.tag(), element.len.get().unwrap_or(u32::MAX));
                    let range = range(decoder.position(), len, bytes).ok_or_else(|| damaged("a value breaks off"))?;
                    if depth == 0 && tag == tags::PIXEL_DATA {
                        header.data.push(range);
                        break;
                    }
                    let wanted = match (&table, depth) {
                        (None, 0) => tag.group() == 0x0028 && len <= MAX_VALUE,
                        // Only the first item counts.
                        (Some((_, table)), 1) => {
                            (tag == tags::LUT_DESCRIPTOR || tag == tags::LUT_DATA) && len <= MAX_TABLE && table.values.is_empty()
                        }
                        _ => false,
                    };
                    if !wanted {
                        decoder.skip_bytes(len).map_err(|error| damaged(&error.to_string()))?;
                        continue;
                    }
                    // Tables are 16-bit words whatever their declared kind.
                    if let Some((_, table)) = &mut table {
                        decoder.skip_bytes(len).map_err(|error| damaged(&error.to_string()))?;
                        table.take(tag, &words(&bytes[range], syntax), element.vr() == VR::SS);
                    } else {
                        let value = decoder.read_value_preserved(&element).map_err(|error| damaged(&error.to_string()))?;
                        header.take(tag, &value, &mut frames);
                    }
                }
                LazyDataToken::ElementHeader(_) | LazyDataToken::ItemEnd => {}
                _ => return Err(damaged("an unknown token").into()),
            }
        }
        header.check(frames, name)?;
        Ok(header)
    }

    fn empty(syntax: Syntax) -> Self {
        Self {
            syntax,
            rows: 0,
            columns: 0,
            samples_per_pixel: 1,
            photometric: String::new(),
            planar: false,
            bits_allocated: 0,
            bits_stored: 0,
            signed: false,
            padding: None,
            slope: 1.0,
            intercept: 0.0,
            windows: Vec::new(),
            function: "LINEAR".to_owned(),
            modality_table: None,
            voi_table: None,
            data: Vec::new(),
        }
    }

    fn take(&mut self, tag: Tag, value: &PrimitiveValue, frames: &mut u32) {
        let short = || value.to_int::<u16>().unwrap_or(0);
        let text = || value.to_str().trim_matches([' ', '\0']).to_owned();
        match tag {
            tags::ROWS => self.rows = short(),
            tags::COLUMNS => self.columns = short(),
            tags::SAMPLES_PER_PIXEL => self.samples_per_pixel = short(),
            tags::PHOTOMETRIC_INTERPRETATION => self.photometric = text(),
            tags::PLANAR_CONFIGURATION => self.planar = short() == 1,
            tags::NUMBER_OF_FRAMES => *frames = value.to_int().unwrap_or(1),
            tags::BITS_ALLOCATED => self.bits_allocated = short(),
            tags::BITS_STORED => self.bits_stored = short(),
            tags::PIXEL_REPRESENTATION => self.signed = short() == 1,
            tags::PIXEL_PADDING_VALUE => self.padding = value.to_int().ok(),
            tags::RESCALE_SLOPE => self.slope = value.to_float64().ok().filter(|v| v.is_finite() && *v != 0.0).unwrap_or(1.0),
            tags::RESCALE_INTERCEPT => self.intercept = value.to_float64().ok().filter(|v| v.is_finite()).unwrap_or(0.0),
            tags::VOILUT_FUNCTION => self.function = text(),
            tags::WINDOW_CENTER | tags::WINDOW_WIDTH => {
                for (i, number) in value.to_multi_float64().unwrap_or_default().into_iter().enumerate().take(16) {
                    let window = self.window(i);
                    if tag == tags::WINDOW_CENTER { window.0 = number } else { window.1 = number }
                }
            }
            tags::WINDOW_CENTER_WIDTH_EXPLANATION => {
                for (i, name) in value.to_multi_str().iter().enumerate().take(16) {
                    self.window(i).2 = name.trim_matches([' ', '\0']).chars().filter(|c| !c.is_control()).take(40).collect();
                }
            }
            _ => {}
        }
    }

    fn window(&mut self, i: usize) -> &mut (f64, f64, String) {
        while self.windows.len() <= i {
            self.windows.push((f64::NAN, f64::NAN, String::new()));
        }
        &mut self.windows[i]
    }

    fn keep(&mut self, table: Option<(Tag, Table)>) {
        match table {
            Some((tags::MODALITY_LUT_SEQUENCE, table)) if !table.values.is_empty() => self.modality_table = Some(table),
            Some((_, table)) if !table.values.is_empty() => self.voi_table = Some(table),
            _ => {}
        }
    }

    fn check(&mut self, frames: u32, name: &str) -> Result<()> {
        let (bits, samples) = (self.bits_allocated, self.samples_per_pixel);
        if self.data.is_empty() {
            refuse!(Unsupported, "{name}: this DICOM file holds no pixels: give one with a radiograph");
        }
        if frames > 1 {
            refuse!(Unsupported, "{name}: a DICOM file of {frames} frames: export the one frame to classify");
        }
        match (self.photometric.as_str(), samples) {
            ("MONOCHROME1" | "MONOCHROME2", 1) if bits == 8 || bits == 16 => {}
            ("RGB" | "YBR_FULL" | "YBR_FULL_422", 3) if bits == 8 => {}
            (kind, _) => {
                refuse!(
                    Unsupported,
                    "{name}: DICOM pixels of {samples} x {bits} bits, {kind:?}: export it as MONOCHROME2 of 8 or 16 bits"
                )
            }
        }
        self.bits_stored = if self.bits_stored == 0 { bits } else { self.bits_stored };
        if self.bits_stored > bits {
            refuse!(Damaged, "{name}: {} bits stored in {bits} of a DICOM file: replace it or leave it out", self.bits_stored);
        }
        // Windows without a centre or a usable width mean nothing.
        self.windows.retain(|(centre, width, _)| centre.is_finite() && width.is_finite() && *width > 0.0);
        Ok(())
    }
}

impl Table {
    fn take(&mut self, tag: Tag, words: &[u16], signed: bool) {
        if tag == tags::LUT_DESCRIPTOR {
            if let [_, first, bits] = words {
                self.first = if signed { i32::from(*first as i16) } else { i32::from(*first) };
                self.bits = u32::from(*bits);
            }
        } else {
            self.values = words.to_vec();
        }
    }
}

/// `len` bytes from `position`, if the file has them.
fn range(position: u64, len: u32, bytes: &[u8]) -> Option<Range<usize>> {
    let start = usize::try_from(position).ok()?;
    let end = start.checked_add(len as usize)?;
    (end <= bytes.len()).then_some(start..end)
}

fn words(bytes: &[u8], syntax: Syntax) -> Vec<u16> {
    let word = |pair: &[u8]| match (syntax, pair) {
        (Syntax::Big, [a, b]) => u16::from_be_bytes([*a, *b]),
        (_, [a, b]) => u16::from_le_bytes([*a, *b]),
        _ => 0,
    };
    bytes.chunks_exact(2).map(word).collect()
}

/// Transfer syntax and the start of the data set: group 2 is always explicit and little endian.
fn meta(bytes: &[u8]) -> Option<(&str, usize)> {
    let mut at = 132;
    let mut syntax = None;
    while bytes.get(at..at + 2)? == [2, 0] {
        let element = u16::from_le_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?);
        let long = matches!(bytes.get(at + 4..at + 6)?, b"OB" | b"OW" | b"SQ" | b"UN" | b"UT" | b"OF" | b"OD" | b"UC" | b"UR");
        let (start, len) = if long {
            (at + 12, u32::from_le_bytes(bytes.get(at + 8..at + 12)?.try_into().ok()?) as usize)
        } else {
            (at + 8, usize::from(u16::from_le_bytes(bytes.get(at + 6..at + 8)?.try_into().ok()?)))
        };
        at = start.checked_add(len)?;
        let value = bytes.get(start..at)?;
        if element == 0x0010 {
            syntax = Some(std::str::from_utf8(value).ok()?.trim_end_matches(['\0', ' ']));
        }
    }
    Some((syntax?, at))
}
