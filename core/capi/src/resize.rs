//! Images of any size: rows as the detector gives them, resized into the session as they come.

use crate::model::resizer_words;
use crate::session::{self, CxrSession};
use crate::status::CxrStatus;
use crate::{INITIALISED, slice, slice_mut};
use core::mem::{align_of, size_of};
use core::ptr;
use cxr_core::error::Error;
use cxr_core::image::{BorrowedResizer, Row, Window};

/// Bytes of a `cxr_resizer` where pointers have 32 bits.
pub const CXR_RESIZER_BYTES_32: usize = 80;
/// Bytes of a `cxr_resizer` where pointers have 64 bits.
pub const CXR_RESIZER_BYTES_64: usize = 112;
/// Bytes of a `cxr_resizer`. The header has it as a macro of the two above.
///
/// cbindgen:ignore
pub const CXR_RESIZER_BYTES: usize = if cfg!(target_pointer_width = "32") { CXR_RESIZER_BYTES_32 } else { CXR_RESIZER_BYTES_64 };
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const CXR_RESIZER_WORDS: usize = CXR_RESIZER_BYTES / 8;

/// Resizes an image while its rows arrive. Zero it or declare it `static`; its memory for rows is the caller's too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CxrResizer {
    /// Not for the caller.
    pub opaque: [u64; CXR_RESIZER_WORDS],
}

#[repr(C)]
struct State {
    initialised: u32,
    /// The session's, when the image began.
    starts: u32,
    /// The session that rows go to: only compared.
    session: *const CxrSession,
    resizer: BorrowedResizer<'static>,
}

const _: () = assert!(size_of::<State>() <= size_of::<CxrResizer>(), "CXR_RESIZER_BYTES is too small");
const _: () = assert!(size_of::<State>() + 128 > size_of::<CxrResizer>(), "CXR_RESIZER_BYTES is too large");
const _: () = assert!(align_of::<State>() <= align_of::<CxrResizer>());

/// An image to be resized. Stored values become gray: `low` and below is black, `high` and above is white, linear between.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CxrImage {
    /// Columns, 1 to 8192.
    pub width: u32,
    /// Rows, 1 to 8192.
    pub height: u32,
    /// Level shown black: 0 for whole-range images.
    pub low: u16,
    /// Level shown white, above `low`: 255 or 65535 for whole-range images.
    pub high: u16,
    /// Not 0: swap black and white (DICOM MONOCHROME1).
    pub invert: u32,
}

/// Starts to resize an image to what the session's model takes, in `words` 32-bit words of memory (`resizer_words` of
/// `cxr_model_info`). `resizer_size` is `sizeof *resizer`. After `cxr_reset` of the session, it takes the next image of the same kind.
///
/// # Safety
/// `resizer` is null or writable for `resizer_size` bytes; `session` is null, zeroed or initialised, and stays where it is; `memory` is
/// null or writable for `words` words, and from now on, until the resizer is initialised anew or given up, the resizer's alone; `image` is
/// null or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_resizer_init_sized(
    resizer: *mut CxrResizer,
    resizer_size: usize,
    session: *mut CxrSession,
    memory: *mut u32,
    words: usize,
    image: *const CxrImage,
) -> CxrStatus {
    if resizer.is_null() || !resizer.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    if resizer_size < size_of::<State>() {
        return CxrStatus::ErrorAbi;
    }
    let state = resizer.cast::<State>();
    // SAFETY: not null, aligned, large enough, writable by contract. Until all is well there is no resizer.
    unsafe { (&raw mut (*state).initialised).write(0) };
    // SAFETY: by contract.
    let target = match unsafe { session::get(session) } {
        Ok(target) => target,
        Err(status) => return status,
    };
    let [width, height] = [target.width, target.height].map(usize::from);
    if memory.is_null() || !memory.is_aligned() || image.is_null() || !image.is_aligned() {
        return CxrStatus::ErrorPointer;
    }
    if words < resizer_words(target.width) {
        return CxrStatus::ErrorBuffer;
    }
    // SAFETY: not null, aligned, readable by contract.
    let image = unsafe { image.read() };
    // SAFETY: writable for so many words by contract; zeroed first because they may be uninitialised.
    unsafe { ptr::write_bytes(memory, 0, resizer_words(target.width)) };
    // SAFETY: initialised just now, the resizer's alone by contract; the pixels lie after the sums.
    let parts = unsafe { (slice_mut(memory, 2 * width), slice_mut(memory.add(2 * width).cast::<u8>(), width)) };
    let (Some(sums), Some(out)) = parts else { return CxrStatus::ErrorPointer };
    let window = Window { low: image.low, high: image.high, invert: image.invert != 0 };
    match BorrowedResizer::new(sums, out, [image.width as usize, image.height as usize], [width, height], window) {
        Ok(resizer) => {
            let ready = State { initialised: INITIALISED, starts: target.starts, session, resizer };
            // SAFETY: as above.
            unsafe { state.write(ready) };
            CxrStatus::Ok
        }
        Err(error) => Error::from(error).into(),
    }
}

/// Takes the next row of an image of 8 bits a value: `len` is width times `channels`, which is 1 (gray), 3 (RGB) or 4 (RGB and
/// alpha). Rows of the network that it completes go into the session, which must be that of `cxr_resizer_init`.
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
    if !ptr::eq(state.session, session) {
        return CxrStatus::ErrorPointer;
    }
    if state.starts != target.starts {
        state.starts = target.starts;
        state.resizer.restart();
    }
    let mut pushed: Result<(), Error> = Ok(());
    let taken = state.resizer.push_row(row, |out| {
        if pushed.is_ok() {
            pushed = target.session.push_gray_row(out);
        }
    });
    taken.map_err(Error::from).and(pushed).into()
}
