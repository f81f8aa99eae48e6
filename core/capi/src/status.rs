//! What a call returns, and the details of a model file that is refused.

use crate::memory::Unusable;
use core::ffi::{CStr, c_char};
use cxr_core::error::Error;

/// What a call returns: `CXR_OK`, `CXR_REFUSED` (from `cxr_finish` alone), or an error, which is negative.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CxrStatus {
    /// Done.
    Ok = 0,
    /// The image was processed and the model gives no verdict on it: say so, and name no class.
    Refused = 1,
    /// A pointer is null or misaligned.
    ErrorPointer = -1,
    /// The object was never initialised.
    ErrorUninitialised = -2,
    /// The model file ends before a structure that it should hold.
    ErrorTruncated = -3,
    /// The model file does not start with `CXRM`.
    ErrorBadMagic = -4,
    /// The model file has a version that this library does not read.
    ErrorVersion = -5,
    /// The model file's checksum is wrong.
    ErrorChecksum = -6,
    /// A field of the model file holds a value that no valid file has.
    ErrorField = -7,
    /// A buffer is too small.
    ErrorBuffer = -8,
    /// A row has the wrong number of elements.
    ErrorRowLength = -9,
    /// More rows were pushed than the image has.
    ErrorTooManyRows = -10,
    /// The image is not complete.
    ErrorMissingRows = -11,
    /// An image extent is zero, too large, or not the model's.
    ErrorImageSize = -12,
    /// The window's upper level is not above its lower level, or out of range.
    ErrorWindow = -13,
    /// An error that this interface has no name for.
    ErrorOther = -14,
    /// Rows of the image were pushed already.
    ErrorStarted = -15,
    /// The program was compiled with the header of another version than the library's.
    ErrorAbi = -16,
    /// A fault of the library: there is no verdict.
    ErrorInternal = -17,
}

impl From<Error> for CxrStatus {
    fn from(error: Error) -> Self {
        match error {
            Error::Truncated { .. } => Self::ErrorTruncated,
            Error::BadMagic => Self::ErrorBadMagic,
            Error::UnsupportedVersion { .. } => Self::ErrorVersion,
            Error::BadChecksum { .. } => Self::ErrorChecksum,
            Error::InvalidField { .. } => Self::ErrorField,
            Error::BufferTooSmall { .. } => Self::ErrorBuffer,
            Error::RowLength { .. } => Self::ErrorRowLength,
            Error::TooManyRows => Self::ErrorTooManyRows,
            Error::MissingRows { .. } => Self::ErrorMissingRows,
            Error::ImageSize { .. } => Self::ErrorImageSize,
            Error::EmptyWindow => Self::ErrorWindow,
            Error::Internal => Self::ErrorInternal,
            _ => Self::ErrorOther,
        }
    }
}

impl From<Unusable> for CxrStatus {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Pointer => Self::ErrorPointer,
            Unusable::Uninitialised => Self::ErrorUninitialised,
            Unusable::Size => Self::ErrorAbi,
            Unusable::Buffer => Self::ErrorBuffer,
        }
    }
}

impl From<Result<(), Self>> for CxrStatus {
    fn from(result: Result<(), Self>) -> Self {
        result.map_or_else(|failed| failed, |()| Self::Ok)
    }
}

impl From<Result<(), Error>> for CxrStatus {
    fn from(result: Result<(), Error>) -> Self {
        result.map_or_else(Self::from, |()| Self::Ok)
    }
}

/// Where a model file is wrong.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CxrError {
    /// What the call returned.
    pub status: CxrStatus,
    /// Bytes from the start of the file; 0 where the status needs none.
    pub offset: u32,
    /// What should be there: bytes needed (`CXR_ERROR_TRUNCATED`), the stored checksum (`CXR_ERROR_CHECKSUM`), else 0.
    pub expected: u32,
    /// What is there: the version (`CXR_ERROR_VERSION`), the computed checksum (`CXR_ERROR_CHECKSUM`), else 0.
    pub found: u32,
    /// Name of the field (`CXR_ERROR_FIELD`), not terminated: print it with `"%.*s", (int)field_len, field`.
    pub field: *const c_char,
    /// Bytes of `field`.
    pub field_len: u32,
}

impl CxrError {
    pub(crate) fn new(error: Option<Error>, status: CxrStatus) -> Self {
        let (offset, expected, found, field) = match error {
            Some(Error::Truncated { offset, needed }) => (offset, needed, 0, ""),
            Some(Error::UnsupportedVersion { found }) => (0, 0, u32::from(found), ""),
            Some(Error::BadChecksum { stored, computed }) => (0, stored, computed, ""),
            Some(Error::InvalidField { offset, field }) => (offset, 0, 0, field),
            _ => (0, 0, 0, ""),
        };
        Self { status, offset, expected, found, field: field.as_ptr().cast(), field_len: field.len() as u32 }
    }
}

/// A sentence about a status, terminated and never null, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn cxr_status_text(status: i32) -> *const c_char {
    const TEXTS: [(CxrStatus, &CStr); 19] = [
        (CxrStatus::Ok, c"done"),
        (CxrStatus::Refused, c"the model gives no verdict on this image"),
        (CxrStatus::ErrorPointer, c"a pointer is null or misaligned"),
        (CxrStatus::ErrorUninitialised, c"the object was never initialised"),
        (CxrStatus::ErrorTruncated, c"the model file is truncated"),
        (CxrStatus::ErrorBadMagic, c"not a .cxr model file"),
        (CxrStatus::ErrorVersion, c"unsupported model file version: export it again"),
        (CxrStatus::ErrorChecksum, c"the model file is damaged: wrong checksum"),
        (CxrStatus::ErrorField, c"the model file has an invalid field"),
        (CxrStatus::ErrorBuffer, c"a buffer is too small"),
        (CxrStatus::ErrorRowLength, c"a row has the wrong number of elements"),
        (CxrStatus::ErrorTooManyRows, c"more rows than the image has"),
        (CxrStatus::ErrorMissingRows, c"the image is not complete"),
        (CxrStatus::ErrorImageSize, c"an image extent is zero, too large, or not the model's"),
        (CxrStatus::ErrorWindow, c"the window is empty or out of range"),
        (CxrStatus::ErrorOther, c"an error without a name"),
        (CxrStatus::ErrorStarted, c"rows of the image were pushed already"),
        (CxrStatus::ErrorAbi, c"compiled with the header of another version of the library"),
        (CxrStatus::ErrorInternal, c"internal fault: no verdict"),
    ];
    let text = TEXTS.iter().find(|(known, _)| *known as i32 == status);
    text.map_or(c"not a status of this library", |(_, text)| text).as_ptr()
}
