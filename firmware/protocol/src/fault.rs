//! What can be wrong, as it goes over the line.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FrameFault {
    /// Longer than any frame.
    TooLong,
    /// Not COBS.
    Cobs,
    /// The checksum is wrong.
    Crc,
    /// No message of this version.
    Message,
    /// Of another version.
    Version {
        /// The frame's.
        found: u8,
        /// The reader's.
        supported: u8,
    },
    /// The rest did not come.
    Unfinished,
}

/// What was wrong, as the board reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// Bytes that are no frame.
    Frame(FrameFault),
    /// A frame was lost, repeated or out of order.
    Sequence {
        /// Number that was due.
        expected: u32,
        /// Number that came.
        found: u32,
    },
    /// A frame of an image that is not in progress.
    NoSuchImage {
        /// Its number.
        image: u32,
    },
    /// Another request came before the image was complete.
    Abandoned,
    /// The rest of the image did not come in time.
    Timeout,
    /// An extent is 0 or too large, or the number of the image is 0.
    BadImage,
    /// A row is longer than [`Hello::row`](crate::message::Hello::row).
    RowTooLong {
        /// Its bytes.
        bytes: u32,
    },
    /// The window's high level is not above its low level.
    EmptyWindow,
    /// More pixels than the image has.
    TooMuch,
    /// The image is not complete.
    TooFew {
        /// Rows still missing.
        rows: u16,
    },
    /// The pixels' checksum is not the one that was announced.
    Checksum {
        /// Of the pixels that came.
        found: u32,
    },
    /// This firmware does not do that.
    Unsupported,
    /// The session refused a row: a fault of the firmware.
    Internal,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong => f.write_str("frame too long"),
            Self::Cobs => f.write_str("damaged frame (COBS)"),
            Self::Crc => f.write_str("damaged frame (checksum)"),
            Self::Message => f.write_str("unknown message"),
            Self::Version { found, supported } => write!(f, "protocol version {found}, {supported} is supported"),
            Self::Unfinished => f.write_str("unfinished frame"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Frame(fault) => fault.fmt(f),
            Self::Sequence { expected, found } => write!(f, "frame {found} came where {expected} was due"),
            Self::NoSuchImage { image } => write!(f, "image {image} is not in progress"),
            Self::Abandoned => f.write_str("the image was abandoned for another request"),
            Self::Timeout => f.write_str("the rest of the image did not come in time"),
            Self::BadImage => f.write_str("the image's size is out of range"),
            Self::RowTooLong { bytes } => write!(f, "a row of {bytes} bytes is too long"),
            Self::EmptyWindow => f.write_str("the window is empty"),
            Self::TooMuch => f.write_str("more pixels than the image has"),
            Self::TooFew { rows } => write!(f, "{rows} rows are missing"),
            Self::Checksum { found } => write!(f, "the pixels' checksum is {found:08x}, another was announced"),
            Self::Unsupported => f.write_str("the firmware does not do that"),
            Self::Internal => f.write_str("internal fault"),
        }
    }
}
