//! Why a file is no usable image, in kinds that a server can turn into a status.

use std::fmt;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No byte at all.
    Empty,
    /// No image format that is read here.
    NotAnImage,
    /// An image whose data break off or contradict each other.
    Damaged,
    /// More pixels or memory than allowed.
    TooLarge,
    /// A sound image of a sort that has no meaning here: floating-point pixels, many frames.
    Unsupported,
}

/// An error about an image file: one line that names the file and the remedy.
///
/// It travels inside `anyhow::Error`; `downcast_ref` finds it.
///
/// ```
/// use cxr_app::decode::{self, Kind, Refusal};
/// let error = decode::gray(b"", "x.png", 256, 256).unwrap_err();
/// assert_eq!(error.downcast_ref::<Refusal>().map(|refusal| refusal.kind), Some(Kind::Empty));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub kind: Kind,
    /// The line.
    pub message: String,
}

impl Refusal {
    /// A refusal that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
