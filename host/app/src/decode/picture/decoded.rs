//! What each format gives: a header, then a plane of gray levels, or a refusal.

use super::plane::{Plane, is_transposed};
use crate::decode::refusal::{Kind, Refusal};
use cxr_core::image::Window;
use image::ImageError;
use image::metadata::Orientation;

/// What a file says before its pixels are decoded.
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) orientation: Orientation,
    /// Bytes of a gray level.
    pub(super) sample: u64,
    /// Most bytes alive at once while it is decoded, before it is turned.
    pub(super) peak: u64,
}

impl Header {
    /// Most bytes alive at once: a picture whose rows become columns is there twice.
    pub(super) fn needed(&self) -> u64 {
        let plane = u64::from(self.width) * u64::from(self.height) * self.sample;
        if is_transposed(self.orientation) { self.peak.max(2 * plane) } else { self.peak }
    }
}

/// A decoded picture, not yet turned.
pub(super) struct Decoded {
    pub(super) plane: Plane,
    /// Of 16-bit samples.
    pub(super) window: Window,
    pub(super) warnings: Vec<String>,
}

/// The refusal of a file that contradicts itself or breaks off.
pub(super) fn damaged(name: &str, format: &str, what: impl std::fmt::Display) -> anyhow::Error {
    Refusal::new(Kind::Damaged, format!("{name}: damaged {format} ({what}): replace the file or leave it out")).into()
}

/// The refusal of what the `image` crate refuses.
pub(super) fn of_image_crate(name: &str, format: &str, error: ImageError) -> anyhow::Error {
    match error {
        ImageError::Unsupported(error) => {
            Refusal::new(Kind::Unsupported, format!("{name}: a {format} of a sort that is not read ({error}): save it as PNG"))
                .into()
        }
        ImageError::IoError(_) => damaged(name, format, "it breaks off"),
        error => damaged(name, format, error),
    }
}
