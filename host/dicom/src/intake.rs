//! What is taken in, from whichever side, and what is not.

use crate::identity::Identity;
use crate::queue::{Full, Key, Put, Queue};
use anyhow::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes DICOM files in.
#[derive(Debug)]
pub struct Intake {
    /// Where they go.
    pub queue: Arc<Queue>,
    /// The model that will read them.
    pub model_sha256: String,
    /// Largest file in bytes.
    pub most: usize,
    /// For files that are arriving, all together.
    pub memory: Memory,
}

/// What became of a file that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on the disk and will be answered.
    New,
    /// It was there already, or is answered.
    Known,
    /// It is an answer of ours that the archive sent on: there is nothing to do.
    Own,
}

/// Why a file is not taken in.
#[derive(Debug)]
pub enum Refused {
    /// A kind of object that is not read.
    Class(String),
    /// Not the object that was announced.
    Mismatch,
    /// Not a DICOM file, or one that does not say whose it is.
    Damaged(String),
    /// Larger than is taken.
    TooLarge,
    /// No memory, no disk: later.
    Later(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class(class) => write!(f, "objects of class {class} are not read"),
            Self::Mismatch => f.write_str("not the object that was announced"),
            Self::Damaged(what) => f.write_str(what),
            Self::TooLarge => f.write_str("larger than --max-object"),
            Self::Later(why) => f.write_str(why),
        }
    }
}

impl Intake {
    /// Takes a DICOM file in. Once this returns, the file is on the disk.
    ///
    /// `announced` are the SOP class and instance that the sender named, if it did.
    pub fn take(&self, bytes: &[u8], announced: Option<(&str, &str)>) -> Result<(Taken, Identity), Refused> {
        if bytes.len() > self.most {
            return Err(Refused::TooLarge);
        }
        let identity = Identity::read(bytes, "received").map_err(|error| Refused::Damaged(format!("{error:#}")))?;
        if announced.is_some_and(|(class, instance)| class != identity.class || instance != identity.instance) {
            return Err(Refused::Mismatch);
        }
        if !identity.is_read() {
            return Err(Refused::Class(identity.class));
        }
        if identity.is_own {
            return Ok((Taken::Own, identity));
        }
        let key = Key::new(&identity.instance, &self.model_sha256);
        match self.queue.put(&key, bytes) {
            Ok(Put::New) => {
                tracing::info!(key = key.as_str(), bytes = bytes.len(), "received");
                Ok((Taken::New, identity))
            }
            Ok(Put::Known) => Ok((Taken::Known, identity)),
            Err(error) => {
                if !error.is::<Full>() {
                    tracing::error!(error = format!("{error:#}"), "the queue takes no file");
                }
                Err(Refused::Later(later(&error)))
            }
        }
    }
}

/// What the sender is told: no path of this machine.
fn later(error: &Error) -> String {
    if error.is::<Full>() { Full.to_string() } else { "the disk takes no file".to_owned() }
}

/// Memory for what is arriving: a share is taken as bytes come.
#[derive(Debug)]
pub struct Memory {
    free: AtomicU64,
}

/// A share of a [`Memory`]; dropping it gives it back.
#[derive(Debug)]
pub struct Held<'m> {
    memory: &'m Memory,
    bytes: u64,
}

impl Memory {
    /// A memory of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { free: AtomicU64::new(bytes) }
    }

    /// Bytes that nobody holds.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// A share of nothing yet.
    pub fn hold(&self) -> Held<'_> {
        Held { memory: self, bytes: 0 }
    }
}

impl Held<'_> {
    /// Takes `more` bytes; false where there are none.
    pub fn grow(&mut self, more: u64) -> bool {
        let taken = self.memory.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(more)).is_ok();
        self.bytes += if taken { more } else { 0 };
        taken
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back() {
        let memory = Memory::new(10);
        let mut first = memory.hold();
        assert!(first.grow(4) && first.grow(4) && !first.grow(4));
        let mut second = memory.hold();
        assert!(!second.grow(3) && second.grow(2));
        drop((first, second));
        assert_eq!(memory.free(), 10);
    }
}
