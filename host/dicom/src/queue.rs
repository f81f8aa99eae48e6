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
//! A key names an image and a model. Every step leaves the next one's file before it removes its own, so wherever the
//! program ends, the work goes on from there; a step that is done twice writes the same names.

mod key;

use crate::object::Object;
use anyhow::{Context, Result, ensure};
use cxr_app::files;
pub use key::Key;
use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

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
    root: PathBuf,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Held for as long as the program runs.
    _lock: File,
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

/// How long it is remembered that an image is answered.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);
const FOLDERS: [&str; 5] = ["in", "out", "failed", "done", "tmp"];

impl Queue {
    /// Opens the queue in `root`, whose received files may take `limit` bytes, and finds what a run before left.
    ///
    /// # Errors
    /// A folder that cannot be written, or that another program has.
    pub fn open(root: &Path, limit: u64) -> Result<Self> {
        let name = root.display();
        for folder in FOLDERS {
            let path = root.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("{name}: cannot be made: choose another --queue"))?;
        }
        let lock =
            File::create(root.join("lock")).with_context(|| format!("{name}: cannot be written: check its permissions"))?;
        ensure!(lock.try_lock().is_ok(), "{name}: another `host dicom` has this queue: stop it, or choose another --queue");
        let queue = Self { root: root.to_owned(), limit, state: Mutex::default(), changed: Condvar::new(), _lock: lock };
        queue.recover().with_context(|| format!("{name}: this queue cannot be read: check its permissions"))?;
        Ok(queue)
    }

    /// Ends what a run before began, and lists what is to be done.
    fn recover(&self) -> io::Result<()> {
        fs::remove_dir_all(self.root.join("tmp"))?;
        fs::create_dir(self.root.join("tmp"))?;
        let mut state = self.lock();
        let keys = |folder: &str| -> io::Result<Vec<Key>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(self.root.join(folder))? {
                let name = entry?.file_name();
                found.extend(Key::read(Path::new(&name).file_stem().unwrap_or_default()));
            }
            found.sort();
            Ok(found)
        };
        for key in keys("done")? {
            if let Ok(age) = fs::metadata(self.done(&key))?.modified().map(|at| SystemTime::now().duration_since(at))
                && age.is_ok_and(|age| age > REMEMBERED)
            {
                fs::remove_file(self.done(&key))?;
            }
        }
        // The archive may take today what it did not take yesterday.
        for key in keys("failed")? {
            let _ = fs::remove_file(self.failed(&key).join("reason.txt"));
            fs::rename(self.failed(&key), self.out(&key))?;
        }
        for key in keys("out")? {
            if self.done(&key).exists() {
                fs::remove_dir_all(self.out(&key))?;
            } else {
                state.answered.push((Instant::now(), key));
            }
        }
        for key in keys("in")? {
            if self.out(&key).exists() || self.done(&key).exists() {
                fs::remove_file(self.received(&key))?;
            } else {
                state.bytes += fs::metadata(self.received(&key))?.len();
                state.received.push_back(key);
            }
        }
        Ok(())
    }

    fn received(&self, key: &Key) -> PathBuf {
        self.root.join("in").join(format!("{}.dcm", key.as_str()))
    }

    fn out(&self, key: &Key) -> PathBuf {
        self.root.join("out").join(key.as_str())
    }

    fn failed(&self, key: &Key) -> PathBuf {
        self.root.join("failed").join(key.as_str())
    }

    fn done(&self, key: &Key) -> PathBuf {
        self.root.join("done").join(key.as_str())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images that wait for their answer, and answers that wait for the archive.
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.received.len() + state.at_work.len(), state.answered.len())
    }

    /// True where the image is known already.
    pub fn knows(&self, key: &Key) -> bool {
        [self.received(key), self.out(key), self.done(key), self.failed(key)].iter().any(|path| path.exists())
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
        if self.knows(key) {
            return Ok(Put::Known);
        }
        let len = bytes.len() as u64;
        ensure!(state.bytes + len <= self.limit, Full);
        state.bytes += len;
        state.arriving.insert(key.clone());
        drop(state);
        let written = files::write_all(&[(self.received(key), bytes.to_vec())]);
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
                let bytes = fs::read(self.received(&key)).with_context(|| self.received(&key).display().to_string());
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
        let half = self.root.join("tmp").join(key.as_str());
        let named = objects.iter().map(|object| (half.join(format!("{}.dcm", object.name)), object.bytes.clone()));
        files::write_all(&named.collect::<Vec<_>>())?;
        fs::rename(&half, self.out(key)).with_context(|| format!("{}: cannot be renamed", half.display()))?;
        sync(&self.root.join("out"))?;
        self.forget_image(key)?;
        self.lock().answered.push((Instant::now(), key.clone()));
        self.changed.notify_all();
        Ok(())
    }

    fn forget_image(&self, key: &Key) -> Result<()> {
        let path = self.received(key);
        let len = fs::metadata(&path).map_or(0, |file| file.len());
        fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
        let mut state = self.lock();
        state.at_work.remove(key);
        state.bytes = state.bytes.saturating_sub(len);
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

    /// The files of an answer, in the order in which they are sent.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn objects(&self, key: &Key) -> Result<Vec<Vec<u8>>> {
        let folder = self.out(key);
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .with_context(|| format!("{}: cannot be read", folder.display()))?;
        paths.sort();
        paths.iter().map(|path| fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))).collect()
    }

    /// An answer is with the archive.
    ///
    /// # Errors
    /// A disk that takes no more; the answer is sent again then, under the same identifiers.
    pub fn sent(&self, key: &Key) -> Result<()> {
        files::write_all(&[(self.done(key), Vec::new())])?;
        let out = self.out(key);
        fs::remove_dir_all(&out).with_context(|| format!("{}: cannot be removed", out.display()))
    }

    /// An answer that is tried again after `delay`.
    pub fn later(&self, key: &Key, delay: Duration) {
        self.lock().answered.push((Instant::now() + delay, key.clone()));
        self.changed.notify_all();
    }

    /// An answer that the archive does not want.
    ///
    /// # Errors
    /// A disk that takes no more.
    pub fn fail(&self, key: &Key, reason: &str) -> Result<()> {
        files::write_all(&[(self.out(key).join("reason.txt"), format!("{reason}\n").into_bytes())])?;
        fs::rename(self.out(key), self.failed(key)).with_context(|| format!("{}: cannot be moved", self.out(key).display()))
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

/// Renames last once their folder is on the disk.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("{}: cannot be written", folder.display()))
}

#[cfg(test)]
mod tests;
