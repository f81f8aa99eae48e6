//! Frames: `00 COBS(version, postcard message, CRC-32) 00`.
//!
//! COBS leaves no zero inside a frame, so that after any damage the next zero is a frame's end. The zero in front ends
//! whatever was left half sent.

use crate::fault::FrameFault;
use crc::{CRC_32_ISO_HDLC, Crc, Digest};
use postcard::ser_flavors::{Cobs, Slice, crc::CrcModifier};
use serde::{Deserialize, Serialize};

/// Version of the protocol, the first byte of every frame. Another version may change everything after it.
pub const VERSION: u8 = 2;

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A running CRC-32 (ISO-HDLC, as in zlib).
pub type Crc32 = Digest<'static, u32>;

/// Starts a CRC-32.
pub fn crc32() -> Crc32 {
    CRC32.digest()
}

/// Writes a message as a frame into `buffer`; `None` if it does not fit.
///
/// ```
/// use cxr_protocol::frame::{Decoder, encode};
/// use cxr_protocol::message::Request;
/// let mut buffer = [0; 64];
/// let frame = encode(&Request::Finish { image: 7, crc: 9 }, &mut buffer).unwrap();
/// let mut decoder = Decoder::<64>::new();
/// let len = frame.iter().find_map(|byte| decoder.push(*byte)).unwrap()?;
/// assert_eq!(decoder.message(len), Ok(Request::Finish { image: 7, crc: 9 }));
/// # Ok::<(), cxr_protocol::fault::FrameFault>(())
/// ```
pub fn encode<'b, T: Serialize>(message: &T, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let (first, rest) = buffer.split_first_mut()?;
    *first = 0;
    let cobs = Cobs::try_new(Slice::new(rest)).ok()?;
    let written = postcard::serialize_with_flavor(&(VERSION, message), CrcModifier::new(cobs, crc32())).ok()?.len();
    buffer.get(..=written)
}

/// Collects the bytes of a frame of at most `N` bytes.
#[derive(Clone, Debug)]
pub struct Decoder<const N: usize> {
    bytes: [u8; N],
    /// Bytes of the frame so far; more than `N` if it is too long.
    len: usize,
    /// The frame in `bytes` was handed out.
    complete: bool,
}

impl<const N: usize> Decoder<N> {
    /// Waits for the first byte.
    pub const fn new() -> Self {
        Self { bytes: [0; N], len: 0, complete: false }
    }

    /// Takes a byte; at a frame's end returns its length, or why it is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<usize, FrameFault>> {
        if core::mem::take(&mut self.complete) {
            self.len = 0;
        }
        if byte != 0 {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
            }
            self.len = (self.len + 1).min(N + 1);
            return None;
        }
        let len = core::mem::take(&mut self.len);
        if len == 0 {
            return None;
        }
        let Some(frame) = self.bytes.get_mut(..len) else { return Some(Err(FrameFault::TooLong)) };
        let Ok(decoded) = cobs::decode_in_place(frame) else { return Some(Err(FrameFault::Cobs)) };
        Some(self.check(decoded))
    }

    fn check(&mut self, decoded: usize) -> Result<usize, FrameFault> {
        let body = self.bytes.get(..decoded).and_then(|frame| frame.split_last_chunk::<4>());
        let Some((body, stored)) = body else { return Err(FrameFault::Crc) };
        let mut digest = crc32();
        digest.update(body);
        if digest.finalize() != u32::from_le_bytes(*stored) {
            return Err(FrameFault::Crc);
        }
        let (len, version) = (body.len(), body.first().copied());
        (self.len, self.complete) = (len, true);
        match version {
            Some(VERSION) => Ok(len),
            found => Err(FrameFault::Version { found: found.unwrap_or(0), supported: VERSION }),
        }
    }

    /// The message of a frame whose end [`push`](Self::push) has just reported; it borrows the decoder's bytes.
    ///
    /// # Errors
    /// [`FrameFault::Message`].
    pub fn message<'a, T: Deserialize<'a>>(&'a self, len: usize) -> Result<T, FrameFault> {
        let body = self.bytes.get(1..len).unwrap_or(&[]);
        match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            _ => Err(FrameFault::Message),
        }
    }

    /// True in the middle of a frame.
    pub const fn is_partial(&self) -> bool {
        self.len > 0 && !self.complete
    }

    /// Forgets a frame that was begun.
    pub fn clear(&mut self) {
        self.len = 0;
        self.complete = false;
    }
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::new()
    }
}
