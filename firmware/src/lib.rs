//! A board that reads chest X-rays: everything of the firmware that is not the board.
//!
//! A board is a [`Platform`] (serial line, clock, what to do between rows) and an entry point that hands it to
//! [`serve`]; `main.rs` does so for the boards that QEMU emulates, `rp2350/` for the Raspberry Pi Pico 2.
//! All memory is static: the model in flash, read in place; in RAM the arena, the map, one row of an image, a frame in
//! and one out.
//!
//! **Interrupts.** The session belongs to the one context that calls [`Device::poll`], the main loop here; it is plain
//! data behind `&mut`, takes no lock, disables no interrupt and never waits, so that interrupts of any priority may
//! preempt it at any instruction. An interrupt handler that feeds the line moves bytes into a queue and no more. To run the
//! session in an interrupt of low priority instead, move the [`Device`] there: the borrow checker sees to it that
//! nothing else holds it. A session may be dropped or reset after any row.
//!
//! Research software, **not a medical device**.
// Checking the embedded model while compiling takes seconds, by design, in every crate that uses a constant of it.
#![allow(long_running_const_eval)]
#![no_std]
#![warn(missing_docs)]

mod golden;
mod panic;
pub mod self_test;

use cxr_core::explain;
use cxr_core::format::Model;
use cxr_core::session::Session;
pub use cxr_protocol::device::{Buffers, Identity, Platform};
pub use panic::report;
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use static_cell::ConstStaticCell;

/// The model, in a section of its own; one that does not parse does not compile.
#[allow(long_running_const_eval)]
pub const MODEL: Model<'static> = Model::parse_or_panic(cxr_board::embed!(env!("CXR_MODEL_PATH")));

/// Halves of the bytes of the longest row of an image: 5120 pixels of 16-bit gray (chest detectors have up to 4300), 1706 of 16-bit colour.
const ROW: usize = 5120;
const WIDTH: usize = MODEL.input().width as usize;

/// The protocol's state machine for this model.
pub type Device = cxr_protocol::device::Device<'static, 'static, WIDTH, ROW>;

/// The device, with all its memory. To be called once.
///
/// # Panics
/// When called again.
pub fn device(board: &'static str) -> Device {
    static ARENA: ConstStaticCell<[i8; MODEL.arena_bytes()]> = ConstStaticCell::new([0; MODEL.arena_bytes()]);
    static MAP: ConstStaticCell<[i32; explain::map_len(&MODEL)]> = ConstStaticCell::new([0; explain::map_len(&MODEL)]);
    static PIXELS: ConstStaticCell<[u16; ROW]> = ConstStaticCell::new([0; ROW]);
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());

    let identity = Identity {
        board,
        firmware: env!("CARGO_PKG_VERSION"),
        model: golden::MODEL_NAME,
        model_sha256: golden::MODEL_SHA256,
        classes: golden::CLASSES,
    };
    let session = Session::new(&MODEL, ARENA.take()).and_then(|session| session.with_map(MAP.take()));
    let device = session.and_then(|session| Device::new(MODEL, identity, session, PIXELS.take(), BUFFERS.take()));
    // The sizes are the model's own.
    device.unwrap_or_else(|error| panic!("{error}"))
}

/// Says hello and answers requests for good; `idle` is called whenever the line is silent. A broken line is tried again.
pub fn serve<P: Platform>(mut device: Device, mut platform: P, mut idle: impl FnMut(&mut P)) -> ! {
    let _ = device.greet(&mut platform);
    loop {
        let _ = device.poll(&mut platform);
        idle(&mut platform);
    }
}
