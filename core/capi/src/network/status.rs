//! What a call returns, and the details of a network file that is refused.

use crate::memory::Unusable;
use core::ffi::{CStr, c_char};
use rownet::error::Error;

/// What a call returns: `ROWNET_OK`, or an error, which is negative.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RownetStatus {
    /// Done.
    Ok = 0,
    /// A pointer is null or misaligned.
    ErrorPointer = -1,
    /// The object was never initialised.
    ErrorUninitialised = -2,
    /// The network file is shorter or longer than it says.
    ErrorLength = -3,
    /// The network file does not start with `RNET`.
    ErrorBadMagic = -4,
    /// The network file has a version that this library does not read.
    ErrorVersion = -5,
    /// The network file's checksum is wrong.
    ErrorChecksum = -6,
    /// A field, a value, an operator or the plan of the network file is not what a valid file has.
    ErrorField = -7,
    /// A buffer is too small.
    ErrorBuffer = -8,
    /// A row has the wrong number of elements.
    ErrorRowLength = -9,
    /// More rows were pushed than the input has.
    ErrorTooManyRows = -10,
    /// The input is not complete.
    ErrorMissingRows = -11,
    /// The network has no such output.
    ErrorOutput = -12,
    /// An error that this interface has no name for.
    ErrorOther = -13,
    /// The program was compiled with the header of another version than the library's.
    ErrorAbi = -14,
    /// A fault of the library: there is no result.
    ErrorInternal = -15,
}

impl From<Error> for RownetStatus {
    fn from(error: Error) -> Self {
        match error {
            Error::BadMagic => Self::ErrorBadMagic,
            Error::UnsupportedVersion { .. } => Self::ErrorVersion,
            Error::Length { .. } => Self::ErrorLength,
            Error::BadChecksum { .. } => Self::ErrorChecksum,
            Error::InvalidField { .. }
            | Error::InvalidValue { .. }
            | Error::InvalidOperator { .. }
            | Error::InvalidPlan { .. } => Self::ErrorField,
            Error::BufferTooSmall { .. } => Self::ErrorBuffer,
            Error::RowLength { .. } => Self::ErrorRowLength,
            Error::TooManyRows => Self::ErrorTooManyRows,
            Error::MissingRows { .. } => Self::ErrorMissingRows,
            Error::NoSuchOutput => Self::ErrorOutput,
            Error::Internal => Self::ErrorInternal,
            _ => Self::ErrorOther,
        }
    }
}

impl From<Unusable> for RownetStatus {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Pointer => Self::ErrorPointer,
            Unusable::Uninitialised => Self::ErrorUninitialised,
            Unusable::Size => Self::ErrorAbi,
            Unusable::Buffer => Self::ErrorBuffer,
        }
    }
}

impl From<Result<(), Self>> for RownetStatus {
    fn from(result: Result<(), Self>) -> Self {
        result.map_or_else(|failed| failed, |()| Self::Ok)
    }
}

impl From<Result<(), Error>> for RownetStatus {
    fn from(result: Result<(), Error>) -> Self {
        result.map_or_else(Self::from, |()| Self::Ok)
    }
}

/// Where a network file is wrong.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RownetError {
    /// What the call returned.
    pub status: RownetStatus,
    /// Of `ROWNET_ERROR_FIELD`: bytes from the start of the file, or the number of the value or operator that `field` is of.
    pub at: u32,
    /// What should be there: bytes (`ROWNET_ERROR_LENGTH`), the stored checksum (`ROWNET_ERROR_CHECKSUM`), else 0.
    pub expected: u32,
    /// What is there: bytes, the version (`ROWNET_ERROR_VERSION`), the computed checksum, else 0.
    pub found: u32,
    /// What is wrong (`ROWNET_ERROR_FIELD`), not terminated: print it with `"%.*s", (int)field_len, field`.
    pub field: *const c_char,
    /// Bytes of `field`.
    pub field_len: u32,
}

impl RownetError {
    pub(super) fn new(error: Option<Error>, status: RownetStatus) -> Self {
        let (at, expected, found, field) = match error {
            Some(Error::Length { expected, given }) => (0, expected, given, ""),
            Some(Error::UnsupportedVersion { found }) => (0, 0, u32::from(found), ""),
            Some(Error::BadChecksum { stored, computed }) => (0, stored, computed, ""),
            Some(Error::InvalidField { offset, field }) => (offset, 0, 0, field),
            Some(Error::InvalidValue { value: at, field } | Error::InvalidPlan { value: at, field }) => {
                (u32::from(at), 0, 0, field)
            }
            Some(Error::InvalidOperator { operator, field }) => (u32::from(operator), 0, 0, field),
            _ => (0, 0, 0, ""),
        };
        Self { status, at, expected, found, field: field.as_ptr().cast(), field_len: field.len() as u32 }
    }
}

/// A sentence about a status, terminated and never null, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn rownet_status_text(status: i32) -> *const c_char {
    const TEXTS: [(RownetStatus, &CStr); 16] = [
        (RownetStatus::Ok, c"done"),
        (RownetStatus::ErrorPointer, c"a pointer is null or misaligned"),
        (RownetStatus::ErrorUninitialised, c"the object was never initialised"),
        (RownetStatus::ErrorLength, c"the network file is shorter or longer than it says"),
        (RownetStatus::ErrorBadMagic, c"not a network file of `host import`"),
        (RownetStatus::ErrorVersion, c"unsupported network file version: import the network again"),
        (RownetStatus::ErrorChecksum, c"the network file is damaged: wrong checksum"),
        (RownetStatus::ErrorField, c"the network file is invalid"),
        (RownetStatus::ErrorBuffer, c"a buffer is too small"),
        (RownetStatus::ErrorRowLength, c"a row has the wrong number of elements"),
        (RownetStatus::ErrorTooManyRows, c"more rows than the input has"),
        (RownetStatus::ErrorMissingRows, c"the input is not complete"),
        (RownetStatus::ErrorOutput, c"the network has no such output"),
        (RownetStatus::ErrorOther, c"an error without a name"),
        (RownetStatus::ErrorAbi, c"compiled with the header of another version of the library"),
        (RownetStatus::ErrorInternal, c"internal fault: no result"),
    ];
    let text = TEXTS.iter().find(|(known, _)| *known as i32 == status);
    text.map_or(c"not a status of this library", |(_, text)| text).as_ptr()
}
