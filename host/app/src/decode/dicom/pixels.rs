//! Samples out of their transfer syntax, and the memory that this takes.

use super::file::File;
use super::header::Header;
use super::samples::{Data, Failure, Samples};
use super::syntax::Codec;
use super::{jpeg, jpeg_2000, jpeg_ls, rle};
use crate::decode::refusal::{Kind, Refusal, refuse, too_large};
use anyhow::Result;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The frame's samples; refuses before it decodes what needs more than `max_bytes`.
pub(super) fn decode<'a>(header: &mut Header, file: &'a File<'_>, name: &str, max_bytes: u64) -> Result<Samples<'a>> {
    let (width, height) = (u32::from(header.columns), u32::from(header.rows));
    let pixels = u64::from(width) * u64::from(height);
    // Gray levels of 16 bits are made of the samples.
    let levels = 2 * pixels;
    let total: u64 = header.data.iter().map(|range| range.len() as u64).sum();
    let joined = if header.data.len() == 1 { 0 } else { total };
    let fixed = file.owned_bytes() + joined;
    let expected = header.native_bytes();
    let needed = match header.codec {
        Codec::Native => levels,
        Codec::Rle => expected + levels,
        _ => levels,
    };
    too_large(name, width, height, fixed + needed, max_bytes)?;
    let stream: Cow<'a, [u8]> = match &header.data[..] {
        [range] => Cow::Borrowed(&file.bytes[range.clone()]),
        ranges => {
            let mut joined = Vec::with_capacity(total as usize);
            ranges.iter().for_each(|range| joined.extend_from_slice(&file.bytes[range.clone()]));
            joined.into()
        }
    };
    let broken = || Refusal::new(Kind::Damaged, format!("{name}: its DICOM pixels break off: replace the file or leave it out"));
    match header.codec {
        Codec::Native => return Ok(native(header, stream).ok_or_else(broken)?),
        Codec::Rle => return Ok(rle::decode(header, &stream).ok_or_else(broken)?),
        Codec::JpegXl => {
            refuse!(Unsupported, "{name}: DICOM pixels stored as JPEG XL are not read: save it uncompressed, as JPEG or as RLE")
        }
        _ => {}
    }
    let what = match header.codec {
        Codec::Jpeg => "JPEG",
        Codec::JpegLs => "JPEG-LS",
        _ => "JPEG 2000",
    };
    let refused = |failure: Failure| match failure {
        Failure::Damaged(reason) => {
            Refusal::new(Kind::Damaged, format!("{name}: damaged {what} in a DICOM file ({reason}): replace it or leave it out"))
        }
        Failure::Unsupported(reason) => Refusal::new(
            Kind::Unsupported,
            format!("{name}: {what} in a DICOM file, {reason}, is not read: save it uncompressed"),
        ),
    };
    // Decoders have assertions of their own; a damaged file must be no more than an error.
    let guarded = |work: &mut dyn FnMut() -> std::result::Result<Samples<'a>, Failure>| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Damaged("its decoder gave up".to_owned())))
    };
    let plan = match header.codec {
        Codec::Jpeg => jpeg::plan(&stream),
        Codec::JpegLs => jpeg_ls::plan(&stream),
        _ => jpeg_2000::plan(&stream),
    }
    .map_err(refused)?;
    if (plan.width, plan.height) != (width, height) {
        refuse!(Damaged, "{name}: the {what} in this DICOM file has another size than its header: replace it or leave it out");
    }
    if plan.components != 1 && plan.components != 3 {
        return Err(refused(Failure::Unsupported(format!("of {} components", plan.components))).into());
    }
    too_large(name, width, height, fixed + plan.peak.max(plan.kept() + levels), max_bytes)?;
    // A stream without room below the stored bits has them lowest, whatever the header says.
    if plan.precision < u32::from(header.bits_stored) + header.shift {
        header.shift = 0;
    }
    let samples = guarded(&mut || match header.codec {
        Codec::Jpeg => jpeg::decode(&stream, &plan, header),
        Codec::JpegLs => jpeg_ls::decode(&stream, &plan),
        _ => jpeg_2000::decode(&stream, &plan),
    })
    .map_err(refused)?;
    Ok(samples)
}

/// Uncompressed samples, where they lie.
fn native<'a>(header: &Header, stored: Cow<'a, [u8]>) -> Option<Samples<'a>> {
    let pixels = u64::from(header.rows) * u64::from(header.columns);
    let full = header.native_bytes();
    // Chroma for every second pixel, unless the file is as long as with all of it.
    let halved = header.photometric.ends_with("_422") && (stored.len() as u64) < full;
    let expected = if halved { pixels.next_multiple_of(2) * 2 } else { full };
    if (stored.len() as u64) < expected {
        return None;
    }
    let stored = match stored {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..expected.next_multiple_of(2).min(bytes.len() as u64) as usize]),
        owned => owned,
    };
    let data = match (header.bits_allocated, stored) {
        (16, bytes) => Data::Pairs(bytes, header.big),
        (32, bytes) => Data::Fours(bytes, header.big),
        // Words are swapped, samples of eight bits in them too (PS3.5, A.3).
        (_, Cow::Borrowed(bytes)) if header.big && header.words => Data::Swapped(bytes),
        (_, bytes) => Data::Bytes(bytes),
    };
    let components = if halved { 2 } else { usize::from(header.samples_per_pixel) };
    Some(Samples { data, components, planar: header.planar && !halved, colour: None, signed: false })
}
