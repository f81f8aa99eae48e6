//! From a received image to its answers, and from there to the archive.

use crate::identity::Identity;
use crate::object;
use crate::queue::{Key, Queue};
use crate::reading::{self, Reading, Verdict};
use crate::send::{self, Sender, Unsent, delay};
use anyhow::Result;
use cxr_app::budget::Budget;
use cxr_app::model_file::Engine;
use cxr_app::prediction::Source;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Reads images and writes their answers.
#[derive(Clone)]
pub struct Worker {
    /// Where images come from and answers go.
    pub queue: Arc<Queue>,
    /// The model.
    pub engine: Engine<'static>,
    /// What is said of it.
    pub source: Arc<Source>,
    /// For the pixels of all images at once.
    pub pixels: Arc<Budget>,
    /// Most bytes of pixels of one image.
    pub most: u64,
}

impl Worker {
    /// Works until the queue is stopped.
    pub fn run(&self) {
        while let Some((key, bytes)) = self.queue.take() {
            let answered = bytes.and_then(|bytes| self.answer(&key, &bytes));
            if let Err(error) = answered {
                // The disk is full, or the like: the image stays where it is.
                tracing::error!(key = key.as_str(), error = format!("{error:#}"), "an image could not be answered");
                self.queue.pause(Duration::from_secs(5));
                self.queue.again(&key);
            }
        }
    }

    fn answer(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        let identity = Identity::read(bytes, "received")?;
        let read = catch_unwind(AssertUnwindSafe(|| reading::read(self.engine, &self.pixels, self.most, bytes, "received")));
        let reading = match read {
            Ok(reading) => reading?,
            Err(_) => fault(),
        };
        self.queue.answer(key, &object::answer(&identity, &self.source, &reading)?)?;
        // What was said of whom is in the report alone.
        tracing::info!(key = key.as_str(), "answered");
        Ok(())
    }
}

/// What is said where a decoder failed: the image would fail again.
fn fault() -> Reading {
    let verdict = Verdict::Unreadable("a fault of this program: report the file".to_owned());
    Reading { verdict, probabilities: Vec::new(), score: None, distance: None, warnings: Vec::new(), drawing: None }
}

/// Failures in a row after which the archive is taken to be away.
const AWAY: u32 = 3;

/// Sends answers until the queue is stopped.
pub fn deliver(queue: &Queue, sender: &Sender) {
    let mut tries: BTreeMap<Key, u32> = BTreeMap::new();
    let mut in_a_row = 0;
    while let Some(key) = queue.due() {
        let sent = queue.disk.objects(&key).map_err(Unsent::Never).and_then(|files| send::send(sender, &files));
        let kept = match sent {
            Ok(()) => {
                in_a_row = 0;
                tries.remove(&key);
                tracing::info!(key = key.as_str(), "sent");
                queue.disk.sent(&key)
            }
            Err(Unsent::Never(error)) => {
                tries.remove(&key);
                tracing::error!(key = key.as_str(), error = format!("{error:#}"), "not wanted; kept in failed/");
                queue.disk.fail(&key, &format!("{error:#}"))
            }
            Err(Unsent::Later(error)) => {
                in_a_row += 1;
                let failures = tries.entry(key.clone()).or_default();
                tracing::warn!(key = key.as_str(), error = format!("{error:#}"), "not sent; tried again");
                queue.later(&key, delay(*failures));
                *failures += 1;
                if in_a_row >= AWAY {
                    queue.pause(delay(in_a_row - AWAY));
                }
                Ok(())
            }
        };
        if let Err(error) = kept {
            tracing::error!(key = key.as_str(), error = format!("{error:#}"), "the queue cannot be written");
            queue.later(&key, Duration::from_secs(60));
        }
    }
}
