//! The one error type: `Copy`, without allocation, naming offset and field.

use core::fmt;

/// What went wrong. Every variant leaves the caller's buffers valid and the session reusable after `reset`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The file does not start with `RNET`.
    BadMagic,
    /// The file's version is not the one that this library reads.
    UnsupportedVersion {
        /// Version in the file.
        found: u16,
    },
    /// The file is shorter or longer than it says.
    Length {
        /// Bytes that it says.
        expected: u32,
        /// Bytes given.
        given: u32,
    },
    /// The file's checksum does not match its bytes.
    BadChecksum {
        /// CRC-32 stored in the file.
        stored: u32,
        /// CRC-32 of the bytes.
        computed: u32,
    },
    /// A field of the header or of a table holds a value that no valid file has.
    InvalidField {
        /// Bytes from the start of the file.
        offset: u32,
        /// What is wrong.
        field: &'static str,
    },
    /// A value's description is wrong.
    InvalidValue {
        /// Which.
        value: u16,
        /// What is wrong.
        field: &'static str,
    },
    /// An operator cannot be run.
    InvalidOperator {
        /// Which, from 0.
        operator: u16,
        /// What is wrong.
        field: &'static str,
    },
    /// The plan does not fit the network.
    InvalidPlan {
        /// The value whose rows would be lost, or whose buffer is wrong.
        value: u16,
        /// What is wrong.
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
    /// More rows were pushed than the input has.
    TooManyRows,
    /// The input is not complete.
    MissingRows {
        /// Rows pushed so far.
        given: u32,
        /// Rows of the input.
        expected: u32,
    },
    /// Filters were prepared from another file than the session's.
    OtherModel,
    /// An extent of an image is zero or beyond what the integer arithmetic can hold.
    ImageSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A window whose upper level is not above its lower level.
    EmptyWindow,
    /// The file does not fit what was asked: no such output, or one of another type.
    NoSuchOutput,
    /// An internal check failed: there is no result.
    Internal,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic => f.write_str("not a network file: it does not start with RNET; import the network again"),
            Self::UnsupportedVersion { found } => {
                write!(f, "network file version {found} is not supported: import the network again")
            }
            Self::Length { expected, given } => write!(f, "network file is damaged: {given} bytes of {expected}"),
            Self::BadChecksum { stored, computed } => {
                write!(f, "network file is damaged: checksum {stored:08x} stored, {computed:08x} computed")
            }
            Self::InvalidField { offset, field } => write!(f, "network file has an invalid {field} at offset {offset}"),
            Self::InvalidValue { value, field } => write!(f, "value {value}: invalid {field}"),
            Self::InvalidOperator { operator, field } => write!(f, "operator {operator}: invalid {field}"),
            Self::InvalidPlan { value, field } => write!(f, "plan of value {value}: {field}"),
            Self::BufferTooSmall { needed, given } => write!(f, "buffer too small: {needed} needed, {given} given"),
            Self::RowLength { expected, given } => write!(f, "row has {given} elements, {expected} expected"),
            Self::TooManyRows => f.write_str("more rows than the input has"),
            Self::MissingRows { given, expected } => write!(f, "input incomplete: {given} of {expected} rows"),
            Self::OtherModel => f.write_str("the filters were prepared from another network file"),
            Self::ImageSize { width, height } => write!(f, "image size {width}x{height} is out of range"),
            Self::EmptyWindow => f.write_str("window is empty: its high level must be above its low level"),
            Self::NoSuchOutput => f.write_str("the network has no such output"),
            Self::Internal => f.write_str("internal fault: no result"),
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

/// A fault of a plan, whatever was asked for.
pub(crate) const fn wrong_plan<T>(value: u16, field: &'static str) -> Result<T, Error> {
    Err(Error::InvalidPlan { value, field })
}

/// `?` for `const fn`.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}
pub(crate) use attempt;
