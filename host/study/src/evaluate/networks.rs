//! The networks of a model: the one that is evaluated, and those beside it that are compared with it.

use super::outcome::Outcome;
use crate::dataset::Sample;
use anyhow::{Context, Result, ensure};
use cxr_app::classes::CLASSES;
use cxr_app::files;
use cxr_app::model_file::{Answer, Engine, replicate};
use rownet_convert::chain::onnx::run::{Mode, Runner};
use rownet_convert::chain::stats::{argmax, softmax};
use serde::Serialize;
use std::path::Path;

/// What runs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// `core` on the .cxr file: what devices run.
    Core,
    /// tract on the float .onnx beside it.
    Tract,
}

/// The networks, ready.
pub struct Networks<'m> {
    /// `core` on the .cxr file.
    pub engine: Engine<'m>,
    /// Which one is evaluated.
    pub evaluated: EngineName,
    /// tract on the float file, if it is there.
    pub float: Option<Runner>,
    /// tract on the int8 file as written, if it is there.
    pub int8: Option<Runner>,
}

impl<'m> Networks<'m> {
    /// Those of the file `model`, of which `evaluated` is: with `core`, the ONNX files beside it as well, where they are.
    pub fn load(engine: Engine<'m>, model: &Path, evaluated: EngineName) -> Result<Self> {
        let names = (0..engine.model.class_count()).map(|k| engine.model.class_name(k));
        ensure!(names.eq(CLASSES), "{}: the model has other classes than this program", model.display());
        let prefix = files::prefix(model);
        let runner = |suffix: &str, wanted: bool, mode| -> Result<Option<Runner>> {
            let path = files::with_suffix(&prefix, suffix);
            if !wanted && (evaluated != EngineName::Core || !path.is_file()) {
                return Ok(None);
            }
            let runner = Runner::new(&files::read(&path)?, &path.display().to_string(), &[], mode)?;
            ensure!(runner.input() == engine.input(), "{}: another input than the .cxr file; export again", path.display());
            Ok(Some(runner))
        };
        Ok(Self {
            engine,
            evaluated,
            float: runner("onnx", evaluated == EngineName::Tract, Mode::Optimized)?,
            int8: runner("int8.onnx", false, Mode::Raw)?,
        })
    }

    /// Logits of tract on the float file, of the part of a picture that the network sees.
    pub fn float_logits(&self, gray: &[u8]) -> Result<Option<Vec<f32>>> {
        let run = |runner: &Runner| runner.run_float(&replicate(&self.engine.framed(gray)?.0, self.engine.input()[2]));
        self.float.as_ref().map(|runner| run(runner)?.pop().context("tract returned no logits")).transpose()
    }

    /// Logits of tract on the int8 file, likewise.
    pub fn int8_logits(&self, gray: &[u8]) -> Result<Option<Vec<f32>>> {
        let run = |runner: &Runner| Ok(runner.run_int8(&replicate(&self.engine.framed(gray)?.0, self.engine.input()[2]))?.logits);
        self.int8.as_ref().map(run).transpose()
    }

    /// What `core`'s answer says of a sample.
    pub fn of_core(sample: &Sample, answer: &Answer) -> Result<Outcome> {
        let probabilities = answer.probabilities.iter().map(|p| f64::from(*p)).collect();
        outcome(sample, &answer.logits, probabilities, answer.class.is_none())
    }

    /// What logits of tract say of a sample.
    pub fn of_logits(&self, sample: &Sample, logits: &[f32]) -> Result<Outcome> {
        let probabilities = softmax(logits, f64::from(self.engine.model.temperature()));
        let top = probabilities.iter().fold(0.0, |top: f64, p| top.max(*p));
        let abstained = top < f64::from(self.engine.model.abstain_below());
        outcome(sample, logits, probabilities, abstained)
    }
}

/// A sample's outcome from what a network says of it.
pub fn outcome(sample: &Sample, logits: &[f32], probabilities: Vec<f64>, abstained: bool) -> Result<Outcome> {
    let count = probabilities.len();
    let probabilities = probabilities.try_into().ok();
    Ok(Outcome {
        truth: sample.class,
        predicted: argmax(logits),
        probabilities: probabilities.with_context(|| format!("the network has {count} classes, not {}", CLASSES.len()))?,
        abstained,
        patient: sample.patient.clone(),
    })
}
