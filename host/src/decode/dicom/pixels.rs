//! Pixel bytes out of their transfer syntax.

use super::super::{Kind, Refusal, refuse};
use super::header::{Header, Syntax};
use anyhow::Result;
use jpeg_decoder::{ColorTransform, Decoder};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The frame's bytes: samples of one or two little-endian bytes, as long as the header says.
pub(super) fn decode(header: &Header, bytes: &[u8], name: &str) -> Result<Vec<u8>> {
    let samples = usize::from(header.rows) * usize::from(header.columns) * usize::from(header.samples_per_pixel);
    let expected = samples * usize::from(header.bits_allocated / 8);
    let fragments = header.data.iter().map(|range| &bytes[range.clone()]);
    let stored: Cow<'_, [u8]> = if header.data.len() == 1 {
        Cow::Borrowed(&bytes[header.data[0].clone()])
    } else {
        fragments.flatten().copied().collect::<Vec<_>>().into()
    };
    let mut raw = match header.syntax {
        Syntax::Little | Syntax::Big => stored.get(..expected).map(<[u8]>::to_vec),
        Syntax::Rle => rle(header, &stored),
        Syntax::Jpeg => jpeg(header, &stored, name)?,
    }
    .ok_or_else(|| {
        Refusal::new(Kind::Damaged, format!("{name}: its DICOM pixels break off: replace the file or leave it out"))
    })?;
    if header.syntax == Syntax::Big && header.bits_allocated == 16 {
        raw.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    Ok(raw)
}

/// Stored values, sign extended, without the bits above those stored.
pub(super) fn samples(header: &Header, raw: &[u8]) -> Vec<i32> {
    let unused = 32 - u32::from(header.bits_stored);
    let value = |stored: u16| {
        let high = u32::from(stored) << unused;
        if header.signed { (high as i32) >> unused } else { (high >> unused) as i32 }
    };
    if header.bits_allocated == 16 {
        raw.chunks_exact(2).map(|pair| value(u16::from_le_bytes([pair[0], pair[1]]))).collect()
    } else {
        raw.iter().map(|byte| value(u16::from(*byte))).collect()
    }
}

/// Three planes to three samples a pixel.
pub(super) fn interleave(planes: &[u8]) -> Vec<u8> {
    let size = planes.len() / 3;
    (0..size).flat_map(|i| [planes[i], planes[size + i], planes[2 * size + i]]).collect()
}

/// PackBits segments, one a byte plane, the high bytes first (PS3.5, annex G).
fn rle(header: &Header, stored: &[u8]) -> Option<Vec<u8>> {
    let word = |i: usize| Some(u32::from_le_bytes(stored.get(4 * i..4 * i + 4)?.try_into().ok()?) as usize);
    let (pixels, bytes) = (usize::from(header.rows) * usize::from(header.columns), usize::from(header.bits_allocated / 8));
    let planes = usize::from(header.samples_per_pixel) * bytes;
    if word(0)? != planes || planes > 15 {
        return None;
    }
    let mut out = vec![0; pixels * planes];
    for plane in 0..planes {
        let (start, end) = (word(1 + plane)?, if plane + 1 < planes { word(2 + plane)? } else { stored.len() });
        // Planes of a sample run from its high byte; samples keep their order.
        let first = plane / bytes * bytes + (bytes - 1 - plane % bytes);
        let mut targets = out.iter_mut().skip(first).step_by(planes);
        let (mut rest, mut written) = (stored.get(start..end)?, 0);
        while written < pixels {
            let (&count, tail) = rest.split_first()?;
            let (run, length, used): (&[u8], _, _) = match count as i8 {
                -128 => (&[], 0, 0),
                n if n >= 0 => (tail.get(..=n as usize)?, n as usize + 1, n as usize + 1),
                n => (tail.get(..1)?, 1 + usize::from(n.unsigned_abs()), 1),
            };
            for value in run.iter().cycle().take(length) {
                if let Some(target) = targets.next() {
                    *target = *value;
                }
            }
            written += length;
            rest = &tail[used..];
        }
    }
    Some(out)
}

/// A JPEG stream whose size must be the header's.
fn jpeg(header: &Header, stored: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let read = || -> std::result::Result<_, jpeg_decoder::Error> {
        let mut decoder = Decoder::new(stored);
        if header.photometric == "RGB" {
            decoder.set_color_transform(ColorTransform::RGB);
        }
        decoder.read_info()?;
        let info = decoder.info();
        // Not decoded where it claims other extents than were checked.
        let fits = info.is_some_and(|info| {
            (info.width, info.height) == (header.columns, header.rows)
                && (info.pixel_format.pixel_bytes() == 3) == (header.samples_per_pixel == 3)
        });
        if !fits {
            return Ok(None);
        }
        let pixels = decoder.decode()?;
        Ok(info.map(|info| (pixels, info.pixel_format.pixel_bytes())))
    };
    // The decoder has assertions of its own; a damaged file must be no more than an error.
    let (pixels, size) = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(Some(pixels))) => pixels,
        Ok(Ok(None)) => {
            refuse!(Damaged, "{name}: the JPEG in this DICOM file has another size than its header: replace it or leave it out")
        }
        Ok(Err(error)) => refuse!(Damaged, "{name}: damaged JPEG in a DICOM file ({error}): replace it or leave it out"),
        Err(_) => refuse!(Damaged, "{name}: damaged JPEG in a DICOM file: replace it or leave it out"),
    };
    // Samples come as bytes up to 8 bits and as native words above; the header may allocate 16 for either.
    Ok(Some(match (size, header.bits_allocated) {
        (2, 16) => pixels.chunks_exact(2).flat_map(|pair| u16::from_ne_bytes([pair[0], pair[1]]).to_le_bytes()).collect(),
        (1, 16) => pixels.iter().flat_map(|byte| [*byte, 0]).collect(),
        (2, _) => return Ok(None),
        _ => pixels,
    }))
}
