//! Sessions: rows in, outputs out.

use super::model::{self, RownetModel, element};
use super::status::RownetStatus;
use super::{Held, RownetElement};
use crate::memory::{slice, write_sized, zeroed};
use core::ptr;
use rownet::session::Session;

/// Bytes of a `rownet_session` where pointers have 32 bits.
pub const ROWNET_SESSION_BYTES_32: usize = 152;
/// Bytes of a `rownet_session` where pointers have 64 bits.
pub const ROWNET_SESSION_BYTES_64: usize = 256;
/// Bytes of a `rownet_session`. The header has it as a macro of the two above.
///
/// cbindgen:ignore
pub const ROWNET_SESSION_BYTES: usize =
    if cfg!(target_pointer_width = "32") { ROWNET_SESSION_BYTES_32 } else { ROWNET_SESSION_BYTES_64 };
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const ROWNET_SESSION_WORDS: usize = ROWNET_SESSION_BYTES / 8;

/// One inference in progress. Zero it or declare it `static`; the arena is the caller's too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RownetSession {
    /// Not for the caller.
    pub opaque: [u64; ROWNET_SESSION_WORDS],
}

const _: () = Held::<Session<'static, 'static>>::check::<RownetSession>();

/// An output of a finished inference: where it lies in the arena, and what it means. It is there until the session's next row or reset.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RownetOutput {
    /// `[height][width][channels]`, of the element's size in memory; null where a call failed.
    pub data: *const i8,
    /// Bytes of `data`.
    pub len: u32,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Channels.
    pub channels: u32,
    /// What the values are.
    pub element: RownetElement,
    /// What stands for 0.
    pub zero_point: i32,
    /// `real = scale * (q - zero_point)`; not for `ROWNET_ELEMENT_F32`.
    pub scale: f32,
}

impl RownetOutput {
    const NONE: Self = Self {
        data: ptr::null(),
        len: 0,
        height: 0,
        width: 0,
        channels: 0,
        element: RownetElement::I8,
        zero_point: 0,
        scale: 0.0,
    };
}

/// The session behind a pointer, or why there is none.
///
/// # Safety
/// `session` is null or points to a `rownet_session` that was zeroed or initialised, and that nobody else uses during `'a`.
unsafe fn get<'a>(session: *mut RownetSession) -> Result<&'a mut Session<'static, 'static>, RownetStatus> {
    // SAFETY: by contract.
    Ok(unsafe { Held::get(session) }?)
}

/// Starts an inference in an arena of at least `arena_bytes` (see `rownet_model_info`) bytes, of any alignment. `session_size` is
/// `sizeof *session`.
///
/// # Safety
/// `session` is null or writable for `session_size` bytes; `model` is null, zeroed or parsed; `arena` is null or writable for `arena_len`
/// bytes, and from now on, until the session is initialised anew or given up, the session's alone. The network's file outlives the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_session_init_sized(
    session: *mut RownetSession,
    session_size: usize,
    model: *const RownetModel,
    arena: *mut i8,
    arena_len: usize,
) -> RownetStatus {
    // SAFETY: by contract.
    unsafe { init(session, session_size, model, arena, arena_len) }.into()
}

/// # Safety
/// As [`rownet_session_init_sized`].
unsafe fn init(
    session: *mut RownetSession,
    session_size: usize,
    model: *const RownetModel,
    arena: *mut i8,
    arena_len: usize,
) -> Result<(), RownetStatus> {
    // SAFETY: by contract.
    let (place, model) = unsafe { (Held::begin(session, session_size)?, model::get(model)?) };
    // SAFETY: by contract.
    let arena = unsafe { zeroed(arena, arena_len, model.arena_bytes()) }?;
    place.fill(Session::new(&model, arena)?);
    Ok(())
}

/// Takes the next row of the input: `width * channels` int8 values, channels interleaved. On an error nothing is taken.
///
/// # Safety
/// `session` is null, zeroed or initialised; `row` is null or readable for `len` bytes, and no part of the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_push_row(session: *mut RownetSession, row: *const i8, len: usize) -> RownetStatus {
    // SAFETY: by contract.
    match unsafe { (get(session), slice(row, len)) } {
        (Ok(session), Some(row)) => session.push_row(row).into(),
        (Err(status), _) => status,
        (_, None) => RownetStatus::ErrorPointer,
    }
}

/// Takes the next row of the input in uint8 values, such as a camera's: 128 is the int8 value 0. On an error nothing is taken.
///
/// # Safety
/// As [`rownet_push_row`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_push_row_u8(session: *mut RownetSession, row: *const u8, len: usize) -> RownetStatus {
    // SAFETY: by contract.
    match unsafe { (get(session), slice(row, len)) } {
        (Ok(session), Some(row)) => session.push_row_u8(row).into(),
        (Err(status), _) => status,
        (_, None) => RownetStatus::ErrorPointer,
    }
}

/// Number of the row that the session takes next: 0 up to the input's height less 1, and that as often as `passes` of `rownet_model_info`
/// says. -1 once all rows were given, and where there is no session.
///
/// # Safety
/// `session` is null, zeroed or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_next_row(session: *mut RownetSession) -> i32 {
    // SAFETY: by contract.
    let row = unsafe { get(session) }.ok().and_then(|session| session.next_input_row());
    // A height is 16 bits.
    row.map_or(-1, |row| row as i32)
}

/// Forgets the rows pushed so far: for the next input, or after one that was cut short.
///
/// # Safety
/// `session` is null, zeroed or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_reset(session: *mut RownetSession) -> RownetStatus {
    // SAFETY: by contract.
    match unsafe { get(session) } {
        Ok(session) => {
            session.reset();
            RownetStatus::Ok
        }
        Err(status) => status,
    }
}

/// Output `index`, once all rows are there. `output_size` is `sizeof *output`.
///
/// # Safety
/// `session` is null, zeroed or initialised; `output` is null or writable for `output_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_output_sized(
    session: *mut RownetSession,
    index: u32,
    output: *mut RownetOutput,
    output_size: usize,
) -> RownetStatus {
    // SAFETY: by contract.
    let found = unsafe { get(session) }.and_then(|session| read(session, index as usize));
    let (status, out) = match found {
        Ok(out) => (RownetStatus::Ok, out),
        Err(status) => (status, RownetOutput::NONE),
    };
    // SAFETY: by contract.
    unsafe { write_sized(output, output_size, out) }.map_or(RownetStatus::ErrorPointer, |()| status)
}

fn read(session: &Session<'static, 'static>, index: usize) -> Result<RownetOutput, RownetStatus> {
    let outputs = session.finish()?;
    let bytes = outputs.bytes(index)?;
    let value = outputs.value(index).ok_or(RownetStatus::ErrorOutput)?;
    Ok(RownetOutput {
        data: bytes.as_ptr(),
        len: bytes.len() as u32,
        height: u32::from(value.shape.height),
        width: u32::from(value.shape.width),
        channels: u32::from(value.shape.channels),
        element: element(&value),
        zero_point: i32::from(value.zero_point),
        scale: value.scale,
    })
}
