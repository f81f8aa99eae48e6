//! What a board brings along.

use crate::message::SelfTest;
use cxr_core::session::Session;
use embedded_io::{Read, ReadReady, Write};

/// What the state machine needs from a board.
pub trait Platform {
    /// The serial line.
    type Line: Read + ReadReady + Write;

    /// The serial line.
    fn line(&mut self) -> &mut Self::Line;

    /// Milliseconds of a clock that may wrap.
    fn millis(&mut self) -> u32;

    /// Called after each row of the network and after each reply, the longest that the board computes or sends without a
    /// break: feed the watchdog, poll USB. As long as the line has bytes, nothing else is called.
    fn breathe(&mut self) {}

    /// Runs the golden fixture; `working` must be called every now and then.
    fn self_test(&mut self, session: &mut Session<'_, '_>, working: &mut dyn FnMut(&mut Self)) -> Option<SelfTest>;

    /// Panics on purpose, or does not.
    fn drill(&mut self) {}

    /// Silence in milliseconds after which an image is given up.
    const TIMEOUT: u32 = 5_000;
}

/// What the board says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The board.
    pub board: &'a str,
    /// Version of the firmware.
    pub firmware: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// SHA-256 of the model file.
    pub model_sha256: [u8; 32],
    /// Class names, one a line.
    pub classes: &'a str,
}
