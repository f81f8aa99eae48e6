//! Models: a checked file, read in place.

use crate::memory::{slice, write_sized, write_text};
use crate::status::{CxrError, CxrStatus};
use crate::{CXR_ABI_VERSION, Held};
use core::ffi::c_char;
use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::Model;

/// Bytes of a `cxr_model` where pointers have 32 bits.
pub const CXR_MODEL_BYTES_32: usize = 24;
/// Bytes of a `cxr_model` where pointers have 64 bits.
pub const CXR_MODEL_BYTES_64: usize = 48;
/// Bytes of a `cxr_model`. The header has it as a macro of the two above.
///
/// cbindgen:ignore
pub const CXR_MODEL_BYTES: usize = if cfg!(target_pointer_width = "32") { CXR_MODEL_BYTES_32 } else { CXR_MODEL_BYTES_64 };
/// Its 64-bit words, which align it.
///
/// cbindgen:ignore
pub const CXR_MODEL_WORDS: usize = CXR_MODEL_BYTES / 8;

/// A checked model file. Zero it or declare it `static`; the file's bytes must outlive it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CxrModel {
    /// Not for the caller.
    pub opaque: [u64; CXR_MODEL_WORDS],
}

const _: () = Held::<Model<'static>>::check::<CxrModel>();

/// Numbers of a model.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CxrInfo {
    /// Exact length of the arena that `cxr_session_init` needs.
    pub arena_bytes: u32,
    /// Elements of the maps of all classes that `cxr_explain` needs.
    pub map_len: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image: bytes of a row for `cxr_push_gray_row`.
    pub width: u32,
    /// Channels of an image: `width * channels` is the bytes of a row for `cxr_push_row`.
    pub channels: u32,
    /// Number of classes, at most `CXR_MAX_CLASSES`.
    pub class_count: u32,
    /// Rows of a class's map.
    pub map_height: u32,
    /// Columns of a class's map.
    pub map_width: u32,
    /// 32-bit words of memory that `cxr_resizer_init` needs.
    pub resizer_words: u32,
}

/// The model behind a pointer, or why there is none.
///
/// # Safety
/// `model` is null or points to a `cxr_model` that was zeroed or given to [`cxr_model_parse`].
pub(crate) unsafe fn get(model: *const CxrModel) -> Result<Model<'static>, CxrStatus> {
    // SAFETY: by contract.
    Ok(unsafe { Held::copy(model) }?)
}

/// Checks a model file of `len` bytes and remembers where it is; nothing is copied. `error` says what is wrong, if it is
/// not null. `abi` is the header's `CXR_ABI_VERSION`, the sizes are those of `*model` and `*error`.
///
/// # Safety
/// `model` and `error` are null or writable for their sizes; `file` is readable for `len` bytes and stays so, unchanged, as long as the
/// model or a session made from it is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_model_parse_sized(
    abi: u32,
    model: *mut CxrModel,
    model_size: usize,
    file: *const u8,
    len: usize,
    error: *mut CxrError,
    error_size: usize,
) -> CxrStatus {
    // SAFETY: by contract.
    let (status, cause) = match unsafe { parse(abi, model, model_size, file, len) } {
        Ok(()) => (CxrStatus::Ok, None),
        Err(failed) => failed,
    };
    // SAFETY: by contract. Nobody need ask for details: that there is no place for them is no error.
    let _ = unsafe { write_sized(error, error_size, CxrError::new(cause, status)) };
    status
}

/// # Safety
/// As [`cxr_model_parse_sized`].
unsafe fn parse(
    abi: u32,
    model: *mut CxrModel,
    model_size: usize,
    file: *const u8,
    len: usize,
) -> Result<(), (CxrStatus, Option<Error>)> {
    // SAFETY: by contract.
    let place = unsafe { Held::begin(model, model_size) }.map_err(|unusable| (unusable.into(), None))?;
    if abi != CXR_ABI_VERSION {
        return Err((CxrStatus::ErrorAbi, None));
    }
    // SAFETY: by contract.
    let file = unsafe { slice(file, len) }.ok_or((CxrStatus::ErrorPointer, None))?;
    place.fill(Model::parse(file).map_err(|cause| (cause.into(), Some(cause)))?);
    Ok(())
}

/// Writes the model's numbers into `info`, whose size is `info_size`.
///
/// # Safety
/// `model` is null, zeroed or parsed; `info` is null or writable for `info_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_model_info_sized(model: *const CxrModel, info: *mut CxrInfo, info_size: usize) -> CxrStatus {
    // SAFETY: by contract.
    let model = match unsafe { get(model) } {
        Ok(model) => model,
        Err(status) => return status,
    };
    let (input, map) = (model.input(), explain::map_shape(&model));
    let numbers = CxrInfo {
        // `parse` bounds both by far less.
        arena_bytes: model.arena_bytes() as u32,
        map_len: explain::map_len(&model) as u32,
        height: u32::from(input.height),
        width: u32::from(input.width),
        channels: u32::from(input.channels),
        class_count: model.class_count() as u32,
        map_height: u32::from(map.height),
        map_width: u32::from(map.width),
        resizer_words: resizer_words(input.width) as u32,
    };
    // SAFETY: by contract.
    unsafe { write_sized(info, info_size, numbers) }.map_or(CxrStatus::ErrorPointer, |()| CxrStatus::Ok)
}

/// Copies the name of class `index` (UTF-8) into `name`, cut to fit and always terminated, and returns the bytes of the whole name
/// without its terminator: 0 if there is no such class, as for the `class_index` of a refusal.
///
/// # Safety
/// `model` is null, zeroed or parsed; `name` is null or writable for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cxr_class_name(model: *const CxrModel, index: i32, name: *mut c_char, capacity: usize) -> u32 {
    // SAFETY: by contract.
    let model = unsafe { get(model) };
    let text = match (&model, usize::try_from(index)) {
        (Ok(model), Ok(index)) => model.class_name(index),
        _ => "",
    };
    // SAFETY: by contract.
    unsafe { write_text(name, capacity, text.as_bytes()) }
}

/// Words of memory for a network of `width` columns: sums of two rows, and a row to hand on, four pixels a word.
pub(crate) fn resizer_words(width: u16) -> usize {
    2 * usize::from(width) + usize::from(width).div_ceil(4)
}
