//! `cxr.Classifier`.

use crate::error::{object, of_image, of_network};
use crate::image_of;
use anyhow::Result;
use cxr_app::budget::Budget;
use cxr_app::model_file::ModelFile;
use cxr_app::prediction::{Prediction, Source};
use cxr_app::{shipped, unseen};
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// Most bytes that the pixels of one image may take.
const PIXEL_BYTES: u64 = 512 << 20;
/// Most bytes that the pixels of all images take at once.
const ALL_PIXEL_BYTES: u64 = 1 << 30;

/// A model; threads share it.
#[pyclass(frozen, module = "cxr")]
pub(crate) struct Classifier {
    file: ModelFile,
    source: Source,
    budget: Budget,
}

#[pymethods]
impl Classifier {
    /// Reads a model file; the shipped one if `model` is absent.
    #[new]
    #[pyo3(signature = (model=None))]
    fn new(py: Python<'_>, model: Option<PathBuf>) -> PyResult<Self> {
        py.detach(|| Self::read(model)).map_err(|error| of_network(&error))
    }

    /// Classifies an image: a file as bytes, or an array of pixels.
    #[pyo3(signature = (image, *, name="image", maps=false))]
    fn predict<'py>(&self, image: &Bound<'py, PyAny>, name: &str, maps: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = image.py();
        let bytes = image_of::file(image)?;
        let json = py.detach(|| self.classify(&bytes, name, maps)).map_err(|error| of_image(py, &error))?;
        object(py, &json)
    }

    /// Class names, in the order of logits.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.source.classes.clone()
    }

    /// The model's name.
    #[getter]
    fn model(&self) -> &str {
        &self.source.model
    }

    /// SHA-256 of the model file.
    #[getter]
    fn model_sha256(&self) -> &str {
        &self.source.sha256
    }

    /// Top probability under which verdicts are withheld.
    #[getter]
    fn abstain_below(&self) -> f32 {
        self.source.abstain_below
    }

    /// A class that pictures of unknown hospitals are given too often, and the distance above which it is withheld, if there is one.
    #[getter]
    fn doubt(&self) -> Option<(&str, f32)> {
        let doubt = self.source.doubt?;
        Some((self.source.classes.get(usize::from(doubt.class))?, doubt.above))
    }

    /// Score above which a picture is refused, if the model can tell.
    #[getter]
    fn refuse_above(&self) -> Option<f32> {
        self.source.refuse_above
    }

    /// What is known of hospitals that the model has never seen, in a sentence that belongs beside a verdict.
    #[getter]
    fn unseen(&self) -> &str {
        &self.source.unseen
    }

    fn __repr__(&self) -> String {
        format!("<cxr.Classifier {} {}>", self.source.model, &self.source.sha256[..16])
    }
}

impl Classifier {
    fn read(model: Option<PathBuf>) -> Result<Self> {
        let (file, report) = match model {
            Some(path) => {
                let file = ModelFile::read(&path)?;
                let report = unseen::report_beside(&path, &file.sha256);
                (file, report)
            }
            None => (shipped::model()?, Some(shipped::report())),
        };
        let source = Source::new(&file, file.engine()?, report.as_ref());
        Ok(Self { file, source, budget: Budget::new(ALL_PIXEL_BYTES) })
    }

    fn classify(&self, bytes: &[u8], name: &str, maps: bool) -> Result<Value> {
        let started = Instant::now();
        let engine = self.file.engine()?;
        let [height, width, _] = engine.input();
        let (image, _share) = self.budget.decode(bytes, name, PIXEL_BYTES, None)?;
        let gray = image.gray(width, height)?;
        let (answer, drawn) = if maps { engine.explain(&gray)? } else { (engine.classify(&gray)?, Vec::new()) };
        let mut prediction = Prediction::new(name, bytes, &image, answer);
        prediction.milliseconds = 1e3 * started.elapsed().as_secs_f64();
        let mut json = prediction.to_json(&self.source);
        if maps {
            let named = drawn.iter().zip(&self.source.classes);
            json["maps"] = named
                .map(|(map, class)| {
                    json!({ "class": class, "rows": map.size[0], "columns": map.size[1], "cells": map.cells, "bias": map.bias })
                })
                .collect();
        }
        Ok(json)
    }
}
