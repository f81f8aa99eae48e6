//! Where the firmware panicked, kept in the watchdog's scratch registers over the restart: USB ends with the program
//! that served it, so the next one reports.

use core::panic::PanicInfo;
use cxr_protocol::frame;
use cxr_protocol::message::Reply;
use hal::watchdog::{ScratchRegister, Watchdog};
use rp235x_hal as hal;

/// A frame to send.
pub type Frame = heapless::Vec<u8, 96>;

/// In the upper half of the first register; the lower half is the line. The boot ROM uses the registers from the fifth on.
const MARK: u32 = 0xC4A8_0000;
/// Registers for the end of the file's name.
const NAME: [ScratchRegister; 3] = [ScratchRegister::Scratch1, ScratchRegister::Scratch2, ScratchRegister::Scratch3];
const NAME_LEN: usize = 4 * NAME.len();

/// Keeps file and line of a panic.
pub fn keep(info: &PanicInfo<'_>) {
    // SAFETY: the program ends here; nobody else will use the watchdog.
    #[allow(unsafe_code)]
    let mut watchdog = Watchdog::new(unsafe { hal::pac::WATCHDOG::steal() });
    let (file, line) = info.location().map_or(("", 0), |location| (location.file(), location.line()));
    let mut name = [0; NAME_LEN];
    let end = file.as_bytes().iter().rev();
    for (place, byte) in name.iter_mut().rev().zip(end) {
        *place = *byte;
    }
    for (register, word) in NAME.into_iter().zip(name.as_chunks::<4>().0) {
        watchdog.write_scratch(register, u32::from_le_bytes(*word));
    }
    watchdog.write_scratch(ScratchRegister::Scratch0, MARK | (line & 0xFFFF));
}

/// The report of a panic before this start, once.
pub fn take(watchdog: &mut Watchdog) -> Option<Frame> {
    let first = watchdog.read_scratch(ScratchRegister::Scratch0);
    if first & 0xFFFF_0000 != MARK {
        return None;
    }
    watchdog.write_scratch(ScratchRegister::Scratch0, 0);
    let mut name = [0; NAME_LEN];
    for (place, register) in name.as_chunks_mut::<4>().0.iter_mut().zip(NAME) {
        *place = watchdog.read_scratch(register).to_le_bytes();
    }
    let start = name.iter().position(|byte| *byte != 0).unwrap_or(NAME_LEN);
    let file = name.get(start..).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("");
    let mut buffer = [0; 96];
    let report = Reply::Panicked { message: "before this start", file, line: first & 0xFFFF };
    Frame::from_slice(frame::encode(&report, &mut buffer)?).ok()
}
