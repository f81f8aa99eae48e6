//! Why a file is no usable image, in kinds that a server can turn into a status.

use anyhow::Result;
use cxr_core::image::MAX_EXTENT;
use std::fmt;

/// What may be given instead.
pub(super) const REMEDY: &str = "give a PNG, JPEG, TIFF, WebP, BMP or DICOM file";

/// Fails with a [`Refusal`].
macro_rules! refuse {
    ($kind:ident, $($message:tt)*) => { return Err($crate::decode::Refusal::new($crate::decode::Kind::$kind, format!($($message)*)).into()) };
}
pub(super) use refuse;

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

/// Refuses more pixels than the resizer or the memory takes.
pub(super) fn too_large(name: &str, width: u32, height: u32, needed: u64, max_bytes: u64) -> Result<()> {
    if width.max(height) as usize > MAX_EXTENT {
        refuse!(TooLarge, "{name}: {width} x {height} pixels is too large: reduce it to {MAX_EXTENT} pixels a side");
    }
    if needed > max_bytes {
        let (needed, limit) = (needed.div_ceil(1 << 20), max_bytes >> 20);
        refuse!(TooLarge, "{name}: {width} x {height} pixels is too large: it needs {needed} MiB of {limit}; reduce it");
    }
    Ok(())
}
