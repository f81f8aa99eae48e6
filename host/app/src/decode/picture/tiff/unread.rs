//! Why a TIFF is not read.

/// Why a TIFF is not read.
pub(super) enum Unread {
    /// The file contradicts itself.
    Damaged(String),
    /// It is sound, of a sort that is not read.
    Unsupported(String),
}

pub(super) fn damaged<T>(what: &str) -> Result<T, Unread> {
    Err(Unread::Damaged(what.to_owned()))
}

pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, Unread> {
    Err(Unread::Unsupported(what.into()))
}
