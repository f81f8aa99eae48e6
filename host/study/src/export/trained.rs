//! A training run to the files of a model, step by step: float logits, operating point, calibration, confidence, refusal.

use super::confidence::{self, Confidence};
use super::data::{self, Folders, Images};
use super::doubt;
use super::operating::{self, OperatingPoint};
use super::search::{self, Chosen};
use crate::bundle::Bundle;
use crate::dataset::{fold, hospital};
use crate::progress::progress;
use crate::recipe::{Frame, Recipe, Tone};
use crate::refusal::{self, negatives};
use anyhow::{Context, Result, ensure};
use cxr_app::classes::{CLASSES, COVID, DISCLAIMER};
use cxr_app::lungs::Finder;
use cxr_app::model_file::{ModelFile, replicate};
use cxr_core::format::Doubt;
use rayon::prelude::*;
use rownet_convert::chain::cxr::{self, Header, RefusalHead};
use rownet_convert::chain::float_model::{FloatLayer, FloatModel};
use rownet_convert::chain::onnx::run::{Mode, Runner};
use rownet_convert::chain::onnx::{About, float};
use rownet_convert::chain::quantize::{Options, QuantizedModel};
use rownet_convert::chain::stats::{argmax, float_comparison};
use serde_json::{Value, json};
use std::path::Path;

/// Validation images on which calibrations are compared.
const SEARCH_IMAGES: usize = 256;
/// Images on which the error of each layer is measured.
const ERROR_IMAGES: usize = 24;

/// The files of the best network of the training run in `folder`.
///
/// # Errors
/// A run that is none or a trial; its images; a network outside of the arithmetic's bounds.
pub(super) fn bundle(folder: &Path, recipe: Option<&Path>, given: &Folders, calibration_images: usize) -> Result<Bundle> {
    let mut run = Run::load(folder, recipe)?;
    let images = data::load(&run.recipe, &run.training, given, calibration_images)?;
    let mut logits = FloatLogits::of(&run.model, &images)?;
    let point = operating_point(&run.recipe, &images, &logits);
    logits.shift(&mut run.model, point.offset);
    let (chosen, compared) = calibrate(&run.model, &images, &logits)?;
    let int8 = int8_logits(&chosen.quantized, &images)?;
    let confidence = Confidence::fit(&int8, &images);
    let (head, scores) = refuse(&run.recipe, &chosen.quantized, &images)?;
    let refused_of = scores.iter().flatten().count();
    let doubt = doubt::fit(&int8, &scores, &images, head.refuse_above, run.recipe.data.covid_doubted);

    let details = json!({
        "recipe": run.recipe,
        "seed": run.training.get("seed"),
        "fold": run.training.get("fold"),
        "leave_out": run.training.get("leave_out"),
        "hospitals_seen": hospital::seen_by(&run.training),
        "training": run.provenance(),
        "data": images.description,
        "calibration": calibration_report(&images, compared, &chosen),
        "operating_point": point,
        "frame": run.frame(),
        "doubt": doubt,
        "doubt_rule": "distance above which the recipe's share of validation's right COVID-19 verdicts lie (data.covid_doubted)",
        "refusal": refusal_report(&head, &images, refused_of),
        "temperature_rule": format!("least log-loss on validation, where CoronaHack counts as a half, each other source as at most {} images", confidence::CAP),
        "abstain_rule": format!("top probability below which {} % of the validation images lie", 100.0 * confidence::ABSTAIN_SHARE),
        "metrics": { "validation": validation_report(&images, &logits.validation, &int8, &confidence) },
    });
    let header = Header {
        metadata: run.metadata(&images, chosen.options)?.to_string(),
        temperature: confidence.temperature as f32,
        abstain_below: confidence.abstain_below as f32,
        doubt: doubt.map(|doubt| Doubt { class: COVID as u16, above: doubt.above }),
        refusal: Some(head),
    };
    let spread = images.validation.len().div_ceil(ERROR_IMAGES).max(1);
    let channels = run.model.input[2];
    let samples: Vec<Vec<u8>> = images.validation.iter().step_by(spread).map(|(image, _)| replicate(image, channels)).collect();
    Bundle::new(&chosen.float, &chosen.quantized, &header, &samples, details)
}

