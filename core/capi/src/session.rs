//! Sessions: rows in, a verdict out.

use crate::model::{self, CxrModel};
use crate::status::CxrStatus;
use crate::verdict::{CXR_MAX_CLASSES, CxrVerdict};
use crate::{INITIALISED, slice, slice_mut, write_sized};
use core::mem::{align_of, size_of};
use core::ptr;
use cxr_core::explain;
use cxr_core::session::Session;

/// Bytes of a `cxr_session` where pointers have 32 bits.
pub const CXR_SESSION_BYTES_32: usize = 576;
/// Bytes of a `cxr_session` where pointers have 64 bits.
pub const CXR_SESSION_BYTES_64: usize = 848;
/// Bytes of a `cxr_session`. The header has it as a macro of the two above.
///
/// cbindgen:ignore
pub const CXR_SESSION_BYTES: usize = if cfg!(target_pointer_width = "32") { CXR_SESSION_BYTES_32 } else { CXR_SESSION_BYTES_64 };
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const CXR_SESSION_WORDS: usize = CXR_SESSION_BYTES / 8;

/// One inference in progress. Zero it or declare it `static`; the arena is the caller's too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CxrSession {
    /// Not for the caller.
    pub opaque: [u64; CXR_SESSION_WORDS],
}

#[repr(C)]
pub(crate) struct State {
    initialised: u32,
    /// How often the session began anew: a resizer notices.
    pub(crate) starts: u32,
    pub(crate) session: Session<'static, 'static>,
    /// Elements of the maps of all classes.
    map_len: usize,
    /// Columns of the input.
    pub(crate) width: u16,
    /// Rows of the input.
    pub(crate) height: u16,
}

const _: () = assert!(CXR_MAX_CLASSES == cxr_core::format::MAX_CLASSES);
const _: () = assert!(size_of::<State>() <= size_of::<CxrSession>(), "CXR_SESSION_BYTES is too small");
const _: () = assert!(size_of::<State>() + 128 > size_of::<CxrSession>(), "CXR_SESSION_BYTES is too large");
const _: () = assert!(align_of::<State>() <= align_of::<CxrSession>());

/// The session behind a pointer, or why there is none.
///
/// # Safety
/// `session` is null or points to a `cxr_session` that was zeroed or initialised, and that nobody else uses during `'a`.
pub(crate) unsafe fn get<'a>(session: *mut CxrSession) -> Result<&'a mut State, CxrStatus> {
    if session.is_null() || !session.is_aligned() {
        return Err(CxrStatus::ErrorPointer);
    }
    let state = session.cast::<State>();
    // SAFETY: by contract readable; the first word is an integer, valid whatever it holds.
    if unsafe { (&raw const (*state).initialised).read() } != INITIALISED {
        return Err(CxrStatus::ErrorUninitialised);
    }
    // SAFETY: only `cxr_session_init` writes that word, after the rest; exclusive by contract.
    Ok(unsafe { &mut *state })
}

/// Starts an inference in an arena of at least `arena_bytes` (see `cxr_model_info`) bytes, of any alignment. `session_size` is
/// `sizeof *session`.
///
/// # Safety
/// `session` is null or writable for `session_size` bytes; `model` is null, zeroed or parsed; `arena` is null or writable for `arena_len` bytes,
/// and from now on, until the session is initialised anew or given up, the session's alone. The model's file outlives the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_session_init_sized(
    session: *mut CxrSession,
    session_size: usize,
    model: *const CxrModel,
    arena: *mut i8,
    arena_len: usize,
) -> CxrStatus {
    if session.is_null() || !session.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    if session_size < size_of::<State>() {
        return CxrStatus::ErrorAbi;
    }
    let state = session.cast::<State>();
    // SAFETY: not null, aligned, large enough, writable by contract. Until all is well there is no session.
    unsafe { (&raw mut (*state).initialised).write(0) };
    // SAFETY: by contract.
    let model = match unsafe { model::get(model) } {
        Ok(model) => model,
        Err(status) => return status,
    };
    if arena.is_null() {
        return CxrStatus::ErrorPointer;
    }
    let needed = model.arena_bytes();
    if arena_len < needed {
        return CxrStatus::ErrorBuffer;
    }
    // SAFETY: writable by contract; zeroed first because it may be uninitialised.
    unsafe { ptr::write_bytes(arena, 0, needed) };
    // SAFETY: initialised just now, the session's alone by contract.
    let Some(arena) = (unsafe { slice_mut(arena, needed) }) else { return CxrStatus::ErrorPointer };
    let input = model.input();
    match Session::new(&model, arena) {
        Ok(session) => {
            let map_len = explain::map_len(&model);
            let ready = State { initialised: INITIALISED, starts: 0, session, map_len, width: input.width, height: input.height };
            // SAFETY: as above.
            unsafe { state.write(ready) };
            CxrStatus::Ok
        }
        Err(error) => error.into(),
    }
}

