//! The queue's folder: where each file lies, and the steps from one to the next.
//!
//! Every step leaves the next one's file before it removes its own, so wherever the program ends, the work goes on from
//! there; a step that is done twice writes the same names.

use super::key::Key;
use crate::object::Object;
use anyhow::{Context, Result, ensure};
use cxr_app::files;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder; one program at a time has it.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// Held for as long as the program runs.
    _lock: File,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Left {
    /// Received, and their bytes.
    pub received: Vec<(Key, u64)>,
    /// Answered, and not yet sent.
    pub answered: Vec<Key>,
}

/// How long it is remembered that an image is answered.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);
const FOLDERS: [&str; 5] = ["in", "out", "failed", "done", "tmp"];

impl Disk {
    /// Opens the folder `root`, and finds what a run before left.
    ///
    /// # Errors
    /// A folder that cannot be written, or that another program has.
    pub fn open(root: &Path) -> Result<(Self, Left)> {
        let name = root.display();
        for folder in FOLDERS {
            let path = root.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("{name}: cannot be made: choose another --queue"))?;
        }
        let lock =
            File::create(root.join("lock")).with_context(|| format!("{name}: cannot be written: check its permissions"))?;
        ensure!(lock.try_lock().is_ok(), "{name}: another `host dicom` has this queue: stop it, or choose another --queue");
        let disk = Self { root: root.to_owned(), _lock: lock };
        let left = disk.recover().with_context(|| format!("{name}: this queue cannot be read: check its permissions"))?;
        Ok((disk, left))
    }

    /// Ends what a run before began, and lists what is to be done.
    fn recover(&self) -> io::Result<Left> {
        fs::remove_dir_all(self.root.join("tmp"))?;
        fs::create_dir(self.root.join("tmp"))?;
        let mut left = Left::default();
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
                left.answered.push(key);
            }
        }
        for key in keys("in")? {
            if self.out(&key).exists() || self.done(&key).exists() {
                fs::remove_file(self.received(&key))?;
            } else {
                let bytes = fs::metadata(self.received(&key))?.len();
                left.received.push((key, bytes));
            }
        }
        Ok(left)
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

    /// True where the image is known already.
    pub fn knows(&self, key: &Key) -> bool {
        [self.received(key), self.out(key), self.done(key), self.failed(key)].iter().any(|path| path.exists())
    }

    /// Writes a received file.
    ///
    /// # Errors
    /// A disk that takes no more.
    pub fn receive(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        files::write_all(&[(self.received(key), bytes.to_vec())])
    }

    /// A received file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn image(&self, key: &Key) -> Result<Vec<u8>> {
        fs::read(self.received(key)).with_context(|| self.received(key).display().to_string())
    }

    /// Replaces a received file by its answers; how many bytes it had.
    ///
    /// # Errors
    /// A disk that takes no more; the image stays.
    pub fn answer(&self, key: &Key, objects: &[Object]) -> Result<u64> {
        let half = self.root.join("tmp").join(key.as_str());
        let named = objects.iter().map(|object| (half.join(format!("{}.dcm", object.name)), object.bytes.clone()));
        files::write_all(&named.collect::<Vec<_>>())?;
        fs::rename(&half, self.out(key)).with_context(|| format!("{}: cannot be renamed", half.display()))?;
        sync(&self.root.join("out"))?;
        let path = self.received(key);
        let len = fs::metadata(&path).map_or(0, |file| file.len());
        fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
        Ok(len)
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

    /// An answer that the archive does not want.
    ///
    /// # Errors
    /// A disk that takes no more.
    pub fn fail(&self, key: &Key, reason: &str) -> Result<()> {
        files::write_all(&[(self.out(key).join("reason.txt"), format!("{reason}\n").into_bytes())])?;
        fs::rename(self.out(key), self.failed(key)).with_context(|| format!("{}: cannot be moved", self.out(key).display()))
    }
}

/// Renames last once their folder is on the disk.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("{}: cannot be written", folder.display()))
}
