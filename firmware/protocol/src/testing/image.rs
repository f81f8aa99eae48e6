//! Images of noise with what a session makes of them.

extern crate std;

use super::Numbers;
use crate::message::{Begin, Format, Window};
use cxr_core::explain;
use cxr_core::format::Model;
use cxr_core::image::{Resizer, Row};
use cxr_core::session::Session;
use std::vec;
use std::vec::Vec;

/// Width and height of the input of [`MODEL`](super::MODEL).
pub const WIDTH: usize = 16;

/// An image of noise.
#[derive(Clone, Debug)]
pub struct Image {
    /// What announces it.
    pub begin: Begin,
    /// Its bytes.
    pub pixels: Vec<u8>,
    /// Bytes in a frame.
    pub chunk: usize,
}

impl Image {
    /// Noise from a seed.
    pub fn new(width: u16, height: u16, format: Format, window: Window, chunk: usize, seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let len = usize::from(width) * usize::from(height) * format.bytes();
        let pixels = (0..len).map(|_| numbers.below(256) as u8).collect();
        Self { begin: Begin { image: 1, width, height, format, window }, pixels, chunk }
    }

    /// The announcement with another number.
    pub fn numbered(&self, image: u32) -> Begin {
        Begin { image, ..self.begin }
    }

    /// The bits of the logits of a session that is fed directly, as `host predict` does it, and its map.
    ///
    /// # Panics
    /// Where the model's input is not `W` wide.
    pub fn expected<const W: usize>(&self, model: &Model<'_>) -> (Vec<u32>, Vec<i32>) {
        let mut arena = vec![0; model.arena_bytes()];
        let mut map = vec![0; explain::map_len(model)];
        let mut session = Session::new(model, &mut arena).unwrap().with_map(&mut map).unwrap();
        let (width, height) = (usize::from(self.begin.width), usize::from(self.begin.height));
        let mut resizer = Resizer::<W>::new(width, height, usize::from(model.input().height), self.begin.window.into()).unwrap();
        for row in self.pixels.chunks_exact(width * self.begin.format.bytes()) {
            let words: Vec<u16> = row.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
            let row = match self.begin.format {
                Format::Gray8 => Row::Gray8(row),
                Format::Gray16 => Row::Gray16(&words),
                Format::Rgb8 => Row::Rgb8(row),
                Format::Rgb16 => Row::Rgb16(&words),
            };
            resizer.push_row(row, |gray| session.push_gray_row(gray).unwrap()).unwrap();
        }
        let verdict = session.finish().unwrap();
        (verdict.logits().iter().map(|logit| logit.to_bits()).collect(), session.map().to_vec())
    }
}