/// Also writes where each logit comes from into `map`: `map_len` (see `cxr_model_info`) integers, `[class][y][x]`. Call it after
/// `cxr_session_init` or `cxr_reset`, before the first row: later it is `CXR_ERROR_STARTED`. A class's map plus its bias is its
/// accumulator, to the last bit.
///
/// # Safety
/// `session` is null, zeroed or initialised; `map` is null or writable for `map_len` elements, and the session's alone from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_explain(session: *mut CxrSession, map: *mut i32, map_len: usize) -> CxrStatus {
    // SAFETY: by contract.
    let state = match unsafe { get(session) } {
        Ok(state) => state,
        Err(status) => return status,
    };
    if map.is_null() || !map.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    if map_len < state.map_len {
        return CxrStatus::ErrorBuffer;
    }
    if state.session.rows() > 0 {
        return CxrStatus::ErrorStarted;
    }
    // SAFETY: writable by contract; zeroed first because it may be uninitialised.
    unsafe { ptr::write_bytes(map, 0, state.map_len) };
    // SAFETY: initialised just now, the session's alone by contract.
    let Some(map) = (unsafe { slice_mut(map, state.map_len) }) else { return CxrStatus::ErrorPointer };
    // The session is consumed and made anew; without one the object counts as uninitialised.
    state.initialised = 0;
    // SAFETY: the copy takes the place of the original, which `write` below overwrites or nobody reads again.
    let session = unsafe { ptr::read(&raw const state.session) };
    match session.with_map(map) {
        Ok(session) => {
            state.session = session;
            state.initialised = INITIALISED;
            CxrStatus::Ok
        }
        Err(error) => error.into(),
    }
}

/// Takes the next row: `width * channels` bytes, channels interleaved, 0 black to 255 white. On an error nothing is taken.
///
/// # Safety
/// `session` is null, zeroed or initialised; `row` is null or readable for `len` bytes, and no part of the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_push_row(session: *mut CxrSession, row: *const u8, len: usize) -> CxrStatus {
    // SAFETY: by contract.
    match unsafe { (get(session), slice(row, len)) } {
        (Ok(state), Some(row)) => state.session.push_row(row).into(),
        (Err(status), _) => status,
        (_, None) => CxrStatus::ErrorPointer,
    }
}

/// Takes the next row of a gray image: `width` bytes, given to every channel. On an error nothing is taken.
///
/// # Safety
/// As [`cxr_push_row`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_push_gray_row(session: *mut CxrSession, row: *const u8, len: usize) -> CxrStatus {
    // SAFETY: by contract.
    match unsafe { (get(session), slice(row, len)) } {
        (Ok(state), Some(row)) => state.session.push_gray_row(row).into(),
        (Err(status), _) => status,
        (_, None) => CxrStatus::ErrorPointer,
    }
}

/// Forgets the rows pushed so far: for the next image, or after an image that was cut short. The session's resizer begins anew, too,
/// with the image's width, height and window as before.
///
/// # Safety
/// `session` is null, zeroed or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_reset(session: *mut CxrSession) -> CxrStatus {
    // SAFETY: by contract.
    match unsafe { get(session) } {
        Ok(state) => {
            state.session.reset();
            state.starts = state.starts.wrapping_add(1);
            CxrStatus::Ok
        }
        Err(status) => status,
    }
}

/// The verdict, once all rows are there. Returns `CXR_OK` only if there is one; `CXR_REFUSED` if the model gives none on this image.
/// `verdict_size` is `sizeof *verdict`.
///
/// # Safety
/// `session` is null, zeroed or initialised; `verdict` is null or writable for `verdict_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_finish_sized(session: *mut CxrSession, verdict: *mut CxrVerdict, verdict_size: usize) -> CxrStatus {
    // SAFETY: by contract.
    let result = unsafe { get(session) }.and_then(|state| state.session.finish().map_err(CxrStatus::from));
    let (status, out) = match result {
        Ok(found) => match CxrVerdict::new(&found) {
            out if out.class_index < 0 => (CxrStatus::Refused, out),
            out => (CxrStatus::Ok, out),
        },
        Err(status) => (status, CxrVerdict::NONE),
    };
    // Without a place for all classes there is no verdict to act on.
    let (status, out) = if verdict_size < out.len() { (CxrStatus::ErrorBuffer, CxrVerdict::NONE) } else { (status, out) };
    // SAFETY: by contract.
    unsafe { write_sized(verdict, verdict_size, out) }.map_or(CxrStatus::ErrorPointer, |()| status)
}
