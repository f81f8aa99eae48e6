//! Checkpoints: one file each, so that none is ever half old and half new.
//!
//! Little-endian: magic, header length (u32), header (JSON: progress and section lengths), then the sections,
//! Burn's own records of the network, the optimiser and the averaged network (the latter two may be empty).

use super::metrics::EpochRow;
use crate::dataset::fold::Fold;
use crate::recipe::Phase;
use anyhow::{Context, Result, bail, ensure};
use cxr_app::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CXRTRN\0\x01";

/// How far a run is, and all that it has measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Finished epochs.
    pub epoch: usize,
    /// Finished batches of the current epoch.
    pub batch: usize,
    /// Finished steps of the run.
    pub step: usize,
    /// Sum of the losses of the current epoch's images.
    #[serde(with = "exact")]
    pub loss_sum: f64,
    /// Right answers in the current epoch.
    pub correct: usize,
    /// Images seen in the current epoch.
    pub seen: usize,
    /// Training seconds of the current epoch.
    pub train_seconds: f64,
    /// Thereof waiting for the loader.
    pub wait_seconds: f64,
    /// Wall seconds of the run before this epoch began.
    pub wall_seconds: f64,
    /// Epoch (from 1) and validation macro-F1 of the best checkpoint.
    pub best: Option<(usize, f64)>,
    /// One row a finished epoch.
    pub rows: Vec<EpochRow>,
    /// Hash of the images, so that a resumed run has the same.
    pub data_hash: String,
    /// Seed of the run.
    pub seed: u64,
    /// Fold left out, if any; runs of before folds have none.
    #[serde(default)]
    pub fold: Option<Fold>,
    /// Hospitals left out.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Hospitals that the phases of the training before this run have seen.
    #[serde(default)]
    pub seen_before: BTreeSet<String>,
    /// Run whose best weights this one began with, if any.
    #[serde(default)]
    pub start: Option<String>,
    /// Phases of the training before this run, first one first.
    #[serde(default)]
    pub after: Vec<Phase>,
}

impl Progress {
    /// Ends an epoch of `seconds` with its `row`; `best` is the score of a network better than those before.
    pub fn finish_epoch(&mut self, row: EpochRow, seconds: f64, best: Option<f64>) {
        let mut done = std::mem::take(self);
        let best = best.map(|score| (row.epoch, score)).or(done.best);
        done.rows.push(row);
        *self = Self {
            epoch: done.epoch + 1,
            wall_seconds: done.wall_seconds + seconds,
            best,
            // What belongs to the epoch begins anew.
            batch: 0,
            loss_sum: 0.0,
            correct: 0,
            seen: 0,
            train_seconds: 0.0,
            wait_seconds: 0.0,
            ..done
        };
    }
}

/// A float as its bits: JSON's digits may come back one unit off.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

/// A checkpoint in memory.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// How far.
    pub progress: Progress,
    /// Network record.
    pub network: Vec<u8>,
    /// Optimiser record, or empty.
    pub optimizer: Vec<u8>,
    /// Record of the averaged network, or empty.
    pub ema: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    progress: Progress,
    sections: [usize; 3],
}

impl Checkpoint {
    /// Writes the file in one rename.
    pub fn save(&self, path: &Path) -> Result<()> {
        let sections = [self.network.len(), self.optimizer.len(), self.ema.len()];
        let header = serde_json::to_vec(&Header { progress: self.progress.clone(), sections })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(header.len())?.to_le_bytes());
        for part in [&header, &self.network, &self.optimizer, &self.ema] {
            bytes.extend(part);
        }
        files::write_all(&[(path.to_owned(), bytes)])
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("{}: cannot read the checkpoint", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("{}: not a checkpoint of `host train`", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else { bail!("too short") };
        ensure!(magic == MAGIC, "wrong first bytes");
        let (length, rest) = rest.split_first_chunk::<4>().context("too short")?;
        let (header, mut rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).context("cut off")?;
        let header: Header = serde_json::from_slice(header)?;
        let mut parts = Vec::new();
        for length in header.sections {
            let (part, tail) = rest.split_at_checked(length).context("cut off")?;
            parts.push(part.to_vec());
            rest = tail;
        }
        ensure!(rest.is_empty(), "too long");
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        Ok(Self { progress: header.progress, network: next(), optimizer: next(), ema: next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.ckpt");
        let checkpoint = Checkpoint {
            progress: Progress { epoch: 3, loss_sum: 0.1 + 0.2, seed: u64::MAX, ..Progress::default() },
            network: vec![1, 2, 3],
            optimizer: vec![],
            ema: vec![4; 10],
        };
        checkpoint.save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!(read.progress, checkpoint.progress);
        assert_eq!((read.network, read.optimizer, read.ema), (vec![1, 2, 3], vec![], vec![4; 10]));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        for cut in 0..bytes.len() {
            assert!(Checkpoint::parse(&bytes[..cut]).is_err());
        }
    }
}
