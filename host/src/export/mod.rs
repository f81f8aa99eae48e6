//! `host export`: a training run to NAME.cxr, NAME.onnx, NAME.int8.onnx and NAME.json.

pub mod bundle;
pub mod cxr;
mod data;
mod operating;
pub mod random;
pub mod search;

use crate::agreement::{argmax, float_comparison};
use crate::classes::{COVID, DISCLAIMER};
use crate::dataset::{fold, hospital};
use crate::files;
use crate::float_model::FloatLayer;
use crate::model_file::{ModelFile, replicate};
use crate::onnx::float;
use crate::onnx::run::{Mode, Runner};
use crate::recipe::Tone;
use crate::verify::progress;
use anyhow::{Context, Result, ensure};
use bundle::Bundle;
use cxr::Header;
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `host export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Training run: the folder given to `host train --out`.
    #[arg(required_unless_present = "random")]
    pub run: Option<PathBuf>,
    /// Prefix of the files to write, e.g. models/default.
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// CoronaHack folder; the one of the training run if absent.
    #[arg(long, value_name = "DIR")]
    pub coronahack: Option<PathBuf>,
    /// Folders of other sources, repeat for each; those of the training run if absent.
    #[arg(long, value_name = "DIR")]
    pub external: Vec<PathBuf>,
    /// Training images to calibrate on.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub calibration_images: usize,
    /// Export a network of random weights instead (fixtures, benchmarks).
    #[arg(long, hide = true, value_name = "SEED", conflicts_with = "run")]
    pub random: Option<u64>,
    /// Input height and width of the random network.
    #[arg(long, hide = true, value_name = "PIXELS", default_value_t = 256)]
    pub random_size: usize,
}

/// Validation images on which calibrations are compared.
const SEARCH_IMAGES: usize = 256;
/// Images on which the error of each layer is measured.
const ERROR_IMAGES: usize = 24;

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let prefix = files::prefix(&args.out);
    let bundle = match (&args.run, args.random) {
        (_, Some(seed)) => {
            Bundle::random(random::network(seed, [args.random_size, args.random_size, 3], &random::FIXTURE), seed)?
        }
        (Some(run), None) => trained(run, args)?,
        (None, None) => anyhow::bail!("no training run given; name the folder that `host train --out` wrote"),
    };
    bundle.write(&prefix)?;
    print(&bundle, &prefix);
    Ok(())
}

fn trained(run: &Path, args: &Args) -> Result<Bundle> {
    let (recipe, mut model, mut training) = crate::train::load_float_model(run)?;
    let size = recipe.train.stages.last().map_or(0, |stage| stage.size);
    ensure!(
        size == recipe.input.height,
        "{}: its last epochs are at {size} pixels, a trial; train a recipe whose last stage is at {}",
        run.display(),
        recipe.input.height
    );
    ensure!(
        recipe.data.tone == Tone::None,
        "{}: its pictures' tones were changed before training (data.tone), which devices do not do; train without",
        run.display()
    );
    if let Some(warning) = unfinished(&training, recipe.epochs()) {
        eprintln!("warning: {}: {warning}", run.display());
    }
    let images = data::load(&recipe, &training, args)?;
    if let Some(training) = training.as_object_mut() {
        // The recipe stands beside; folders are of this machine.
        training.retain(|key, _| key != "recipe" && key != "folders");
    }
    let channels = model.input[2];

    let (validation, classes): (Vec<&[u8]>, Vec<usize>) =
        images.validation.iter().map(|(image, class)| (image.as_slice(), *class)).unzip();
    let runner = Runner::new(&float::write(&model), "float network", &[], Mode::Optimized)?;
    let bar = progress(validation.len() + images.partial.len(), "float on validation");
    let float = |image: &[u8]| -> Result<Vec<f32>> {
        bar.inc(1);
        runner.run_float(&replicate(image, channels))?.pop().context("the float network returned no logits")
    };
    let mut float_logits: Vec<Vec<f32>> = validation.par_iter().map(|image| float(image)).collect::<Result<_>>()?;
    let partial_logits: Vec<Vec<f32>> = images.partial.par_iter().map(|(image, _)| float(image)).collect::<Result<_>>()?;
    bar.finish_and_clear();
    let of_hospitals =
        || float_logits.iter().zip(&images.healthy).filter_map(|(l, hospital)| Some((l.as_slice(), hospital.as_ref()?)));
    let healthy: Vec<&[f32]> = of_hospitals().map(|(logits, _)| logits).collect();
    let mut groups = operating::Groups::new();
    of_hospitals().for_each(|(logits, hospital)| groups.entry(format!("{hospital}, healthy")).or_default().push(logits));
    for (logits, (_, hospital)) in partial_logits.iter().zip(&images.partial) {
        groups.entry(format!("{hospital}, other finding")).or_default().push(logits);
    }
    let operating_point = operating::by_rule(recipe.data.operating_point, &healthy, &groups, recipe.data.false_alarms);
    if let Some(FloatLayer::Dense { bias, .. }) = model.layers.last_mut() {
        bias[COVID] += operating_point.offset;
    }
    float_logits.iter_mut().for_each(|logits| logits[COVID] += operating_point.offset);

    let stride = validation.len().div_ceil(SEARCH_IMAGES).max(1);
    let some: Vec<&[u8]> = validation.iter().copied().step_by(stride).collect();
    let some_logits: Vec<&[f32]> = float_logits.iter().map(Vec::as_slice).step_by(stride).collect();
    let calibration: Vec<Vec<u8>> = images.calibration.iter().map(|image| replicate(image, channels)).collect();
    let bar = progress(search::steps(calibration.len(), some.len()), "choosing the calibration");
    let search::Chosen { float: model, quantized, options, trials } =
        search::search(&model, &calibration, &some, &some_logits, &|| bar.inc(1))?;
    bar.finish_and_clear();
    drop(calibration);

    let file = ModelFile::new(cxr::write(&quantized, &Header::default())?, "quantised network")?;
    let logits = search::logits(file.engine()?, &validation, &|| ())?;
    let weights = search::source_weights(&images.sources);
    let temperature = search::fit_temperature(&logits, &classes, &weights);
    let threshold = search::abstain_threshold(&logits, temperature);
    let bare = file.engine()?;
    let bar = progress(crate::refusal::steps(images.inside.len()), "fitting the refusal head");
    let mut head =
        crate::refusal::fit(bare, crate::refusal::back(&quantized.layers), &images.inside, &recipe.augment, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let refusal = Header { refusal: Some(head.clone()), ..Header::default() };
    let scored = ModelFile::new(cxr::write(&quantized, &refusal)?, "network with refusal head")?;
    let (engine, frontal) = (scored.engine()?, images.frontal.iter().zip(&validation).filter(|(frontal, _)| **frontal));
    let scores: Vec<f32> = frontal
        .map(|(_, image)| *image)
        .collect::<Vec<&[u8]>>()
        .par_iter()
        .map(|image| engine.classify(image)?.refusal_score.context("core returned no refusal score"))
        .collect::<Result<_>>()?;
    head.refuse_above = crate::refusal::threshold(&scores);
    let refusal_report = json!({
        "features": format!("channel sums of the int8 map {} layers before the dense one", head.back),
        "score": format!("logistic discriminant + {} x squared Mahalanobis distance", crate::refusal::DISTANCE),
        "fitted_on": { "training_images": images.inside.len(), "generated_kinds": crate::refusal::negatives::KINDS,
            "changes": crate::refusal::negatives::CHANGES },
        "refuse_above": head.refuse_above,
        "rule": format!("score that {} % of {} validation images exceed", 100.0 * crate::refusal::REFUSED_SHARE, scores.len()),
    });
    let accuracy = |logits: &[Vec<f32>]| {
        logits.iter().zip(&classes).filter(|(l, class)| argmax(l) == **class).count() as f64 / classes.len().max(1) as f64
    };
    let agreement = float_comparison(logits.iter().map(Vec::as_slice).zip(float_logits.iter().map(Vec::as_slice)));
    let calibration = json!({
        "images": images.calibration.len(),
        "chosen": options,
        "rule": "smallest mean logit error against the float network on validation images",
        "validation_images": some.len(),
        "trials": trials,
    });
    let details = json!({
        "recipe": recipe,
        "seed": training.get("seed"),
        "fold": training.get("fold"),
        "leave_out": training.get("leave_out"),
        "hospitals_seen": hospital::seen_by(&training),
        "training": training,
        "data": images.description,
        "calibration": calibration,
        "operating_point": operating_point,
        "refusal": refusal_report,
        "temperature_rule": format!("least log-loss on validation, where CoronaHack counts as a half, each other source as at most {} images", search::CAP),
        "abstain_rule": format!("top probability below which {} % of the validation images lie", 100.0 * search::ABSTAIN_SHARE),
        "metrics": { "validation": {
            "n": classes.len(),
            "accuracy_float": accuracy(&float_logits),
            "accuracy_int8": accuracy(&logits),
            "float_against_int8": agreement,
            "log_loss_weights": "as for the temperature",
            "log_loss": search::log_loss(&logits, &classes, &weights, 1.0),
            "log_loss_at_temperature": search::log_loss(&logits, &classes, &weights, temperature),
        }},
    });
    let mut metadata = json!({
        "recipe": recipe.name,
        "seed": training.get("seed"),
        "data_sha256": images.description.get("sha256"),
        "calibration": options,
        "host_version": env!("CARGO_PKG_VERSION"),
        "training_data": images.description.get("sources"),
        "notice": DISCLAIMER,
    });
    if let Some(fold) = fold::of_json(&training)? {
        // Not in the json alone: evaluated without it, such a model would be tested on what it was trained on.
        metadata["fold"] = fold.to_string().into();
    }
    if let Some(left_out) = training["leave_out"].as_array().filter(|names| !names.is_empty()) {
        metadata["leave_out"] = left_out.clone().into();
    }
    let header = Header {
        metadata: metadata.to_string(),
        temperature: temperature as f32,
        abstain_below: threshold as f32,
        refusal: Some(head),
    };
    let spread = images.validation.len().div_ceil(ERROR_IMAGES).max(1);
    let samples: Vec<Vec<u8>> = images.validation.iter().step_by(spread).map(|(image, _)| replicate(image, channels)).collect();
    Bundle::new(&model, &quantized, &header, &samples, details)
}

/// What to say of a run, described by its run.json, that has not reached its last epoch.
fn unfinished(training: &serde_json::Value, epochs: usize) -> Option<String> {
    let done = training["epochs_done"].as_u64().filter(|&done| done < epochs as u64)?;
    Some(format!(
        "the run stopped after epoch {done} of {epochs}; its best epoch so far is exported (`host train --resume` trains on)"
    ))
}

fn print(bundle: &Bundle, prefix: &Path) {
    println!(
        "{:<18} {:<11} {:>12} {:>12} {:>12} {:>10} {:>10} {:>9} {:>10}",
        "layer", "operator", "input", "output", "MACs", "parameters", "arena [B]", "SQNR [dB]", "max error"
    );
    let shape = |s: [usize; 3]| s.map(|extent| extent.to_string()).join("x");
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    for l in &bundle.layers {
        println!(
            "{:<18} {:<11} {:>12} {:>12} {:>12} {:>10} {:>10} {:>9} {:>10}",
            l.name,
            l.op,
            shape(l.input),
            shape(l.output),
            l.macs,
            l.parameters,
            l.arena_bytes,
            figure(l.sqnr_db, 1),
            figure(l.max_abs_error, 4)
        );
    }
    let r = &bundle.report;
    println!(
        "\narena: {} bytes of rows that layers keep, {} of channel sums for the refusal score, {} + {} of rows on their way",
        r["arena"]["rows"], r["arena"]["features"], r["arena"]["scratch"][0], r["arena"]["scratch"][1]
    );
    println!(
        "{} MACs, {} parameters, {} weight bytes, arena {} bytes, temperature {:.3}, abstains below {:.3}",
        r["macs"],
        r["parameters"],
        r["weights_bytes"],
        r["arena_bytes"],
        r["temperature"].as_f64().unwrap_or(1.0),
        r["abstain_below"].as_f64().unwrap_or(0.0)
    );
    if let Some(v) = r.pointer("/metrics/validation") {
        println!(
            "validation: {} images, accuracy float {:.2} %, int8 {:.2} %, agreement {:.2} %, log-loss, weighed as for the temperature, {:.4} (calibrated {:.4})",
            v["n"],
            100.0 * v["accuracy_float"].as_f64().unwrap_or(0.0),
            100.0 * v["accuracy_int8"].as_f64().unwrap_or(0.0),
            100.0 * v["float_against_int8"]["argmax_agreement"].as_f64().unwrap_or(0.0),
            v["log_loss"].as_f64().unwrap_or(0.0),
            v["log_loss_at_temperature"].as_f64().unwrap_or(0.0),
        );
    }
    for suffix in ["cxr", "onnx", "int8.onnx", "json"] {
        println!("wrote {}", files::with_suffix(prefix, suffix).display());
    }
    println!("{DISCLAIMER}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_stopped_early_is_told_from_a_finished_one() {
        let run = |done: u64| json!({ "epochs_done": done });
        assert_eq!(unfinished(&run(120), 120), None);
        assert!(unfinished(&run(96), 120).unwrap().contains("epoch 96 of 120"));
    }
}
