//! What is to be classified: files, folders, lists and standard input, in one order, and a share of them.

use crate::decode;
use crate::decode::{Kind, Refusal};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use walkdir::WalkDir;

/// What to classify.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Inputs {
    /// Images, told by their content; folders of them; @FILE, a list of paths, one a line (@- reads the list from standard
    /// input); - for one image on standard input. ./@x and ./- are files of these names.
    #[arg(value_name = "IMAGE|DIR|@LIST|-")]
    pub images: Vec<PathBuf>,
    /// Takes the folders below a folder as well.
    #[arg(long)]
    pub recursive: bool,
    /// Takes one of N shares of all images: every N-th from the K-th on in the order of their paths, as 1/4 to 4/4. job/4 in a
    /// pod of a Kubernetes indexed Job: its JOB_COMPLETION_INDEX, which counts from 0, says which.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
}

/// Which share of how many, written `2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text, std::env::var("JOB_COMPLETION_INDEX").ok().as_deref())
    }
}

impl Shard {
    /// The share that `text` names, in a pod of that index if it is one.
    fn read(text: &str, index: Option<&str>) -> Result<Self> {
        // The image has no shell that could add one to the index.
        let of_pod = text.strip_prefix("job/").map(|of| {
            let index = index.and_then(|index| index.parse::<usize>().ok()?.checked_add(1));
            index.map(|number| format!("{number}/{of}")).with_context(|| {
                format!("{text}: JOB_COMPLETION_INDEX is no number: run it in an indexed Job, or give a share as 1/4 to 4/4")
            })
        });
        let text = &of_pod.transpose()?.unwrap_or_else(|| text.to_owned());
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of): (usize, usize) = parts.with_context(|| format!("{text}: give a share as 1/4 to 4/4"))?;
        ensure!(number >= 1 && number <= of, "{text}: give a share as 1/{of} to {of}/{of}");
        Ok(Self { number, of })
    }
}

/// One thing to classify.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A file that was named.
    Named(PathBuf),
    /// A file that was found in a folder, where other files may lie too.
    Found(PathBuf),
    /// A place in a folder that could not be looked at, and why.
    Unreadable(PathBuf, String),
    /// Standard input.
    Stdin,
}

/// A file in a folder that is no image by its name nor by its content.
#[derive(Debug)]
pub struct NoImage;

impl fmt::Display for NoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no image by name or content")
    }
}

impl std::error::Error for NoImage {}

/// Largest image on standard input, as of a file.
const MAX_STDIN: u64 = 256 << 20;
/// Extensions of files that are expected to be images: one that cannot be read is an error, not a neighbour.
const EXTENSIONS: [&str; 27] = [
    "avif", "bmp", "dcm", "dcm30", "dib", "dic", "dicom", "dng", "gif", "heic", "heif", "img", "ima", "j2c", "j2k", "jfif",
    "jls", "jp2", "jpe", "jpeg", "jpg", "jxl", "png", "tif", "tiff", "webp", "btf",
];

impl Input {
    /// Its path as it is shown.
    pub fn name(&self) -> String {
        match self {
            Self::Named(path) | Self::Found(path) | Self::Unreadable(path, _) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Its path; `-` for standard input.
    pub fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Found(path) | Self::Unreadable(path, _) => path,
            Self::Stdin => Path::new("-"),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Names it and the remedy.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::Named(path) | Self::Found(path) => decode::read(path),
            Self::Unreadable(path, why) => bail!("{}: cannot be looked at ({why}): check its permissions", path.display()),
            Self::Stdin => {
                let mut bytes = Vec::new();
                std::io::stdin().take(MAX_STDIN + 1).read_to_end(&mut bytes).context("-: standard input cannot be read")?;
                ensure!(
                    bytes.len() as u64 <= MAX_STDIN,
                    Refusal::new(Kind::TooLarge, format!("-: larger than {} MiB: reduce it", MAX_STDIN >> 20))
                );
                Ok(bytes)
            }
        }
    }

    /// Turns the refusal of a neighbour of images, such as notes.txt, into [`NoImage`].
    pub fn judge(&self, error: anyhow::Error) -> anyhow::Error {
        let kind = error.downcast_ref::<Refusal>().map(|refusal| refusal.kind);
        match (self, kind) {
            (Self::Found(path), Some(Kind::NotAnImage | Kind::Empty)) if is_neighbour(path) => NoImage.into(),
            _ => error,
        }
    }
}

/// True for an extension that images do not have. `1.2.840.10008` has none, nor has `IM000001`.
fn is_neighbour(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    extension.starts_with(|c: char| c.is_ascii_alphabetic()) && !EXTENSIONS.contains(&extension.as_str())
}

