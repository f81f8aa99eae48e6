//! What was received and not yet answered, and what was answered and not yet sent: files in a folder.
//!
//! Plain files and renames, no database: an operator sees with `ls` what waits, and a file is whole or not there.
//!
//! | | |
//! |---|---|
//! | `in/KEY.dcm` | received; the sender was told so when it was on the disk |
//! | `out/KEY/NAME.dcm` | answers to send; the folder is renamed into its place when it is whole |
//! | `failed/KEY/` | answers that the archive does not want, and `reason.txt`; tried again after a restart |
//! | `done/KEY` | answered: what is received again gets no second answer |
//! | `tmp/` | half-written, emptied when the program starts |
//!
//! A key names an image and a model.

mod disk;
mod key;

use crate::object::Object;
use anyhow::{Result, ensure};
use disk::{Disk, Left};
pub use key::Key;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What became of a file that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is on the disk and will be answered.
    New,
    /// It was there already, or is answered.
    Known,
}

/// The queue's disk space is used up.
#[derive(Clone, Copy, Debug)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the queue is full: the archive takes no answers, or images come faster than they are read")
    }
}

impl std::error::Error for Full {}

/// The queue; one program at a time has it.
#[derive(Debug)]
pub struct Queue {
    /// Its files.
    pub disk: Disk,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// Of files in `in`.
    bytes: u64,
    /// Being written.
    arriving: BTreeSet<Key>,
    received: VecDeque<Key>,
    /// Being classified.
    at_work: BTreeSet<Key>,
    /// Answers to send, and when.
    answered: Vec<(Instant, Key)>,
}

impl Queue {
    /// Opens the queue in `root`, whose received files may take `limit` bytes, and finds what a run before left.
    ///
    /// # Errors
    /// A folder that cannot be written, or that another program has.
    pub fn open(root: &Path, limit: u64) -> Result<Self> {
        let (disk, Left { received, answered }) = Disk::open(root)?;
        let state = State {
            bytes: received.iter().map(|(_, bytes)| bytes).sum(),
            received: received.into_iter().map(|(key, _)| key).collect(),
            answered: answered.into_iter().map(|key| (Instant::now(), key)).collect(),
            ..State::default()
        };
        Ok(Self { disk, limit, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images that wait for their answer, and answers that wait for the archive.
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.received.len() + state.at_work.len(), state.answered.len())
    }

    /// Puts a received file on the disk.
    ///
    /// # Errors
    /// [`Full`], or a disk that takes no more.
    pub fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put> {
        let mut state = self.lock();
        // Two senders may bring the same image at once: the second learns what became of the first.
        while state.arriving.contains(key) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if self.disk.knows(key) {
            return Ok(Put::Known);
        }
        let len = bytes.len() as u64;
        ensure!(state.bytes + len <= self.limit, Full);
        state.bytes += len;
        state.arriving.insert(key.clone());
        drop(state);
        let written = self.disk.receive(key, bytes);
        let mut state = self.lock();
        state.arriving.remove(key);
        match &written {
            Ok(()) => state.received.push_back(key.clone()),
            Err(_) => state.bytes -= len,
        }
        drop(state);
        self.changed.notify_all();
        written.map(|()| Put::New)
    }

    /// Waits for a received image and takes it, with its file; none once the queue is stopped.
    pub fn take(&self) -> Option<(Key, Result<Vec<u8>>)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(key) = state.received.pop_front() {
                state.at_work.insert(key.clone());
                drop(state);
                let bytes = self.disk.image(&key);
                return Some((key, bytes));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives a taken image back, to be taken again.
    pub fn again(&self, key: &Key) {
        let mut state = self.lock();
        state.at_work.remove(key);
        state.received.push_back(key.clone());
        drop(state);
        self.changed.notify_all();
    }

    /// Waits, at most until the queue is stopped.
    pub fn pause(&self, time: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stopped));
    }

    /// Replaces a taken image by its answers.
    ///
    /// # Errors
    /// A disk that takes no more; the image stays.
    pub fn answer(&self, key: &Key, objects: &[Object]) -> Result<()> {
        let len = self.disk.answer(key, objects)?;
        let mut state = self.lock();
        state.at_work.remove(key);
        state.bytes = state.bytes.saturating_sub(len);
        state.answered.push((Instant::now(), key.clone()));
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for an answer whose time has come, and takes it; none once the queue is stopped.
    pub fn due(&self) -> Option<Key> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = Instant::now();
            let first = (0..state.answered.len()).min_by_key(|i| state.answered[*i].0);
            let wait = match first {
                Some(i) if state.answered[i].0 <= now => return Some(state.answered.swap_remove(i).1),
                Some(i) => state.answered[i].0 - now,
                None => Duration::from_secs(3600),
            };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// An answer that is tried again after `delay`.
    pub fn later(&self, key: &Key, delay: Duration) {
        self.lock().answered.push((Instant::now() + delay, key.clone()));
        self.changed.notify_all();
    }

    /// Ends all waiting; what is there stays there.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// True once it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }
}

#[cfg(test)]
mod tests;