/// A training run's best network, and what is known of it.
struct Run {
    recipe: Recipe,
    model: FloatModel,
    /// run.json.
    training: Value,
}

impl Run {
    /// The run in `folder`; its thresholds are by the recipe in the file `thresholds`, where one is given.
    fn load(folder: &Path, thresholds: Option<&Path>) -> Result<Self> {
        let (mut recipe, model, training) = crate::train::load_float_model(folder)?;
        if let Some(path) = thresholds {
            let given = Recipe::load(path)?;
            recipe.data.covid_doubted = given.data.covid_doubted;
            recipe.name.clone_from(&given.name);
            ensure!(
                recipe == given,
                "{}: is not the recipe of {}, apart from data.covid_doubted",
                path.display(),
                folder.display()
            );
        }
        let size = recipe.train.stages.last().map_or(0, |stage| stage.size);
        ensure!(
            size == recipe.input.height,
            "{}: its last epochs are at {size} pixels, a trial; train a recipe whose last stage is at {}",
            folder.display(),
            recipe.input.height
        );
        ensure!(
            recipe.data.tone == Tone::None,
            "{}: its pictures' tones were changed before training (data.tone), which devices do not do; train without",
            folder.display()
        );
        if let Some(warning) = unfinished(&training, recipe.epochs()) {
            eprintln!("warning: {}: {warning}", folder.display());
        }
        Ok(Self { recipe, model, training })
    }

    /// run.json without the recipe, which stands beside, and the folders, which are of this machine.
    fn provenance(&self) -> Value {
        let mut training = self.training.clone();
        if let Some(training) = training.as_object_mut() {
            training.retain(|key, _| key != "recipe" && key != "folders");
        }
        training
    }

    /// What finds the part of a picture that the network sees; none where that is all of it.
    fn frame(&self) -> Option<Value> {
        (self.recipe.data.frame == Frame::Lungs).then(Finder::metadata)
    }

    /// What the device's file says of where it is from.
    fn metadata(&self, images: &Images, options: Options) -> Result<Value> {
        let mut metadata = json!({
            "recipe": self.recipe.name,
            "seed": self.training.get("seed"),
            "data_sha256": images.description.get("sha256"),
            "calibration": options,
            "host_version": env!("CARGO_PKG_VERSION"),
            "training_data": images.description.get("sources"),
            "notice": DISCLAIMER,
        });
        if let Some(frame) = self.frame() {
            metadata["frame"] = frame;
        }
        if let Some(fold) = fold::of_json(&self.training)? {
            // Not in the json alone: evaluated without it, such a model would be tested on what it was trained on.
            metadata["fold"] = fold.to_string().into();
        }
        if let Some(left_out) = self.training["leave_out"].as_array().filter(|names| !names.is_empty()) {
            metadata["leave_out"] = left_out.clone().into();
        }
        Ok(metadata)
    }
}

/// What to say of a run, described by its run.json, that has not reached its last epoch.
fn unfinished(training: &Value, epochs: usize) -> Option<String> {
    let done = training["epochs_done"].as_u64().filter(|&done| done < epochs as u64)?;
    Some(format!(
        "the run stopped after epoch {done} of {epochs}; its best epoch so far is exported (`host train --resume` trains on)"
    ))
}

/// Logits of the float network.
struct FloatLogits {
    /// Of the validation images.
    validation: Vec<Vec<f32>>,
    /// Of those with a partial label.
    partial: Vec<Vec<f32>>,
}

impl FloatLogits {
    fn of(model: &FloatModel, images: &Images) -> Result<Self> {
        let runner = Runner::new(&float::write(model, &About::default()), "float network", &[], Mode::Optimized)?;
        let bar = progress(images.validation.len() + images.partial.len(), "float on validation");
        let logits = |image: &[u8]| -> Result<Vec<f32>> {
            bar.inc(1);
            runner.run_float(&replicate(image, model.input[2]))?.pop().context("the float network returned no logits")
        };
        let validation = images.validation.par_iter().map(|(image, _)| logits(image)).collect::<Result<_>>()?;
        let partial = images.partial.par_iter().map(|(image, _)| logits(image)).collect::<Result<_>>()?;
        bar.finish_and_clear();
        Ok(Self { validation, partial })
    }

