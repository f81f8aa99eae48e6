//! The bytes of a strip or tile, unpacked as they are read.

use super::codec::{Codec, Extent};
use super::fax::fax;
use super::pictures::{jpeg_samples, webp_samples};
use flate2::read::ZlibDecoder;
use std::io::{self, Cursor, Read};

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
