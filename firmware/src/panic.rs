//! The last words of a firmware that panics.

use core::fmt::{self, Write as _};
use core::panic::PanicInfo;
use cxr_protocol::frame;
use cxr_protocol::message::Reply;
use embedded_io::Write;

/// Sends [`Reply::Panicked`]; the caller then restarts the board.
pub fn report(info: &PanicInfo<'_>, line: &mut impl Write) {
    let mut text = Text { bytes: [0; 96], len: 0 };
    let _ = write!(text, "{}", info.message());
    let message = text.bytes.get(..text.len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("");
    let (file, at) = info.location().map_or(("", 0), |location| (location.file(), location.line()));
    // The end of a long path says more than its start.
    let file = file.get(file.len().saturating_sub(64)..).unwrap_or("");
    let mut buffer = [0; 224];
    if let Some(frame) = frame::encode(&Reply::Panicked { message, file, line: at }, &mut buffer) {
        let _ = line.write_all(frame).and_then(|()| line.flush());
    }
}

/// As much of a message as fits.
struct Text {
    bytes: [u8; 96],
    len: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let end = self.len + character.len_utf8();
            let place = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
            character.encode_utf8(place);
            self.len = end;
        }
        Ok(())
    }
}
