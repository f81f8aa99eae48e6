//! The classifier: the steps of `host predict`.

use crate::clock;
use anyhow::{Context, Result};
use cxr_app::detail;
use cxr_app::model_file::ModelFile;
use cxr_app::prediction::Source;
use cxr_core::kernels::Kernel;
use serde_json::{Value, json};

/// Most memory that a picture's pixels may take, in bytes, as of `host predict`.
const PIXEL_BYTES: u64 = 512 << 20;
/// Of a picture in messages; the page knows its name.
const NAME: &str = "image";

/// A model and its names.
pub struct Classifier {
    file: ModelFile,
    source: Source,
}

impl Classifier {
    /// Checks a file.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let file = ModelFile::new(bytes, "this model")?;
        let source = Source::new(&file, file.engine()?, None);
        Ok(Self { file, source })
    }

    /// The inner loops that it runs on.
    pub fn kernel(&self) -> Value {
        json!({ "kernel": Kernel::best().name(), "model_sha256": self.file.sha256 })
    }
}

/// Milliseconds of the shortest of `count` inferences, from pixels of the network's size to the verdict.
///
/// # Errors
/// There is no model.
pub fn time(classifier: Option<&Classifier>, count: u32) -> Result<Value> {
    let engine = classifier.context("there is no model: reload the page")?.file.engine()?;
    let [height, width, _] = engine.input();
    let image: Vec<u8> = (0..height * width).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut least = f64::INFINITY;
    for _ in 0..count {
        let start = clock::now();
        engine.classify(&image)?;
        least = least.min(clock::now() - start);
    }
    Ok(json!({ "milliseconds": least }))
}

/// A picture's answer.
///
/// # Errors
/// As [`detail::classify`].
pub fn classify(classifier: Option<&Classifier>, bytes: &[u8], preview: u32) -> Result<Value> {
    let Classifier { file, source } = classifier.context("there is no model: reload the page")?;
    detail::classify(file.engine()?, source, NAME, bytes, preview, PIXEL_BYTES)
}
