//! The classifier: the steps of `host predict`.

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

/// A picture's answer.
///
/// # Errors
/// As [`detail::classify`].
pub fn classify(classifier: Option<&Classifier>, bytes: &[u8], preview: u32) -> Result<Value> {
    let Classifier { file, source } = classifier.context("there is no model: reload the page")?;
    detail::classify(file.engine()?, source, NAME, bytes, preview, PIXEL_BYTES)
}
