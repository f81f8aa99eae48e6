//! Files: hashes, all-or-nothing writing, image folders.

#[cfg(not(target_family = "wasm"))]
mod write;

#[cfg(not(target_family = "wasm"))]
pub use write::write_all;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The source tree that the program was built from; `None` in a release, so that its bytes do not tell where it was built.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn source_tree() -> Option<PathBuf> {
    if option_env!("CXR_RELEASE").is_some() {
        return None;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned)
}

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
