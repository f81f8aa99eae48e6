//! A folder into which others put DICOM files. It is read and never written.

use crate::intake::{Intake, Refused};
use cxr_app::decode;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a file must have been as it is: whoever writes it may not have finished.
const SETTLED: Duration = Duration::from_secs(2);
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;

/// Size and time of a file.
type Stamp = (u64, SystemTime);

/// Takes every file that appears in `folder` or below, looking every `step`, until the queue is stopped.
///
/// Polled, since shares of other machines tell nobody of their changes.
pub fn watch(folder: &Path, step: Duration, intake: &Arc<Intake>) {
    // Files that were taken, or that cannot be.
    let mut known: HashMap<PathBuf, Stamp> = HashMap::new();
    while !intake.queue.is_stopped() {
        let mut seen = HashMap::new();
        for (path, stamp) in files(folder) {
            if intake.queue.is_stopped() {
                return;
            }
            let settled = stamp.1.elapsed().map_or(true, |age| age >= SETTLED);
            if known.get(&path) == Some(&stamp) || (settled && take(&path, intake)) {
                seen.insert(path, stamp);
            }
        }
        // What is gone is forgotten.
        known = seen;
        intake.queue.pause(step);
    }
}

/// True unless the file is to be tried again.
fn take(path: &Path, intake: &Intake) -> bool {
    // A path may hold a name, and a log may not.
    let read = decode::read(path).map_err(|_| Refused::Damaged("it cannot be read".to_owned()));
    match read.and_then(|bytes| intake.take(&bytes, None)) {
        Ok(_) => true,
        Err(Refused::Later(_)) => false,
        Err(refused) => {
            tracing::warn!(why = %refused, "a file in the folder was not taken");
            true
        }
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, Stamp)> {
    let (mut found, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match entry.metadata() {
                _ if hidden => {}
                Ok(data) if data.is_dir() && depth < MAX_DEPTH => folders.push((entry.path(), depth + 1)),
                Ok(data) if data.is_file() => {
                    found.push((entry.path(), (data.len(), data.modified().unwrap_or(SystemTime::UNIX_EPOCH))));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}
