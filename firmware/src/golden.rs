//! The golden fixture: a generated image and what onnxruntime makes of it (tests/golden, written by scripts/make_golden.py).

use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};

include!(concat!(env!("OUT_DIR"), "/golden.rs"));

static CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// A running CRC-32 (ISO-HDLC, as in zlib).
pub type Crc32 = Digest<'static, u32, Table<1>>;

/// Starts a CRC-32.
pub fn crc32() -> Crc32 {
    CRC32.digest()
}

/// The generated image, row after row: `x = x * 1664525 + 1013904223 (mod 2^32)`, a pixel is the new `x >> 24`.
pub struct Pixels(u32);

impl Pixels {
    /// The fixture's image from its first pixel.
    pub fn new() -> Self {
        Self(SEED)
    }

    /// Fills a row.
    pub fn fill(&mut self, row: &mut [u8]) {
        for pixel in row {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = (self.0 >> 24) as u8;
        }
    }
}
