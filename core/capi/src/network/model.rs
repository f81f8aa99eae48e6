//! Networks: a checked file, read in place.

use super::status::{RownetError, RownetStatus};
use super::{Held, ROWNET_ABI_VERSION, RownetElement};
use crate::memory::{slice, write_sized, write_text};
use core::ffi::c_char;
use rownet::error::Error;
use rownet::model::Model;
use rownet::model::desc::{Element, External, Value};

/// Bytes of a `rownet_model` where pointers have 32 bits.
pub const ROWNET_MODEL_BYTES_32: usize = 48;
/// Bytes of a `rownet_model` where pointers have 64 bits.
pub const ROWNET_MODEL_BYTES_64: usize = 88;
/// Bytes of a `rownet_model`. The header has it as a macro of the two above.
///
/// cbindgen:ignore
pub const ROWNET_MODEL_BYTES: usize =
    if cfg!(target_pointer_width = "32") { ROWNET_MODEL_BYTES_32 } else { ROWNET_MODEL_BYTES_64 };
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const ROWNET_MODEL_WORDS: usize = ROWNET_MODEL_BYTES / 8;

/// A checked network file. Zero it or declare it `static`; the file's bytes must outlive it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RownetModel {
    /// Not for the caller.
    pub opaque: [u64; ROWNET_MODEL_WORDS],
}

const _: () = Held::<Model<'static>>::check::<RownetModel>();

/// Numbers of a network.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RownetInfo {
    /// Exact length of the arena that `rownet_session_init` needs.
    pub arena_bytes: u32,
    /// Rows of the input.
    pub height: u32,
    /// Columns of the input.
    pub width: u32,
    /// Channels of the input: a row is `width * channels` elements, channels interleaved.
    pub channels: u32,
    /// How often all rows of the input are asked for; 1, unless the network was planned for less memory than one pass takes.
    pub passes: u32,
    /// Number of outputs.
    pub output_count: u32,
    /// What the input's values are.
    pub element: RownetElement,
    /// What stands for 0 in the input.
    pub zero_point: i32,
    /// `real = scale * (q - zero_point)`.
    pub scale: f32,
}

/// How a value is meant outside.
pub(super) const fn element(value: &Value) -> RownetElement {
    match (value.element, value.external) {
        (Element::F32, _) => RownetElement::F32,
        (_, External::I8) => RownetElement::I8,
        (_, External::U8) => RownetElement::U8,
        (_, External::F32) => RownetElement::QuantizedF32,
    }
}

/// The network behind a pointer, or why there is none.
///
/// # Safety
/// `model` is null or points to a `rownet_model` that was zeroed or given to [`rownet_model_parse_sized`].
pub(super) unsafe fn get(model: *const RownetModel) -> Result<Model<'static>, RownetStatus> {
    // SAFETY: by contract.
    Ok(unsafe { Held::copy(model) }?)
}

/// Checks a network file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is not null.
/// `abi` is the header's `ROWNET_ABI_VERSION`, the sizes are those of `*model` and `*error`.
///
/// # Safety
/// `model` and `error` are null or writable for their sizes; `file` is readable for `len` bytes and stays so, unchanged, as long as the
/// network or a session made from it is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_model_parse_sized(
    abi: u32,
    model: *mut RownetModel,
    model_size: usize,
    file: *const u8,
    len: usize,
    error: *mut RownetError,
    error_size: usize,
) -> RownetStatus {
    // SAFETY: by contract.
    let (status, cause) = match unsafe { parse(abi, model, model_size, file, len) } {
        Ok(()) => (RownetStatus::Ok, None),
        Err(failed) => failed,
    };
    // SAFETY: by contract. Nobody need ask for details: that there is no place for them is no error.
    let _ = unsafe { write_sized(error, error_size, RownetError::new(cause, status)) };
    status
}

/// # Safety
/// As [`rownet_model_parse_sized`].
unsafe fn parse(
    abi: u32,
    model: *mut RownetModel,
    model_size: usize,
    file: *const u8,
    len: usize,
) -> Result<(), (RownetStatus, Option<Error>)> {
    // SAFETY: by contract.
    let place = unsafe { Held::begin(model, model_size) }.map_err(|unusable| (unusable.into(), None))?;
    if abi != ROWNET_ABI_VERSION {
        return Err((RownetStatus::ErrorAbi, None));
    }
    // SAFETY: by contract.
    let file = unsafe { slice(file, len) }.ok_or((RownetStatus::ErrorPointer, None))?;
    place.fill(Model::parse(file).map_err(|cause| (cause.into(), Some(cause)))?);
    Ok(())
}

/// Writes the network's numbers into `info`, whose size is `info_size`.
///
/// # Safety
/// `model` is null, zeroed or parsed; `info` is null or writable for `info_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_model_info_sized(
    model: *const RownetModel,
    info: *mut RownetInfo,
    info_size: usize,
) -> RownetStatus {
    // SAFETY: by contract.
    let model = match unsafe { get(model) } {
        Ok(model) => model,
        Err(status) => return status,
    };
    let Some(input) = model.value(0) else { return RownetStatus::ErrorInternal };
    let numbers = RownetInfo {
        // `parse` bounds all of them by far less.
        arena_bytes: model.arena_bytes() as u32,
        height: u32::from(input.shape.height),
        width: u32::from(input.shape.width),
        channels: u32::from(input.shape.channels),
        passes: model.input_passes() as u32,
        output_count: model.output_count() as u32,
        element: element(&input),
        zero_point: i32::from(input.zero_point),
        scale: input.scale,
    };
    // SAFETY: by contract.
    unsafe { write_sized(info, info_size, numbers) }.map_or(RownetStatus::ErrorPointer, |()| RownetStatus::Ok)
}

/// Copies label `index` (UTF-8) into `label`, cut to fit and always terminated, and returns the bytes of the whole label without its
/// terminator: 0 if there is none.
///
/// # Safety
/// `model` is null, zeroed or parsed; `label` is null or writable for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rownet_label(model: *const RownetModel, index: u32, label: *mut c_char, capacity: usize) -> u32 {
    // SAFETY: by contract.
    let model = unsafe { get(model) };
    // By bytes: `str::lines` would link a panic.
    let line = |model: Model<'static>| model.labels().as_bytes().split(|byte| *byte == b'\n').nth(index as usize);
    let text = model.ok().and_then(line).unwrap_or_default();
    // SAFETY: by contract.
    unsafe { write_text(label, capacity, text) }
}
