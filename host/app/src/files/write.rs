//! All-or-nothing writing.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes files, creating folders: none appears unless all could be written beside their places.
///
/// Each file is whole, old or new, whatever happens. The set is not: a crash or a full folder between two renames leaves
/// some files new and some old. The last of `files` is renamed once the others are on the disk, so a file that names
/// the others' hashes belongs last, and then tells a torn set (`host export` does so).
/// Permissions are those of a new file under the umask.
///
/// # Errors
/// Names the file or folder.
pub fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let mut written = Vec::new();
    for (path, bytes) in files {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot create this folder", folder.display()))?;
        let mut temporary =
            builder().prefix(".cxr-").tempfile_in(folder).with_context(|| format!("{}: cannot write here", folder.display()))?;
        temporary.write_all(bytes).with_context(|| format!("{}: cannot be written; is the disk full?", path.display()))?;
        temporary.as_file().sync_all().with_context(|| format!("{}: cannot be written; is the disk full?", path.display()))?;
        written.push((temporary, path));
    }
    let last = written.pop();
    for part in [written, last.into_iter().collect()] {
        let folders: BTreeSet<&Path> = part.iter().map(|(_, path)| folder_of(path)).collect();
        for (temporary, path) in part {
            temporary.persist(path).with_context(|| format!("{}: cannot be replaced", path.display()))?;
        }
        for folder in folders {
            sync(folder).with_context(|| format!("{}: cannot be written; is the disk full?", folder.display()))?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files are private by default; results follow the umask.
#[cfg(unix)]
fn builder() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn builder() -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}

/// Renames last once their folder is on the disk.
#[cfg(unix)]
fn sync(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_is_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("a/one");
        std::fs::write(folder.path().join("file"), b"").unwrap();
        let blocked = folder.path().join("file/two");
        assert!(write_all(&[(good.clone(), vec![1]), (blocked, vec![2])]).is_err());
        assert!(!good.exists());
        write_all(&[(good.clone(), vec![1])]).unwrap();
        assert_eq!(std::fs::read(&good).unwrap(), [1]);
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn the_last_file_is_renamed_when_all_others_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let [model, blocked, manifest] = ["model", "blocked", "manifest"].map(|name| folder.path().join(name));
        std::fs::write(&manifest, b"of the old model").unwrap();
        // A folder cannot be replaced by a file: the second rename fails.
        std::fs::create_dir_all(blocked.join("x")).unwrap();
        let files = [model.clone(), blocked, manifest.clone()].map(|path| (path, b"new".to_vec()));
        let error = write_all(&files).unwrap_err().to_string();
        assert!(error.contains("blocked: cannot be replaced"), "{error}");
        // The set is torn, and its manifest says so.
        assert_eq!(std::fs::read(&model).unwrap(), b"new");
        assert_eq!(std::fs::read(&manifest).unwrap(), b"of the old model");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn modes_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        // The umask is the process's, so it is not changed here: a file that the system makes tells it.
        let folder = tempfile::tempdir().unwrap();
        let [plain, ours] = ["plain", "ours"].map(|name| folder.path().join(name));
        std::fs::File::create(&plain).unwrap();
        write_all(&[(ours.clone(), vec![1])]).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
    }
}
