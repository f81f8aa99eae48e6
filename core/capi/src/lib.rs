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

mod memory;
mod model;
/// cbindgen:ignore
pub mod network;
mod object;
mod resize;
mod session;
mod status;
mod verdict;

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

/// An initialised object.
type Held<T> = object::Held<T, 0x4358_524D>;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
