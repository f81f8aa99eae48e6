//! Anybody's network: `host import`, `run`, `inspect`, `plan`, and `verify` of what was imported. Arguments, files and
//! printing; the work is `rownet-convert`'s.

pub mod import;
pub mod inspect;
pub mod plan;
pub mod run;
pub mod verify;

use crate::files;
use anyhow::{Context, Result};
use rownet_convert::execute::Network;
use std::path::{Path, PathBuf};

/// A file that was read, to be parsed.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    /// `NAME.cxr`, or NAME.
    fn read(path: &Path) -> Result<Self> {
        let path = files::with_suffix(&files::prefix(path), "cxr");
        Ok(Self { bytes: files::read(&path)?, path })
    }

    fn network(&self) -> Result<Network<'_>> {
        Network::parse(&self.bytes).with_context(|| format!("{}: not an imported network", self.path.display()))
    }
}

/// An array of a .npy file.
fn array(path: &Path) -> Result<rownet_convert::reference::Tensor> {
    rownet_convert::npy::read(&files::read(path)?).with_context(|| path.display().to_string())
}
