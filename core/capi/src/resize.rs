//! Images of any size: rows as the detector gives them, resized into the session as they come.

use crate::Held;
use crate::memory::{slice, slice_mut, zeroed};
use crate::model::resizer_words;
use crate::session::{self, CxrSession};
use crate::status::CxrStatus;
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

/// What a resizer holds.
struct State {
    /// The session's, when the image began.
    starts: u32,
    /// The session that rows go to: only compared.
    session: *const CxrSession,
    resizer: BorrowedResizer<'static>,
}

const _: () = Held::<State>::check::<CxrResizer>();

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
    // SAFETY: by contract.
    unsafe { init(resizer, resizer_size, session, memory, words, image) }.into()
}

/// # Safety
/// As [`cxr_resizer_init_sized`].
unsafe fn init(
    resizer: *mut CxrResizer,
    resizer_size: usize,
    session: *mut CxrSession,
    memory: *mut u32,
    words: usize,
    image: *const CxrImage,
) -> Result<(), CxrStatus> {
    // SAFETY: by contract.
    let (place, target) = unsafe { (Held::begin(resizer, resizer_size)?, session::get(session)?) };
    let [width, height] = [target.width, target.height].map(usize::from);
    if image.is_null() || !image.is_aligned() {
        return Err(CxrStatus::ErrorPointer);
    }
    // SAFETY: by contract.
    let memory = unsafe { zeroed(memory, words, resizer_words(target.width)) }?;
    // SAFETY: not null, aligned, readable by contract.
    let image = unsafe { image.read() };
    let (sums, pixels) = memory.split_at_mut_checked(2 * width).ok_or(CxrStatus::ErrorInternal)?;
    // SAFETY: the words after the sums, as bytes: four times as many as there are words, `width` at least.
    let out = unsafe { slice_mut(pixels.as_mut_ptr().cast::<u8>(), width) }.ok_or(CxrStatus::ErrorInternal)?;
    let window = Window { low: image.low, high: image.high, invert: image.invert != 0 };
    let from = [image.width as usize, image.height as usize];
    let resizer = BorrowedResizer::new(sums, out, from, [width, height], window).map_err(Error::from)?;
    place.fill(State { starts: target.starts, session, resizer });
    Ok(())
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
    // SAFETY: by contract; a resizer is no session, so the two references are apart.
    let (state, target) = match unsafe { (Held::<State>::get(resizer), session::get(session)) } {
        (Ok(state), Ok(target)) => (state, target),
        (Err(unusable), _) => return unusable.into(),
        (_, Err(status)) => return status,
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
