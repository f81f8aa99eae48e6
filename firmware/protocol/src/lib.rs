//! Chest X-rays over a serial line: frames, messages and both ends. `no_std`, no allocator.
//!
//! The host sends one request at a time and waits for its reply; a board answers with a verdict or says what was
//! wrong and is idle again. It never gives a verdict on damaged data: every frame carries a CRC, an image number and a
//! sequence number, and the verdict the CRC of all pixels it was made from. `docs/serial-protocol.md` lists the bytes.
//!
//! | concern | module |
//! |---|---|
//! | bytes to frames and back | [`frame`] |
//! | what frames say | [`message`] |
//! | what can be wrong | [`fault`] |
//! | the board's end, a state machine | [`device`] |
//! | the host's end | [`client`] |
//!
//! Research software, **not a medical device**.
#![no_std]
#![warn(missing_docs)]

pub mod client;
pub mod device;
pub mod fault;
pub mod frame;
pub mod message;
#[cfg(feature = "testing")]
pub mod testing;
