//! The C interface of [`cxr_core`], and in [`network`] that of [`rownet`]: `include/cxr.h` and `include/rownet.h` are generated from this
//! crate, `libcxr.a` is built from it.
//!
//! Research software, not a medical device: not for diagnosis, triage or treatment.
//!
//! Nothing allocates and nothing unwinds: every object lies in memory that the caller owns, whose size is a macro
//! (`CXR_SESSION_BYTES`, ...) or a number asked of the model (`arena_bytes`). Every function checks for null pointers
//! and for objects that were never initialised, and returns a [`CxrStatus`].
//!
//! The order of calls: [`cxr_model_parse_sized`], [`cxr_model_info_sized`], [`cxr_session_init_sized`], then [`cxr_push_row`],
//! [`cxr_push_gray_row`] or [`cxr_resize_row_8`] until the image is complete, then [`cxr_finish_sized`]; [`cxr_reset`]
//! before the next image.
//!
//! **Compatibility.** The functions that end in `_sized` take what the caller's header says of itself: [`CXR_ABI_VERSION`] and the sizes
//! of objects. The header has an inline function without the ending for each, which adds them. An object that is smaller than this
//! library's is refused. Of results as much is written as the caller's header knows: fields are only added at their end.
//!
//! On bare metal the library brings a panic handler that stops. No call reaches it: `cargo xtask test --only no-panic`
//! proves from the symbols that nothing links it.
#![cfg_attr(target_os = "none", no_std)]
#![warn(missing_docs)]
// The boundary is unsafe by nature: raw pointers come in.
#![allow(unsafe_code)]

mod model;
/// cbindgen:ignore
pub mod network;
mod resize;
mod session;
mod status;
mod verdict;

use core::ffi::c_char;
use core::ptr;
pub use model::{
    CXR_MODEL_BYTES, CXR_MODEL_BYTES_32, CXR_MODEL_BYTES_64, CXR_MODEL_WORDS, CxrInfo, CxrModel, cxr_class_name,
    cxr_model_info_sized, cxr_model_parse_sized,
};
pub use resize::{
    CXR_RESIZER_BYTES, CXR_RESIZER_BYTES_32, CXR_RESIZER_BYTES_64, CXR_RESIZER_WORDS, CxrImage, CxrResizer, cxr_resize_row_8,
    cxr_resize_row_16, cxr_resizer_init_sized,
};
pub use session::{
    CXR_SESSION_BYTES, CXR_SESSION_BYTES_32, CXR_SESSION_BYTES_64, CXR_SESSION_WORDS, CxrSession, cxr_explain, cxr_finish_sized,
    cxr_push_gray_row, cxr_push_row, cxr_reset, cxr_session_init_sized,
};
pub use status::{CxrError, CxrStatus, cxr_status_text};
pub use verdict::{CXR_MAX_CLASSES, CxrRefusal, CxrScore, CxrVerdict};

/// Version of this interface: it grows when a call, a field or a number changes its meaning or its place. A library refuses headers of
/// another version.
pub const CXR_ABI_VERSION: u32 = 1;

/// What an initialised object holds in its first word, so that one that is not is noticed.
const INITIALISED: u32 = 0x4358_524D;

/// Writes a result into memory of `size` bytes: as much of it as there is room for, zeros into the rest. `None` if the pointer is null or
/// misaligned.
///
/// # Safety
/// `to` is null or writable for `size` bytes.
unsafe fn write_sized<T: Copy>(to: *mut T, size: usize, value: T) -> Option<()> {
    if to.is_null() || !to.is_aligned() {
        return None;
    }
    let len = size.min(size_of::<T>());
    // SAFETY: not null, writable by contract for `size` bytes, of which `len` are the first; `value` has as many.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping((&raw const value).cast(), len);
        to.cast::<u8>().add(len).write_bytes(0, size - len);
    }
    Some(())
}

/// Copies a text, cut to fit and always terminated; the bytes of the whole text without its terminator.
///
/// # Safety
/// `to` is null or writable for `capacity` bytes.
unsafe fn write_text(to: *mut c_char, capacity: usize, text: &[u8]) -> u32 {
    if !to.is_null() && capacity > 0 {
        // SAFETY: writable for `capacity` bytes by contract; zeroed first because it may be uninitialised.
        unsafe { ptr::write_bytes(to, 0, capacity) };
        // SAFETY: initialised just now.
        if let Some(cells) = unsafe { slice_mut(to.cast::<u8>(), capacity - 1) } {
            cells.iter_mut().zip(text).for_each(|(cell, byte)| *cell = *byte);
        }
    }
    text.len() as u32
}

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
