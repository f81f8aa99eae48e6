//! Where the data set of a file begins and how it is written: preamble, file meta information, transfer syntax.
//!
//! Each of them may be missing or untrue. What the bytes of the data set show outranks what the file declares.

use super::encoding::Encoding;
use crate::decode::refusal::{Kind, Refusal, refuse};
use anyhow::Result;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::{Read, sink};

/// A file with its data set found.
pub(super) struct File<'a> {
    /// The file, or its data set inflated.
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where the data set begins.
    pub(super) start: usize,
    pub(super) encoding: Encoding,
    /// The declared transfer syntax, if any.
    pub(super) syntax: String,
    /// The index of a disc, by the file meta information.
    pub(super) is_directory: bool,
}

/// True for a DICOM file: by its magic, with or without preamble, or by elements that follow each other from the start.
pub(in super::super) fn is_dicom(bytes: &[u8]) -> bool {
    if bytes.get(128..132) == Some(b"DICM") || bytes.starts_with(b"DICM") {
        return true;
    }
    begins(bytes, 0) || has_blank_preamble(bytes)
}

/// True for a preamble of zeros that no magic follows, but a data set.
fn has_blank_preamble(bytes: &[u8]) -> bool {
    bytes.get(..128).is_some_and(|preamble| preamble.iter().all(|byte| *byte == 0)) && begins(bytes, 128)
}

/// True where elements that follow each other begin at `at`.
fn begins(bytes: &[u8], mut at: usize) -> bool {
    let Some(encoding) = Encoding::of(bytes, at) else { return false };
    let mut last = Tag(0, 0);
    for count in 0..3 {
        let Some((tag, vr, len, value)) = encoding.head(bytes, at) else { return false };
        // The meta information, the identification or, where that was left out, patient, acquisition, relations, pixels.
        let first = count > 0 || matches!(tag.group(), 2 | 8 | 0x10 | 0x18 | 0x20 | 0x28);
        if !first || (count > 0 && tag <= last) || vr.is_some() != encoding.explicit {
            return false;
        }
        let end = value.saturating_add(len as usize);
        if end > bytes.len() {
            // A sequence, or pixels, of undefined length.
            return count > 0 && len == u32::MAX;
        }
        (at, last) = (end, tag);
        if at == bytes.len() {
            break;
        }
    }
    true
}

/// Finds the data set; inflates a deflated one within `max_bytes`.
pub(super) fn open<'a>(bytes: &'a [u8], name: &str, max_bytes: u64) -> Result<File<'a>> {
    let damaged =
        |what: &str| Refusal::new(Kind::Damaged, format!("{name}: damaged DICOM file ({what}): replace it or leave it out"));
    let mut at = match bytes {
        _ if bytes.get(128..132) == Some(b"DICM") => 132,
        _ if bytes.starts_with(b"DICM") => 4,
        _ if has_blank_preamble(bytes) => 128,
        _ => 0,
    };
    let mut syntax = String::new();
    let mut is_directory = false;
    // Group 2 is explicit and little endian; its declared length is often wrong.
    let meta = Encoding::of(bytes, at).map_or(Encoding::EXPLICIT, |found| Encoding { big: false, ..found });
    while bytes.get(at..at + 2) == Some(&[2, 0]) {
        let (tag, _, len, start) = meta.head(bytes, at).ok_or_else(|| damaged("file meta information"))?;
        at = start.saturating_add(len as usize);
        let value = bytes.get(start..at).ok_or_else(|| damaged("file meta information"))?;
        let text = || String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned();
        match tag {
            tags::TRANSFER_SYNTAX_UID => syntax = text(),
            tags::MEDIA_STORAGE_SOP_CLASS_UID => is_directory = text() == uids::MEDIA_STORAGE_DIRECTORY_STORAGE,
            _ => {}
        }
    }
    let plain = Encoding::of(bytes, at);
    // Deflated, unless elements can be seen where the deflated stream should begin.
    if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN && !begins(bytes, at) {
        let inflated = inflate(&bytes[at..], name, max_bytes)?;
        let encoding = Encoding::of(&inflated, 0).unwrap_or(Encoding::EXPLICIT);
        return Ok(File { bytes: inflated.into(), start: 0, encoding, syntax, is_directory });
    }
    Ok(File { bytes: bytes.into(), start: at, encoding: plain.unwrap_or(Encoding::IMPLICIT), syntax, is_directory })
}

/// Inflates twice: to learn the length, and into memory of that length.
fn inflate(stream: &[u8], name: &str, max_bytes: u64) -> Result<Vec<u8>> {
    // A few files have the header of zlib or of gzip, although the standard (PS3.5, A.5) has none.
    let open = || -> Box<dyn Read + '_> {
        match stream {
            [0x1F, 0x8B, 8, ..] => Box::new(GzDecoder::new(stream)),
            [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0 => {
                Box::new(ZlibDecoder::new(stream))
            }
            _ => Box::new(DeflateDecoder::new(stream)),
        }
    };
    let length = std::io::copy(&mut open().take(max_bytes + 1), &mut sink());
    let read = length.and_then(|length| {
        if length > max_bytes {
            return Ok((length, Vec::new()));
        }
        let mut inflated = vec![0; length as usize];
        open().read_exact(&mut inflated).map(|()| (length, inflated))
    });
    match read {
        Ok((length, _)) if length > max_bytes => {
            let limit = max_bytes >> 20;
            refuse!(TooLarge, "{name}: its deflated data set is larger than {limit} MiB: save it uncompressed and smaller")
        }
        Ok((_, inflated)) => Ok(inflated),
        Err(error) => refuse!(Damaged, "{name}: damaged deflated DICOM file ({error}): replace it or leave it out"),
    }
}

impl File<'_> {
    /// Bytes that inflating took.
    pub(super) fn owned_bytes(&self) -> u64 {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.len() as u64,
        }
    }
}
