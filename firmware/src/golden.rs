//! The model's name, and the golden fixture: a generated image and what onnxruntime makes of it (tests/golden, written
//! by scripts/make_golden.py). build.rs writes the constants.

include!(concat!(env!("OUT_DIR"), "/golden.rs"));

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
