//! The C interface of [`cxr_core`]: `include/cxr.h` is generated from this crate, `libcxr.a` is built from it.
//!
//! Research software, not a medical device: not for diagnosis, triage or treatment.
//!
//! Nothing allocates and nothing unwinds: every object lies in memory that the caller owns, whose size is a macro
//! (`CXR_SESSION_BYTES`, ...) or a number asked of the model (`arena_bytes`). Every function checks for null pointers
//! and for objects that were never initialised, and returns a [`CxrStatus`].
//!
//! The order of calls: [`cxr_model_parse`], [`cxr_model_info`], [`cxr_session_init`], then [`cxr_push_row`],
//! [`cxr_push_gray_row`] or [`cxr_resize_row_8`] until the image is complete, then [`cxr_finish`]; [`cxr_reset`]
//! before the next image.
//!
//! On bare metal the library brings a panic handler that stops. No call reaches it: `cargo xtask test --only no-panic`
//! proves from the symbols that nothing links it.
#![cfg_attr(target_os = "none", no_std)]
#![warn(missing_docs)]
// The boundary is unsafe by nature: raw pointers come in.
#![allow(unsafe_code)]

mod model;
mod resize;
mod session;
mod status;

pub use model::{
    CXR_MODEL_BYTES, CXR_MODEL_BYTES_32, CXR_MODEL_BYTES_64, CXR_MODEL_WORDS, CxrInfo, CxrModel, cxr_class_name, cxr_model_info,
    cxr_model_parse,
};
pub use resize::{
    CXR_RESIZER_BYTES, CXR_RESIZER_WIDTH, CXR_RESIZER_WORDS, CxrResizer, CxrWindow, cxr_resize_row_8, cxr_resize_row_16,
    cxr_resizer_init,
};
pub use session::{
    CXR_MAX_CLASSES, CXR_SESSION_BYTES, CXR_SESSION_BYTES_32, CXR_SESSION_BYTES_64, CXR_SESSION_WORDS, CxrRefusal, CxrSession,
    CxrVerdict, cxr_explain, cxr_finish, cxr_push_gray_row, cxr_push_row, cxr_reset, cxr_session_init,
};
pub use status::{CxrError, CxrStatus, cxr_status_text};

/// What an initialised object holds in its first word, so that one that is not is noticed.
const INITIALISED: u32 = 0x4358_524D;

/// A slice from a pointer and a length; an empty one if the pointer is null and the length is 0.
///
/// # Safety
/// `data` points to `len` readable elements that nobody writes during `'a`, or is null.
unsafe fn slice<'a, T>(data: *const T, len: usize) -> Option<&'a [T]> {
    if data.is_null() {
        return (len == 0).then_some(&[]);
    }
    if !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return None;
    }
    // SAFETY: not null, aligned, and by contract readable for `len` elements.
    Some(unsafe { core::slice::from_raw_parts(data, len) })
}

/// The same for memory that is written.
///
/// # Safety
/// `data` points to `len` initialised elements that nobody else touches during `'a`, or is null.
unsafe fn slice_mut<'a, T>(data: *mut T, len: usize) -> Option<&'a mut [T]> {
    if data.is_null() {
        return (len == 0).then_some(&mut []);
    }
    if !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return None;
    }
    // SAFETY: not null, aligned, and by contract ours for `len` elements.
    Some(unsafe { core::slice::from_raw_parts_mut(data, len) })
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