impl Inputs {
    /// All inputs of the command line, or the share of them that was asked for. What a folder holds is sorted by path.
    ///
    /// # Errors
    /// Nothing was named; a folder without files; a list that cannot be read; standard input twice.
    pub fn expand(&self) -> Result<Vec<Input>> {
        ensure!(!self.images.is_empty(), "no image was given: name images, folders, @LIST, or - for standard input");
        let readers = self.images.iter().filter(|path| path.as_os_str() == "-" || path.as_os_str() == "@-");
        ensure!(readers.count() <= 1, "standard input was named twice: it can be read once");
        let mut all = Vec::new();
        for path in &self.images {
            let name = path.as_os_str();
            if name == "-" {
                all.push(Input::Stdin);
            } else if let Some(list) = name.to_str().and_then(|name| name.strip_prefix('@')) {
                for path in read_list(list)? {
                    self.add(path, &mut all)?;
                }
            } else {
                self.add(path.clone(), &mut all)?;
            }
        }
        Ok(match self.shard {
            Some(shard) => shard.of(all),
            None => all,
        })
    }

    /// A file as it is; of a folder, what is in it.
    fn add(&self, path: PathBuf, all: &mut Vec<Input>) -> Result<()> {
        if !path.is_dir() {
            all.push(Input::Named(path));
            return Ok(());
        }
        let depth = if self.recursive { usize::MAX } else { 1 };
        let is_hidden = |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        // Links are followed; walkdir finds the loops.
        let entries = WalkDir::new(&path).max_depth(depth).follow_links(true).into_iter().filter_entry(|entry| !is_hidden(entry));
        let (mut found, mut folders) = (Vec::new(), 0);
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_type().is_file() => found.push(Input::Found(entry.into_path())),
                Ok(entry) => folders += usize::from(entry.depth() > 0),
                Err(error) => {
                    let place = error.path().unwrap_or(&path).to_owned();
                    found.push(Input::Unreadable(
                        place,
                        error.io_error().map_or("a loop of links".to_owned(), ToString::to_string),
                    ));
                }
            }
        }
        if found.is_empty() {
            let remedy = if folders > 0 && !self.recursive { "--recursive takes those below" } else { "name another" };
            bail!("{}: a folder without files: {remedy}", path.display());
        }
        found.sort_by(|a, b| a.path().cmp(b.path()));
        all.append(&mut found);
        Ok(())
    }
}

/// The paths of a list: lines, or parted by NUL as `find -print0` writes them. Empty ones are left out.
fn read_list(name: &str) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<u8>> {
        if name == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(name)
    };
    let bytes = read().with_context(|| format!("@{name}: the list cannot be read; check the path"))?;
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let lines = bytes.split(|byte| *byte == separator);
    let lines = lines.map(|line| if separator == 0 { line } else { line.strip_suffix(b"\r").unwrap_or(line) });
    let paths = lines.filter(|line| !line.is_empty()).map(path_of).collect::<Result<Vec<_>>>();
    let paths = paths.with_context(|| format!("@{name}: not a list of paths"))?;
    ensure!(!paths.is_empty(), "@{name}: an empty list: write a path on each line");
    Ok(paths)
}

#[cfg(unix)]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(OsString::from_vec(line.to_vec()).into())
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    Ok(OsString::from(std::str::from_utf8(line)?).into())
}

impl Shard {
    /// The inputs of this share, in their order.
    fn of(self, all: Vec<Input>) -> Vec<Input> {
        let mut by_path: Vec<usize> = (0..all.len()).collect();
        by_path.sort_by(|a, b| all[*a].cmp_path(&all[*b]));
        let mut taken = vec![false; all.len()];
        by_path.iter().skip(self.number - 1).step_by(self.of).for_each(|index| taken[*index] = true);
        all.into_iter().zip(taken).filter_map(|(input, taken)| taken.then_some(input)).collect()
    }
}

