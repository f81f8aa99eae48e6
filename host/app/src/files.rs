//! Files: hashes, all-or-nothing writing, image folders.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{}: cannot be read; check the path", path.display()))
}

/// `prefix` with `.suffix` appended, dots in its name kept: `models/a` -> `models/a.int8.onnx`.
pub fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// A model's prefix, whichever of its files was named.
pub fn prefix(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    for suffix in [".int8.onnx", ".onnx", ".cxr", ".json"] {
        if let Some(stem) = text.strip_suffix(suffix) {
            return PathBuf::from(stem);
        }
    }
    path.to_owned()
}

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

/// All image files under `folder`, recursively, by the content's first bytes, sorted.
pub fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let entries =
            std::fs::read_dir(&current).with_context(|| format!("{}: cannot be listed; check the path", current.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_image(&path) {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        bail!("{}: no image (JPEG, PNG, BMP, TIFF) in this folder or below", folder.display());
    }
    found.sort();
    Ok(found)
}

fn is_image(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    read.is_ok() && image::guess_format(&head).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes() {
        for name in ["m/a.b", "m/a.b.cxr", "m/a.b.onnx", "m/a.b.int8.onnx", "m/a.b.json"] {
            assert_eq!(prefix(Path::new(name)), Path::new("m/a.b"));
        }
        assert_eq!(with_suffix(Path::new("m/a.b"), "int8.onnx"), Path::new("m/a.b.int8.onnx"));
    }

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

    #[test]
    fn images_are_found_by_content() {
        let folder = tempfile::tempdir().unwrap();
        assert!(images(folder.path()).is_err());
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let path = folder.path().join("sub/no-extension");
        image::GrayImage::new(2, 2).save_with_format(&path, image::ImageFormat::Png).unwrap();
        std::fs::write(folder.path().join("fake.png"), b"text").unwrap();
        assert_eq!(images(folder.path()).unwrap(), [path]);
    }
}
