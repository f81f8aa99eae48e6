//! Where answers go, and what is done when they do not get there.

mod dimse;
mod folder;
mod stow;

use crate::access::Title;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where answers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// C-STORE: the title of the archive, its host and port.
    Dimse(Title, String),
    /// STOW-RS: the address of the archive's studies.
    Stow(String),
    /// A folder.
    Folder(PathBuf),
}

impl FromStr for Destination {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("https://") {
            bail!("{text}: TLS is a proxy's affair: send to one on this machine, docs/hospital.md says how");
        }
        if text.starts_with("http://") {
            return Ok(Self::Stow(text.trim_end_matches('/').to_owned()));
        }
        if let Some((title, address)) = text.split_once('@') {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            ensure!(port.is_some(), "{text}: give the archive as TITLE@HOST:PORT");
            return Ok(Self::Dimse(title.parse()?, address.to_owned()));
        }
        let folder = PathBuf::from(text);
        let remedy = "give TITLE@HOST:PORT, http://HOST:PORT/dicom-web/studies, or a folder that is there";
        ensure!(folder.is_dir(), "{text}: no place for answers: {remedy}");
        Ok(Self::Folder(folder))
    }
}

/// Sends answers.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Where to.
    pub destination: Destination,
    /// The title under which it sends.
    pub title: Title,
    /// Longest time for a step.
    pub patience: Duration,
    /// Headers of HTTP requests.
    pub headers: Vec<(String, String)>,
}

/// Why an answer is not with the archive.
#[derive(Debug)]
pub enum Unsent {
    /// The archive is away or busy: try again.
    Later(anyhow::Error),
    /// The archive does not want it.
    Never(anyhow::Error),
}

impl From<anyhow::Error> for Unsent {
    fn from(error: anyhow::Error) -> Self {
        Self::Later(error)
    }
}

impl Sender {
    /// Sends DICOM files, in their order. All are with the archive once this returns `Ok`.
    ///
    /// # Errors
    /// [`Unsent`]. Some may be with the archive then; sent again, they are the same objects.
    pub fn send(&self, files: &[Vec<u8>]) -> Result<(), Unsent> {
        match &self.destination {
            Destination::Dimse(title, address) => dimse::send(self, title, address, files),
            Destination::Stow(address) => stow::send(self, address, files),
            Destination::Folder(folder) => folder::send(folder, files),
        }
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
    fn destinations_are_told_by_their_form() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| text.parse::<Destination>();
        assert!(matches!(read("PACS@127.0.0.1:104"), Ok(Destination::Dimse(..))));
        assert_eq!(read("http://a/studies/").unwrap(), Destination::Stow("http://a/studies".to_owned()));
        assert!(matches!(read(folder.path().to_str().unwrap()), Ok(Destination::Folder(_))));
        for (wrong, told) in
            [("https://a/studies", "proxy"), ("PACS@host", "TITLE@HOST:PORT"), ("/nowhere", "folder that is there"), ("@a:1", "AE title")]
        {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn delays_grow_to_five_minutes() {
        assert_eq!([0, 1, 8, 9, 40].map(|n| delay(n).as_secs()), [1, 2, 256, 300, 300]);
    }
}