impl Input {
    fn cmp_path(&self, other: &Self) -> std::cmp::Ordering {
        self.path().cmp(other.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(images: &[&Path], recursive: bool, shard: Option<&str>) -> Inputs {
        let shard = shard.map(|shard| shard.parse().unwrap());
        Inputs { images: images.iter().map(|path| path.to_path_buf()).collect(), recursive, shard }
    }

    fn names(root: &Path, inputs: &[Input]) -> Vec<String> {
        inputs.iter().map(|input| input.path().strip_prefix(root).unwrap().display().to_string()).collect()
    }

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a/IM000001", "a/deep/x.dcm", "c/1.2.840.1", ".hidden", "c/.git/x.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        folder
    }

    #[test]
    fn folders_give_what_is_in_them_sorted_and_nothing_hidden() {
        let folder = tree();
        let root = folder.path();
        assert_eq!(names(root, &inputs(&[root], false, None).expand().unwrap()), ["b.png"]);
        let all = ["a/IM000001", "a/deep/x.dcm", "b.png", "c/1.2.840.1"];
        assert_eq!(names(root, &inputs(&[root], true, None).expand().unwrap()), all);
        // Named files keep their order, and come as often as they were named.
        let (b, a) = (root.join("b.png"), root.join("a"));
        assert_eq!(names(root, &inputs(&[&b, &a, &b], false, None).expand().unwrap()), ["b.png", "a/IM000001", "b.png"]);
        let empty = root.join("empty");
        std::fs::create_dir_all(empty.join("below")).unwrap();
        let error = inputs(&[&empty], false, None).expand().unwrap_err().to_string();
        assert!(error.contains("empty: a folder without files: --recursive"), "{error}");
        assert!(inputs(&[], false, None).expand().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn loops_of_links_end_and_are_told() {
        let folder = tree();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        let found = inputs(&[folder.path()], true, None).expand().unwrap();
        let loops: Vec<_> = found.iter().filter(|input| matches!(input, Input::Unreadable(..))).collect();
        assert_eq!((found.len(), loops.len()), (5, 1), "{found:?}");
        assert!(loops[0].read().unwrap_err().to_string().contains("loop"), "{loops:?}");
    }

    #[test]
    fn shares_part_the_inputs_whatever_the_order_of_the_arguments() {
        let folder = tree();
        let root = folder.path();
        let (a, b, c) = (root.join("a"), root.join("b.png"), root.join("c"));
        let share = |images: &[&Path], shard| names(root, &inputs(images, true, Some(shard)).expand().unwrap());
        assert_eq!(share(&[root], "1/2"), ["a/IM000001", "b.png"]);
        assert_eq!(share(&[root], "2/2"), ["a/deep/x.dcm", "c/1.2.840.1"]);
        assert_eq!(share(&[&c, &b, &a], "1/2"), ["b.png", "a/IM000001"]);
        assert_eq!(share(&[root], "5/7"), Vec::<String>::new());
        for wrong in ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn pods_of_an_indexed_job_part_the_inputs() {
        let all: Vec<Input> = (0..23).map(|n| Input::Named(format!("{n}.png").into())).collect();
        let mut seen = Vec::new();
        for index in 0..4 {
            let shard = Shard::read("job/4", Some(&index.to_string())).unwrap();
            assert_eq!(shard, format!("{}/4", index + 1).parse().unwrap());
            let mut share = shard.of(all.clone());
            // Whatever else a pod sees, its share is its own: a pod that starts again does the same.
            assert_eq!(share, shard.of(all.clone()));
            seen.append(&mut share);
        }
        seen.sort();
        let mut all = all;
        all.sort();
        assert_eq!(seen, all);
        for (index, told) in [(None, "JOB_COMPLETION_INDEX"), (Some("x"), "JOB_COMPLETION_INDEX"), (Some("4"), "5/4")] {
            let error = Shard::read("job/4", index).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn lists_are_lines_or_parted_by_nul() {
        let folder = tree();
        let list = folder.path().join("list");
        let (b, c) = (folder.path().join("b.png"), folder.path().join("c"));
        let mut at = OsString::from("@");
        at.push(&list);
        for (separator, start) in [("\n", ""), ("\r\n", "\r\n"), ("\0", "")] {
            std::fs::write(&list, format!("{start}{}{separator}{}{separator}", b.display(), c.display())).unwrap();
            let found = inputs(&[Path::new(&at)], false, None).expand().unwrap();
            assert_eq!(names(folder.path(), &found), ["b.png", "c/1.2.840.1"], "{separator:?}");
        }
        std::fs::write(&list, "\n\n").unwrap();
        assert!(inputs(&[Path::new(&at)], false, None).expand().unwrap_err().to_string().contains("empty list"));
        assert!(inputs(&[Path::new("@absent")], false, None).expand().is_err());
        assert!(inputs(&[Path::new("-"), Path::new("@-")], false, None).expand().is_err());
    }

    #[test]
    fn notes_beside_images_are_no_error_and_broken_images_are() {
        let refusal = || anyhow::Error::from(Refusal::new(Kind::NotAnImage, "not an image"));
        let found = |name: &str| Input::Found(name.into()).judge(refusal()).is::<NoImage>();
        assert!(found("notes.txt") && found("index.CSV"));
        assert!(!found("scan.PNG") && !found("IM000001") && !found("1.2.840.113619") && !found("scan.dcm"));
        // What was named is wanted.
        assert!(!Input::Named("notes.txt".into()).judge(refusal()).is::<NoImage>());
        let damaged = anyhow::Error::from(Refusal::new(Kind::Damaged, "damaged"));
        assert!(!Input::Found("notes.txt".into()).judge(damaged).is::<NoImage>());
    }
}
