//! Who gets the answers.

use crate::access::Title;
use anyhow::{Result, bail, ensure};
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
        for (wrong, told) in [
            ("https://a/studies", "proxy"),
            ("PACS@host", "TITLE@HOST:PORT"),
            ("/nowhere", "folder that is there"),
            ("@a:1", "AE title"),
        ] {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains(told), "{error}");
        }
    }
}
