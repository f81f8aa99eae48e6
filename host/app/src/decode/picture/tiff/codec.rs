//! Strips and tiles of a TIFF as a stream of their rows' bytes, whatever they are compressed with.
//!
//! Streams, so that a picture in one strip is never in memory as it was stored; JPEG, WebP and fax alone need a whole
//! strip or tile at once.

use super::super::{jpeg, webp};
use flate2::read::ZlibDecoder;
use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use std::io::{self, Cursor, Read};

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

/// The rows' bytes of `stored`; bits of each byte from the last to the first where they are `reversed`.
pub(super) fn stream<'a>(
    codec: Codec,
    stored: &'a [u8],
    reversed: bool,
    extent: Extent,
    tables: Option<&[u8]>,
) -> Result<Box<dyn Read + 'a>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let raw: Box<dyn Read + 'a> = if reversed { Box::new(Reversed(stored)) } else { Box::new(stored) };
    Ok(match codec {
        Codec::None => raw,
        Codec::Lzw => Box::new(Lzw::new(raw)),
        Codec::Deflate => Box::new(ZlibDecoder::new(raw)),
        Codec::PackBits => Box::new(PackBits { inner: raw, literal: 0, repeat: 0, byte: 0 }),
        Codec::Zstd => {
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(raw, codec.state(extent.bytes) as u64 / 2);
            Box::new(decoder.map_err(|error| text(&error))?)
        }
        Codec::Lzma => Box::new(lzma_rust2::XzReader::new_mem_limit(raw, true, (codec.state(extent.bytes) >> 10) as u32)),
        Codec::FaxRle { .. } | Codec::Fax3 { .. } | Codec::Fax4 => {
            let turned: Vec<u8>;
            let stored = if reversed {
                turned = stored.iter().map(|byte| byte.reverse_bits()).collect();
                &turned
            } else {
                stored
            };
            Box::new(Cursor::new(fax(codec, stored, extent)?))
        }
        Codec::Jpeg => Box::new(Cursor::new(jpeg_samples(stored, extent, tables)?)),
        Codec::WebP => Box::new(Cursor::new(webp_samples(stored, extent)?)),
    })
}

/// Bytes with their bits turned round: FillOrder 2.
struct Reversed<'a>(&'a [u8]);

impl Read for Reversed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(out)?;
        out[..count].iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        Ok(count)
    }
}

/// TIFF's LZW.
struct Lzw<R> {
    inner: R,
    decoder: weezl::decode::Decoder,
    buffer: Vec<u8>,
    /// Unread bytes of the buffer.
    from: usize,
    to: usize,
}

impl<R: Read> Lzw<R> {
    fn new(inner: R) -> Self {
        let decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
        Self { inner, decoder, buffer: vec![0; 16 << 10], from: 0, to: 0 }
    }
}

impl<R: Read> Read for Lzw<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.from == self.to {
                (self.from, self.to) = (0, self.inner.read(&mut self.buffer)?);
            }
            let ended = self.from == self.to;
            let result = self.decoder.decode_bytes(&self.buffer[self.from..self.to], out);
            self.from += result.consumed_in;
            match result.status {
                Ok(_) if result.consumed_out > 0 => return Ok(result.consumed_out),
                Ok(weezl::LzwStatus::Done) => return Ok(0),
                Ok(_) if ended => return Ok(0),
                Ok(weezl::LzwStatus::Ok) => {}
                // No progress although there is input: nothing more will come.
                Ok(weezl::LzwStatus::NoProgress) => return Ok(0),
                Err(_) if result.consumed_out > 0 => return Ok(result.consumed_out),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
            }
        }
    }
}

/// Apple's PackBits: TIFF 6.0 section 9.
struct PackBits<R> {
    inner: R,
    literal: usize,
    repeat: usize,
    byte: u8,
}

impl<R: Read> Read for PackBits<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut byte = [0];
        loop {
            if self.repeat > 0 {
                let count = self.repeat.min(out.len());
                out[..count].fill(self.byte);
                self.repeat -= count;
                return Ok(count);
            }
            if self.literal > 0 {
                let count = self.literal.min(out.len());
                let count = self.inner.read(&mut out[..count])?;
                self.literal -= count;
                return Ok(count);
            }
            if self.inner.read(&mut byte)? == 0 {
                return Ok(0);
            }
            match byte[0] as i8 {
                -128 => {}
                length @ 0.. => self.literal = length as usize + 1,
                length => {
                    self.repeat = 1 + usize::from(length.unsigned_abs());
                    self.inner.read_exact(&mut byte)?;
                    self.byte = byte[0];
                }
            }
        }
    }
}

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

fn fax(codec: Codec, stored: &[u8], extent: Extent) -> Result<Vec<u8>, String> {
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

/// The stored components of a JPEG strip or tile, no colour converted.
fn jpeg_samples(stored: &[u8], extent: Extent, tables: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let joined: Vec<u8>;
    let whole = match tables {
        // The tables' stream without its end, the strip's without its start.
        Some(tables) if tables.len() > 4 && stored.len() > 2 => {
            let tables = tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(tables);
            joined = [tables, &stored[2..]].concat();
            &joined
        }
        _ => stored,
    };
    let head = jpeg::head(whole).map_err(str::to_owned)?;
    match jpeg::health(whole, head.frame()) {
        jpeg::Health::Torn { what, .. } | jpeg::Health::Coarse { what } => return Err(what.to_owned()),
        _ => {}
    }
    let (width, height, channels) = head.extent();
    let samples = width * height * channels;
    if width != extent.width || height < extent.rows || channels != extent.channels || samples > extent.bytes {
        return Err("a strip or tile has another size than its header".to_owned());
    }
    jpeg::components(whole, samples)
}

fn webp_samples(stored: &[u8], extent: Extent) -> Result<Vec<u8>, String> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(stored)).map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let (width, height) = (width as usize, height as usize);
    let fits = width == extent.width && height >= extent.rows && width * height * extent.channels <= extent.bytes;
    if !fits || !matches!(extent.channels, 3 | 4) || !webp::frames_fit(stored, width, height) {
        return Err("a strip or tile has another size than its header".to_owned());
    }
    let mut samples = vec![0; width * height * channels];
    decoder.read_image(&mut samples).map_err(|error| error.to_string())?;
    // libwebp leaves an alpha that is opaque everywhere away.
    if channels < extent.channels {
        return Ok(samples.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect());
    }
    if channels > extent.channels {
        return Ok(samples.chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect());
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut stream: impl Read) -> Vec<u8> {
        let mut out = Vec::new();
        stream.read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn pack_bits_is_that_of_the_specification() {
        let stored = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa, 0x80];
        let packed = PackBits { inner: &stored[..], literal: 0, repeat: 0, byte: 0 };
        let expected = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        assert_eq!(all(packed), expected);
        assert_eq!(all(Reversed(&[1, 0x80, 0xf0])), [0x80, 1, 0x0f]);
    }

    #[test]
    fn lzw_is_read_in_pieces() {
        let plain: Vec<u8> = (0..100_000u32).map(|k| (k / 7 % 251) as u8).collect();
        let stored = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&plain).unwrap();
        assert_eq!(all(Lzw::new(&stored[..])), plain);
        assert!(all(Lzw::new(&stored[..stored.len() / 2])).len() < plain.len());
    }
}
