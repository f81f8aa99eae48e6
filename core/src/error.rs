//! The one error type: `Copy`, without allocation, naming offset and field.

use core::fmt;

/// What went wrong. Every variant leaves the caller's buffers valid and the session reusable.
///
/// ```
/// use cxr_core::{error::Error, format::Model};
/// let error = Model::parse(b"GIF89a").unwrap_err();
/// assert_eq!(error, Error::BadMagic);
/// assert_eq!(error.to_string(), "not a .cxr model file: it does not start with CXRM");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The model file ends before a structure that it should hold.
    Truncated {
        /// Where the structure starts, bytes from the start of the file.
        offset: u32,
        /// Bytes that it needs.
        needed: u32,
    },
    /// The file does not start with the magic bytes `CXRM`.
    BadMagic,
    /// The file's format version is not the one that this library reads.
    UnsupportedVersion {
        /// Version in the file.
        found: u16,
    },
    /// The file's checksum does not match its bytes.
    BadChecksum {
        /// CRC-32 stored in the file.
        stored: u32,
        /// CRC-32 of the bytes.
        computed: u32,
    },
    /// A field of the model file holds a value that no valid file has.
    InvalidField {
        /// Where the field is, bytes from the start of the file.
        offset: u32,
        /// Its name, as in `docs/model-format.md`.
        field: &'static str,
    },
    /// A caller's buffer is too small.
    BufferTooSmall {
        /// Elements needed.
        needed: u32,
        /// Elements given.
        given: u32,
    },
    /// A row has the wrong number of elements.
    RowLength {
        /// Elements expected.
        expected: u32,
        /// Elements given.
        given: u32,
    },
    /// More rows were pushed than the image has.
    TooManyRows,
    /// The image is not complete.
    MissingRows {
        /// Rows pushed so far.
        given: u16,
        /// Rows expected.
        expected: u16,
    },
    /// An image dimension is zero or beyond what the integer arithmetic can hold.
    ImageSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Weights were prepared from another model file than the session's.
    OtherModel,
    /// A window whose upper level is not above its lower level.
    EmptyWindow,
    /// A fault of this library: a layer did not see or compute every row, so that there is no verdict.
    Internal,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { offset, needed } => {
                write!(f, "model file is truncated: {needed} bytes needed at offset {offset}")
            }
            Self::BadMagic => f.write_str("not a .cxr model file: it does not start with CXRM"),
            Self::UnsupportedVersion { found } => write!(f, "model file version {found} is not supported: export it again"),
            Self::BadChecksum { stored, computed } => {
                write!(f, "model file is damaged: checksum {stored:08x} stored, {computed:08x} computed")
            }
            Self::InvalidField { offset, field } => write!(f, "model file has an invalid {field} at offset {offset}"),
            Self::BufferTooSmall { needed, given } => write!(f, "buffer too small: {needed} needed, {given} given"),
            Self::RowLength { expected, given } => write!(f, "row has {given} elements, {expected} expected"),
            Self::TooManyRows => f.write_str("more rows than the image has"),
            Self::MissingRows { given, expected } => write!(f, "image incomplete: {given} of {expected} rows"),
            Self::ImageSize { width, height } => write!(f, "image size {width}x{height} is out of range"),
            Self::OtherModel => f.write_str("the weights were prepared from another model file"),
            Self::EmptyWindow => f.write_str("window is empty: its high level must be above its low level"),
            Self::Internal => f.write_str("internal fault: a layer lacks rows"),
        }
    }
}

/// The sentence of `Display`: a derived `Debug` would link the panics of `str`'s escaping into firmware that prints it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

/// What the engine's resizer says; it has no other errors to give here.
impl From<rownet::error::Error> for Error {
    fn from(error: rownet::error::Error) -> Self {
        use rownet::error::Error as Engine;
        match error {
            Engine::BufferTooSmall { needed, given } => Self::BufferTooSmall { needed, given },
            Engine::RowLength { expected, given } => Self::RowLength { expected, given },
            Engine::TooManyRows => Self::TooManyRows,
            Engine::ImageSize { width, height } => Self::ImageSize { width, height },
            Engine::EmptyWindow => Self::EmptyWindow,
            _ => Self::Internal,
        }
    }
}