    /// Adds `offset` to the COVID-19 logit, of `model` as well.
    fn shift(&mut self, model: &mut FloatModel, offset: f32) {
        if let Some(FloatLayer::Dense { bias, .. }) = model.layers.last_mut() {
            bias[COVID] += offset;
        }
        self.validation.iter_mut().for_each(|logits| logits[COVID] += offset);
    }
}

fn operating_point(recipe: &Recipe, images: &Images, logits: &FloatLogits) -> OperatingPoint {
    let of_hospitals =
        || logits.validation.iter().zip(&images.healthy).filter_map(|(l, hospital)| Some((l.as_slice(), hospital.as_ref()?)));
    let healthy: Vec<&[f32]> = of_hospitals().map(|(logits, _)| logits).collect();
    let mut groups = operating::Groups::new();
    of_hospitals().for_each(|(logits, hospital)| groups.entry((hospital.to_string(), false)).or_default().push(logits));
    for (logits, (_, hospital)) in logits.partial.iter().zip(&images.partial) {
        groups.entry((hospital.clone(), true)).or_default().push(logits);
    }
    operating::by_rule(&recipe.data, &healthy, &groups)
}

/// The int8 network whose logits are nearest to the float network's, and the number of validation images that say so.
fn calibrate(model: &FloatModel, images: &Images, logits: &FloatLogits) -> Result<(Chosen, usize)> {
    let stride = images.validation.len().div_ceil(SEARCH_IMAGES).max(1);
    let some: Vec<&[u8]> = images.validation.iter().map(|(image, _)| image.as_slice()).step_by(stride).collect();
    let some_logits: Vec<&[f32]> = logits.validation.iter().map(Vec::as_slice).step_by(stride).collect();
    let calibration: Vec<Vec<u8>> = images.calibration.iter().map(|image| replicate(image, model.input[2])).collect();
    let bar = progress(search::steps(calibration.len(), some.len()), "choosing the calibration");
    let chosen = search::search(model, &calibration, &some, &some_logits, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok((chosen, some.len()))
}

fn int8_logits(model: &QuantizedModel, images: &Images) -> Result<Vec<Vec<f32>>> {
    let file = ModelFile::new(cxr::write(model, &CLASSES, &Header::default())?, "quantised network")?;
    let validation: Vec<&[u8]> = images.validation.iter().map(|(image, _)| image.as_slice()).collect();
    search::logits(file.engine()?, &validation, &|| ())
}

/// Score and distance of a validation image, if it is a frontal one.
type Scored = Option<(f32, f32)>;

/// The refusal head with its threshold, and scores and distances of validation images, frontal ones, that set it.
fn refuse(recipe: &Recipe, model: &QuantizedModel, images: &Images) -> Result<(RefusalHead, Vec<Scored>)> {
    let bare = ModelFile::new(cxr::write(model, &CLASSES, &Header::default())?, "quantised network")?;
    let bar = progress(refusal::steps(images.inside.len()), "fitting the refusal head");
    let back = refusal::back(&model.layers);
    let mut head =
        refusal::fit(bare.engine()?, recipe.data.frame.finder()?, back, &images.inside, &recipe.augment, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let header = Header { refusal: Some(head.clone()), ..Header::default() };
    let scored = ModelFile::new(cxr::write(model, &CLASSES, &header)?, "network with refusal head")?;
    let engine = scored.engine()?;
    let score = |image: &[u8]| {
        let answer = engine.classify(image)?;
        answer.refusal_score.zip(answer.distance).context("core returned no refusal score")
    };
    let scores: Vec<Scored> = (images.frontal.par_iter().zip(&images.validation))
        .map(|(frontal, (image, _))| frontal.then(|| score(image)).transpose())
        .collect::<Result<_>>()?;
    head.refuse_above = refusal::threshold(&scores.iter().flatten().map(|(score, _)| *score).collect::<Vec<f32>>());
    Ok((head, scores))
}

fn calibration_report(images: &Images, compared: usize, chosen: &Chosen) -> Value {
    json!({
        "images": images.calibration.len(),
        "chosen": chosen.options,
        "rule": "smallest mean logit error against the float network on validation images",
        "validation_images": compared,
        "trials": chosen.trials,
    })
}

fn refusal_report(head: &RefusalHead, images: &Images, scored: usize) -> Value {
    json!({
        "features": format!("channel sums of the int8 map {} layers before the dense one", head.back),
        "score": format!("logistic discriminant + {} x squared Mahalanobis distance", refusal::DISTANCE),
        "fitted_on": { "training_images": images.inside.len(), "generated_kinds": negatives::KINDS, "changes": negatives::CHANGES },
        "refuse_above": head.refuse_above,
        "rule": format!("score that {} % of {scored} validation images exceed", 100.0 * refusal::REFUSED_SHARE),
    })
}

fn validation_report(images: &Images, float: &[Vec<f32>], int8: &[Vec<f32>], confidence: &Confidence) -> Value {
    let accuracy = |logits: &[Vec<f32>]| {
        let right = logits.iter().zip(&images.validation).filter(|(logits, (_, class))| argmax(logits) == *class).count();
        right as f64 / images.validation.len().max(1) as f64
    };
    json!({
        "n": images.validation.len(),
        "accuracy_float": accuracy(float),
        "accuracy_int8": accuracy(int8),
        "float_against_int8": float_comparison(int8.iter().map(Vec::as_slice).zip(float.iter().map(Vec::as_slice))),
        "log_loss_weights": "as for the temperature",
        "log_loss": confidence.log_loss[0],
        "log_loss_at_temperature": confidence.log_loss[1],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;
    use cxr_app::lungs::Frame as Seen;
    use rownet_convert::chain::quantize::{calibrate::observe, quantize};
    use rownet_convert::chain::random;

    #[test]
    fn a_run_that_stopped_early_is_told_from_a_finished_one() {
        let run = |done: u64| json!({ "epochs_done": done });
        assert_eq!(unfinished(&run(120), 120), None);
        assert!(unfinished(&run(96), 120).unwrap().contains("epoch 96 of 120"));
    }

    #[test]
    fn a_network_of_lungs_sees_the_box_alone() -> Result<()> {
        let network = random::network(1, [256, 256, 3], &random::FIXTURE);
        let pictures: Vec<Vec<u8>> = (0..9).map(|i| synthetic::image(i % 3, i as u64)).collect();
        let calibration: Vec<Vec<u8>> = pictures.iter().map(|picture| replicate(picture, 3)).collect();
        let quantized = quantize(&network, &observe(&network, &calibration, &|| ())?, Options::DEFAULT)?;
        let file = |metadata: Value| {
            let header = Header { metadata: metadata.to_string(), ..Header::default() };
            ModelFile::new(cxr::write(&quantized, &CLASSES, &header)?, "m")
        };
        let (whole, lungs) = (file(json!({}))?, file(json!({ "frame": Finder::metadata() }))?);
        let (whole, lungs) = (whole.engine()?, lungs.engine()?);
        for picture in &pictures {
            let (cut, frame) = lungs.framed(picture)?;
            let answer = lungs.classify(picture)?;
            assert!(matches!(frame, Seen::Lungs(_)) && answer.frame == frame, "{frame:?}");
            assert_eq!(answer.logits, whole.classify(&cut)?.logits);
            assert_eq!(lungs.explain(picture)?.1, whole.explain(&cut)?.1);
            assert_eq!(lungs.features(picture, 0)?, whole.features(&cut, 0)?);
            assert_ne!(answer.logits, whole.classify(picture)?.logits);
        }
        let blank = lungs.classify(&[90; 256 * 256])?;
        assert_eq!(blank.frame, Seen::NoLungs);
        assert_eq!(blank.logits, whole.classify(&[90; 256 * 256])?.logits);
        Ok(())
    }
}
