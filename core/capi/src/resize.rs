//! Images of any size: rows as the detector gives them, resized into the session as they come.

use crate::session::{self, CxrSession};
use crate::status::CxrStatus;
use crate::{INITIALISED, slice};
use core::mem::{align_of, size_of};
use cxr_core::error::Error;
use cxr_core::image::{Resizer, Row, Window};

/// Columns that a `cxr_resizer` makes: the width of the models that it serves.
pub const CXR_RESIZER_WIDTH: usize = 256;
/// Bytes of a `cxr_resizer`.
pub const CXR_RESIZER_BYTES: usize = 2344;
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const CXR_RESIZER_WORDS: usize = CXR_RESIZER_BYTES / 8;

/// Resizes an image while its rows arrive. Zero it or declare it `static`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CxrResizer {
    /// Not for the caller.
    pub opaque: [u64; CXR_RESIZER_WORDS],
}

struct State {
    initialised: u32,
    resizer: Resizer<CXR_RESIZER_WIDTH>,
}

const _: () = assert!(size_of::<State>() <= size_of::<CxrResizer>(), "CXR_RESIZER_BYTES is too small");
const _: () = assert!(size_of::<State>() + 128 > size_of::<CxrResizer>(), "CXR_RESIZER_BYTES is too large");
const _: () = assert!(align_of::<State>() <= align_of::<CxrResizer>());

/// Maps stored values to gray: `low` and below is black, `high` and above is white, linear between.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CxrWindow {
    /// Level shown black: 0 for whole-range images.
    pub low: u16,
    /// Level shown white, above `low`: 255 or 65535 for whole-range images.
    pub high: u16,
    /// Not 0: swap black and white (DICOM MONOCHROME1).
    pub invert: u8,
}

/// Starts to resize an image of `width` x `height` pixels, 1 to 8192 each, to the session's model, whose input must be
/// `CXR_RESIZER_WIDTH` columns wide.
///
/// # Safety
/// `resizer` is null or writable; `session` is null, zeroed or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_resizer_init(
    resizer: *mut CxrResizer,
    session: *mut CxrSession,
    width: usize,
    height: usize,
    window: CxrWindow,
) -> CxrStatus {
    if resizer.is_null() || !resizer.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    let state = resizer.cast::<State>();
    // SAFETY: not null, aligned, writable by contract. Until all is well there is no resizer.
    unsafe { (&raw mut (*state).initialised).write(0) };
    // SAFETY: by contract.
    let target = match unsafe { session::get(session) } {
        Ok(target) => target,
        Err(status) => return status,
    };
    if usize::from(target.width) != CXR_RESIZER_WIDTH {
        return CxrStatus::ErrorImageSize;
    }
    let window = Window { low: window.low, high: window.high, invert: window.invert != 0 };
    match Resizer::new(width, height, usize::from(target.height), window) {
        Ok(resizer) => {
            // SAFETY: not null, aligned, writable, large enough (asserted above).
            unsafe { state.write(State { initialised: INITIALISED, resizer }) };
            CxrStatus::Ok
        }
        Err(error) => error.into(),
    }
}

/// Takes the next row of an image of 8 bits a value: `len` is width times `channels`, which is 1 (gray), 3 (RGB) or 4 (RGB and
/// alpha). Rows of the network that it completes go into the session.
///
/// # Safety
/// `resizer` and `session` are null, zeroed or initialised; `row` is null or readable for `len` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_resize_row_8(
    resizer: *mut CxrResizer,
    session: *mut CxrSession,
    row: *const u8,
    len: usize,
    channels: u32,
) -> CxrStatus {
    // SAFETY: by contract.
    let Some(row) = (unsafe { slice(row, len) }) else { return CxrStatus::ErrorPointer };
    let row = match channels {
        1 => Row::Gray8(row),
        3 => Row::Rgb8(row),
        4 => Row::Rgba8(row),
        _ => return CxrStatus::ErrorRowLength,
    };
    // SAFETY: by contract.
    unsafe { push(resizer, session, row) }
}

/// [`cxr_resize_row_8`] for 16 bits a value; `len` counts values.
///
/// # Safety
/// As [`cxr_resize_row_8`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_resize_row_16(
    resizer: *mut CxrResizer,
    session: *mut CxrSession,
    row: *const u16,
    len: usize,
    channels: u32,
) -> CxrStatus {
    // SAFETY: by contract.
    let Some(row) = (unsafe { slice(row, len) }) else { return CxrStatus::ErrorPointer };
    let row = match channels {
        1 => Row::Gray16(row),
        3 => Row::Rgb16(row),
        4 => Row::Rgba16(row),
        _ => return CxrStatus::ErrorRowLength,
    };
    // SAFETY: by contract.
    unsafe { push(resizer, session, row) }
}

/// # Safety
/// As [`cxr_resize_row_8`].
unsafe fn push(resizer: *mut CxrResizer, session: *mut CxrSession, row: Row<'_>) -> CxrStatus {
    if resizer.is_null() || !resizer.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    let state = resizer.cast::<State>();
    // SAFETY: by contract readable; the first word is an integer, valid whatever it holds.
    if unsafe { (&raw const (*state).initialised).read() } != INITIALISED {
        return CxrStatus::ErrorUninitialised;
    }
    // SAFETY: by contract; a resizer is no session, so the two references are apart.
    let (state, target) = match unsafe { session::get(session) } {
        // SAFETY: only `cxr_resizer_init` writes that word, together with a resizer; exclusive by contract.
        Ok(target) => (unsafe { &mut *state }, target),
        Err(status) => return status,
    };
    let mut pushed: Result<(), Error> = Ok(());
    let taken = state.resizer.push_row(row, |out| {
        if pushed.is_ok() {
            pushed = target.session.push_gray_row(out);
        }
    });
    taken.and(pushed).into()
}
