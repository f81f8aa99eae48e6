//! The C interface of [`rownet`], for any network of `host import`: `include/rownet.h` is generated from this module.
//!
//! As [`cxr.h`](crate): nothing allocates, nothing unwinds, every object lies in the caller's memory, every call returns a status. The order
//! of calls: [`rownet_model_parse_sized`], [`rownet_model_info_sized`], [`rownet_session_init_sized`], then [`rownet_push_row`] or
//! [`rownet_push_row_u8`] as long as [`rownet_next_row`] names a row, then [`rownet_output_sized`]; [`rownet_reset`] before the next input.

mod model;
mod session;
mod status;

pub use model::{
    ROWNET_MODEL_BYTES, ROWNET_MODEL_BYTES_32, ROWNET_MODEL_BYTES_64, ROWNET_MODEL_WORDS, RownetInfo, RownetModel, rownet_label,
    rownet_model_info_sized, rownet_model_parse_sized,
};
pub use session::{
    ROWNET_SESSION_BYTES, ROWNET_SESSION_BYTES_32, ROWNET_SESSION_BYTES_64, ROWNET_SESSION_WORDS, RownetOutput, RownetSession,
    rownet_next_row, rownet_output_sized, rownet_push_row, rownet_push_row_u8, rownet_reset, rownet_session_init_sized,
};
pub use status::{RownetError, RownetStatus, rownet_status_text};

/// Version of this interface: it grows when a call, a field or a number changes its meaning or its place. A library refuses headers of
/// another version.
pub const ROWNET_ABI_VERSION: u32 = 1;

/// An initialised object.
type Held<T> = crate::object::Held<T, 0x524E_4554>;

/// How a value's elements are meant.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RownetElement {
    /// int8: `real = scale * (q - zero_point)`.
    I8 = 0,
    /// uint8 outside, int8 in memory: `u = q + 128`, so that `real = scale * (u - 128 - zero_point)`.
    U8 = 1,
    /// float outside, int8 in memory, as `ROWNET_ELEMENT_I8`.
    QuantizedF32 = 2,
    /// float in memory, four bytes each, little-endian, of any alignment: only of outputs.
    F32 = 3,
}
