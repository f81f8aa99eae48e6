//! Sessions: rows in, a verdict out.

use crate::Held;
use crate::memory::{slice, write_sized, zeroed};
use crate::model::{self, CxrModel};
use crate::status::CxrStatus;
use crate::verdict::{CXR_MAX_CLASSES, CxrVerdict};
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

/// What a session holds.
pub(crate) struct State {
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
const _: () = Held::<State>::check::<CxrSession>();

/// The session behind a pointer, or why there is none.
///
/// # Safety
/// `session` is null or points to a `cxr_session` that was zeroed or initialised, and that nobody else uses during `'a`.
pub(crate) unsafe fn get<'a>(session: *mut CxrSession) -> Result<&'a mut State, CxrStatus> {
    // SAFETY: by contract.
    Ok(unsafe { Held::get(session) }?)
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
    // SAFETY: by contract.
    unsafe { init(session, session_size, model, arena, arena_len) }.into()
}

/// # Safety
/// As [`cxr_session_init_sized`].
unsafe fn init(
    session: *mut CxrSession,
    session_size: usize,
    model: *const CxrModel,
    arena: *mut i8,
    arena_len: usize,
) -> Result<(), CxrStatus> {
    // SAFETY: by contract.
    let (place, model) = unsafe { (Held::begin(session, session_size)?, model::get(model)?) };
    // SAFETY: by contract.
    let arena = unsafe { zeroed(arena, arena_len, model.arena_bytes()) }?;
    let (input, map_len) = (model.input(), explain::map_len(&model));
    let session = Session::new(&model, arena)?;
    place.fill(State { starts: 0, session, map_len, width: input.width, height: input.height });
    Ok(())
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
    unsafe { explain(session, map, map_len) }.into()
}

/// # Safety
/// As [`cxr_explain`].
unsafe fn explain(session: *mut CxrSession, map: *mut i32, map_len: usize) -> Result<(), CxrStatus> {
    // SAFETY: by contract.
    let state = unsafe { get(session) }?;
    if state.session.rows() > 0 {
        return Err(CxrStatus::ErrorStarted);
    }
    // SAFETY: by contract.
    let map = unsafe { zeroed(map, map_len, state.map_len) }?;
    // SAFETY: by contract.
    unsafe { Held::replace(session, |state: State| Ok(State { session: state.session.with_map(map)?, ..state })) }
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
