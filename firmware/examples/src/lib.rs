//! What the examples do, apart from the board: the same code runs on the host, whose results the boards must give.
//!
//! Research software, **not a medical device**.
#![no_std]
#![warn(missing_docs)]

pub mod camera;
pub mod flash;
pub mod update;

use rownet::error::Error;
use rownet::model::Model;
use rownet::session::Session;

/// Longest row of the examples' inputs, in bytes.
pub const ROW: usize = 512;

/// One inference on generated values; the CRC-32 of the first output's bytes.
///
/// A device pushes the rows of its sensor instead. `arena` has `model.arena_bytes()` bytes or more, of any content.
///
/// # Errors
/// An arena that is too small, a row beyond [`ROW`].
pub fn infer(model: &Model<'_>, arena: &mut [i8], seed: u32) -> Result<u32, Error> {
    let mut session = Session::new(model, arena)?;
    let (mut row, mut state) = ([0i8; ROW], seed);
    let bytes = model.row_bytes(0);
    let row = row.get_mut(..bytes).ok_or(Error::BufferTooSmall { needed: bytes as u32, given: ROW as u32 })?;
    // Where the plan wants rows again, the session says so; here rows come from a seed, and can.
    while let Some(y) = session.next_input_row() {
        if y == 0 {
            state = seed;
        }
        for value in row.iter_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = (state >> 24) as u8 as i8;
        }
        session.push_row(row)?;
    }
    Ok(crc32(session.finish()?.bytes(0)?.iter().map(|value| value.cast_unsigned())))
}

/// CRC-32 as zlib has it.
pub(crate) fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut digest = cxr_protocol::frame::crc32();
    bytes.into_iter().for_each(|byte| digest.update(&[byte]));
    digest.finalize()
}
