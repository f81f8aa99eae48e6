//! What a worker does with an image: the steps of `host predict`, and what the page needs to show it.

use super::upload::Upload;
use crate::budget::Budget;
use crate::detail;
use crate::model_file::Engine;
use crate::prediction::{Prediction, Source};
use anyhow::Result;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a client asks for beside the verdict.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// The exact map of each class.
    #[serde(default)]
    pub(super) maps: bool,
    /// A gray copy of at most this many pixels a side; none if absent.
    #[serde(default)]
    pub(super) preview: Option<u32>,
}

/// An image to classify.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) upload: Upload,
    pub(super) options: Options,
}

/// A classified image.
#[derive(Debug)]
pub(super) struct Outcome {
    /// For the client: JSON.
    pub(super) text: String,
    /// For the metrics: the class or the reason for giving none.
    pub(super) verdict: String,
    /// For the log: the file's SHA-256.
    pub(super) sha256: String,
    pub(super) waited: Duration,
    pub(super) decoding: Duration,
    pub(super) inference: Duration,
}

/// What workers share.
#[derive(Clone)]
pub(super) struct Workshop {
    pub(super) engine: Engine<'static>,
    pub(super) source: Arc<Source>,
    /// For the pixels of all images at once.
    pub(super) pixels: Arc<Budget>,
    /// Most bytes of pixels of one image.
    pub(super) most: u64,
    /// Longest time from the queue to the pixels.
    pub(super) patience: Duration,
}

impl Workshop {
    /// A worker's function.
    pub(super) fn worker(self) -> impl FnMut(Job, Duration) -> Result<Outcome> {
        move |job, waited| self.classify(&job, waited)
    }

    fn classify(&self, job: &Job, waited: Duration) -> Result<Outcome> {
        let (engine, bytes) = (&self.engine, &job.upload.bytes);
        let queued = Instant::now();
        // While pixels are waited for none are held, so someone always goes on.
        let deadline = queued + self.patience.saturating_sub(waited);
        let [height, width, _] = engine.input();
        let (image, share) = self.pixels.decode(bytes, &job.name, self.most, Some(deadline))?;
        let gray = image.gray(width, height)?;
        let decoding = queued.elapsed();
        let (answer, maps) = if job.options.maps { engine.explain(&gray)? } else { (engine.classify(&gray)?, Vec::new()) };
        let taken = queued.elapsed();

        let class = |k: usize| engine.model.class_name(k).to_owned();
        let verdict = match (answer.class, &answer.reason) {
            (Some(k), _) => class(k),
            (None, reason) => reason.clone().unwrap_or_else(|| "withheld".to_owned()),
        };
        let mut prediction = Prediction::new(&job.name, bytes, &image, answer);
        prediction.milliseconds = 1e3 * taken.as_secs_f64();
        let maps = job.options.maps.then_some(&maps[..]);
        let text = detail::json(&prediction, &self.source, &image, maps, job.options.preview).to_string();
        drop((image, share));
        Ok(Outcome { text, verdict, sha256: prediction.sha256, waited, decoding, inference: taken - decoding })
    }
}
