//! Where answers go, and what is done when they do not get there.

mod archive;
mod dimse;
mod folder;
mod stow;

pub use archive::{Destination, Sender, Unsent};

use anyhow::{Context, Result};
use std::time::Duration;

/// Sends DICOM files, in their order. All are with the archive once this returns `Ok`.
///
/// # Errors
/// [`Unsent`]. Some may be with the archive then; sent again, they are the same objects.
pub fn send(sender: &Sender, files: &[Vec<u8>]) -> Result<(), Unsent> {
    match &sender.destination {
        Destination::Dimse(title, address) => dimse::send(sender, title, address, files),
        Destination::Stow(address) => stow::send(sender, address, files),
        Destination::Folder(folder) => folder::send(folder, files),
    }
}

/// Headers of a file, a line each, as `Authorization: Basic ...`.
///
/// # Errors
/// A file that cannot be read, or a line that is no header.
pub fn headers(path: &std::path::Path) -> Result<Vec<(String, String)>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name}: cannot be read: check the path"))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    lines.map(|line| header(line).with_context(|| format!("{name}: a line that is no header: write `Name: value`"))).collect()
}

/// Time before the next try after `failures` in a row: 1 s, doubled up to 5 minutes.
pub fn delay(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(9)).min(Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_five_minutes() {
        assert_eq!([0, 1, 8, 9, 40].map(|n| delay(n).as_secs()), [1, 2, 256, 300, 300]);
    }
}
