//! The markers of a JPEG up to its frame header: process, precision, extents, orientation, colour profile.

use image::metadata::Orientation;

/// One component of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) quantisation: usize,
}

/// A frame header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Frame {
    /// The low nibble of its marker: 0 to 15, ITU-T T.81 table B.1.
    pub(super) process: u8,
    /// Bits a sample.
    pub(super) precision: u8,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// Of the segment's payload.
    pub(super) fn read(process: u8, payload: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(usize::from(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?])));
        let count = usize::from(*payload.get(5)?);
        let components = payload.get(6..6 + 3 * count)?.chunks_exact(3).map(|c| Component {
            id: c[0],
            across: usize::from(c[1] >> 4),
            down: usize::from(c[1] & 15),
            quantisation: usize::from(c[2]),
        });
        Some(Self { process, precision: payload[0], height: half(1)?, width: half(3)?, components: components.collect() })
    }

    /// Why the picture cannot be read although it is sound, and the words for it.
    pub(super) fn unread(&self) -> Option<String> {
        let precision = self.precision;
        let sort = match self.process {
            3 => format!("a lossless JPEG of {precision} bits"),
            5..=7 | 13..=15 => "a hierarchical JPEG".to_owned(),
            9..=11 => "a JPEG in arithmetic coding".to_owned(),
            _ if precision != 8 => format!("a JPEG of {precision} bits a sample"),
            _ if !matches!(self.components.len(), 1 | 3 | 4) => format!("a JPEG of {} components", self.components.len()),
            _ => return None,
        };
        let inside = self.process == 3 || precision != 8;
        Some(sort + if inside { ", which is read inside DICOM files alone" } else { ", which is not read here" })
    }

    /// True for progressive coding.
    pub(super) fn is_progressive(&self) -> bool {
        self.process == 2
    }

    /// Bytes that the coefficients of a progressive picture take while it is decoded, two each.
    pub(super) fn coefficients(&self) -> u64 {
        let (across, down) = self.sampling();
        let blocks: usize = self.components.iter().map(|c| c.across * c.down).sum();
        let units = self.width.div_ceil(8 * across) * self.height.div_ceil(8 * down);
        (units * blocks * 64 * 2) as u64
    }

    /// The largest sampling factors.
    pub(super) fn sampling(&self) -> (usize, usize) {
        let largest = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1).max(1);
        (largest(|c| c.across), largest(|c| c.down))
    }
}

/// What stands before the first scan.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Head {
    pub(super) frame: Frame,
    pub(super) orientation: Orientation,
    pub(super) profile: Vec<u8>,
}

impl Head {
    pub(in crate::decode) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Width, height and number of components.
    pub(in crate::decode) fn extent(&self) -> (usize, usize, usize) {
        (self.frame.width, self.frame.height, self.frame.components.len())
    }
}

/// A segment: its marker's second byte, its payload and where the next begins.
pub(super) fn segment(bytes: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    // Bytes between segments are skipped, fill bytes too.
    loop {
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        if bytes[at] != 0 {
            break;
        }
    }
    let marker = bytes[at];
    at += 1;
    if matches!(marker, 0x01 | 0xd0..=0xd9) {
        return Some((marker, &[], at));
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])).max(2);
    Some((marker, bytes.get(at + 2..at + length)?, at + length))
}

/// True for the marker of a frame header.
pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Reads the markers before the first scan.
pub(in crate::decode) fn head(bytes: &[u8]) -> Result<Head, &'static str> {
    let (mut at, mut frame, mut orientation, mut profile) = (2, None, Orientation::NoTransforms, Vec::new());
    while let Some((marker, payload, next)) = segment(bytes, at) {
        at = next;
        match marker {
            0xda | 0xd9 => break,
            0xf7 => return Err("JPEG-LS"),
            _ if is_frame(marker) && frame.is_some() => return Err("it has two frame headers"),
            _ if is_frame(marker) => frame = Frame::read(marker & 15, payload),
            0xe1 => {
                let turn = payload.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
                orientation = turn.unwrap_or(orientation);
            }
            0xe2 => {
                if let Some(piece) = payload.strip_prefix(b"ICC_PROFILE\0").and_then(|piece| piece.get(2..)) {
                    profile.extend_from_slice(piece);
                }
            }
            _ => {}
        }
    }
    let frame = frame.ok_or("it breaks off before its frame header")?;
    if frame.width == 0 || frame.height == 0 || frame.components.is_empty() {
        return Err("its frame header has no extent");
    }
    if frame.components.iter().any(|c| !(1..=4).contains(&c.across) || !(1..=4).contains(&c.down)) {
        return Err("its sampling factors are not possible");
    }
    Ok(Head { frame, orientation, profile })
}
