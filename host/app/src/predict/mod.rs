//! `host predict`: a verdict for each image.

mod batch;
pub(crate) mod inputs;
mod sink;

pub use crate::shipped::default_model;
pub use inputs::{Inputs, Shard};

use crate::budget::Budget;
use crate::classes::DISCLAIMER;
use crate::heatmap::Heatmaps;
use crate::model_file::Engine;
use crate::prediction::{Prediction, Source, likeliest};
use crate::{heatmap, shipped};
use anyhow::{Context, Result};
use inputs::Input;
use sink::Sink;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `host predict`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all images were answered (a refusal is an answer); 1 some could not be read; 2 none could, or bad usage."
)]
pub struct Args {
    /// Images.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Model file; models/default.cxr if found, else the one in this program.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// One JSON object per image and line, as they come.
    #[arg(long)]
    pub json: bool,
    /// Writes a table to FILE, a line per image as they come, those that failed too; in place of the text.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Writes DIR/IMAGE.HASH.heatmap.png for each image: what speaks for its likeliest class (red) and against it (blue).
    /// HASH is of the image's path, so no two images share a file.
    #[arg(long, value_name = "DIR")]
    pub heatmap: Option<PathBuf>,
    /// Images at once; they are answered in order.
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
}

/// What the training data make of age and origin.
pub const CAUTION: &str = "Caution: in the training data disease goes with age and origin (Normal and Pneumonia: mostly children of one hospital; \
COVID-19: adults), so a verdict may reflect those instead. Figures on sources that it was trained on say nothing of a hospital that it has never seen.";

/// Most memory that the pixels of one image may take, and of all that are decoded at once.
const PIXEL_BYTES: u64 = 512 << 20;

/// Runs the command; every image is tried.
///
/// # Errors
/// Bad usage, a model or an output that cannot be used, images that could not be classified.
pub fn run(args: &Args) -> Result<()> {
    let inputs = args.inputs.expand()?;
    let (file, report) = shipped::find(args.model.as_deref())?;
    let engine = file.engine()?;
    let source = Source::new(&file, engine, report.as_ref());
    let mut sink = Sink::new(args.json, args.csv.as_deref(), &source, inputs.len())?;
    let heatmaps = args.heatmap.as_deref().map(Heatmaps::new);
    let budget = Budget::new(PIXEL_BYTES);
    let work = |input: &Input| predict(engine, input, heatmaps.as_ref(), &budget);
    let mut stopped = Ok(());
    batch::run(&inputs, args.jobs, work, |input, result| match sink.take(input, result) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            stopped = Err(error);
            ControlFlow::Break(())
        }
    });
    match stopped {
        // Whoever reads has enough.
        Err(error) if error.is::<sink::Closed>() => return Ok(()),
        stopped => stopped?,
    }
    sink.finish(&format!("model {} (sha256 {})\n{CAUTION}\n{DISCLAIMER}\n", file.name, &file.sha256[..16]))
}

fn predict(engine: Engine<'_>, input: &Input, heatmaps: Option<&Heatmaps>, budget: &Budget) -> Result<Prediction> {
    let started = Instant::now();
    let image = input.name();
    let bytes = input.read()?;
    let [height, width, _] = engine.input();
    let (decoded, _share) = budget.decode(&bytes, &image, PIXEL_BYTES, None).map_err(|error| input.judge(error))?;
    let gray = decoded.gray(width, height)?;
    let (answer, maps) = engine.explain(&gray).with_context(|| image.clone())?;
    let mut prediction = Prediction::new(&image, &bytes, &decoded, answer);
    prediction.milliseconds = 1e3 * started.elapsed().as_secs_f64();
    if let Some(heatmaps) = heatmaps {
        let map = &maps[likeliest(&prediction.answer.probabilities)];
        let picture = heatmap::overlay(&gray, width, height, map, prediction.answer.frame);
        prediction.heatmap = Some(heatmaps.write(input.path(), &prediction.sha256, &picture)?);
    }
    Ok(prediction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_file::ModelFile;

    #[test]
    fn json_has_the_documented_fields_and_bad_images_are_refused() {
        use serde_json::Value;
        let folder = tempfile::tempdir().unwrap();
        let file = ModelFile::new(include_bytes!("../../../../models/seed.cxr").to_vec(), "m").unwrap();
        let engine = file.engine().unwrap();
        let source = Source::new(&file, engine, None);
        let budget = Budget::new(PIXEL_BYTES);
        let path = folder.path().join("image");
        let input = Input::Named(path.clone());
        let pixels = image::GrayImage::from_fn(300, 200, |x, y| image::Luma([(x * y / 240) as u8]));
        pixels.save_with_format(&path, image::ImageFormat::Png).unwrap();
        let drawn = predict(engine, &input, Some(&Heatmaps::new(folder.path())), &budget).unwrap();
        let overlay = image::open(drawn.heatmap.clone().unwrap()).unwrap();
        assert_eq!((overlay.width(), overlay.height()), (256, 256));
        assert!(drawn.to_json(&source)["heatmap"].is_string());
        let gray = crate::decode::gray(&crate::decode::read(&path).unwrap(), "image", 256, 256).unwrap();
        let (answer, maps) = engine.explain(&gray).unwrap();
        for (logit, map) in answer.logits.iter().zip(&maps) {
            let sum = map.cells.iter().map(|cell| f64::from(*cell)).sum::<f64>() + f64::from(map.bias);
            assert!((f64::from(*logit) - sum).abs() < 1e-3, "{logit} against {sum}");
        }
        let value = predict(engine, &input, None, &budget).unwrap().to_json(&source);
        let mut fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "abstained",
                "distance",
                "doubt_above",
                "frame",
                "image",
                "label",
                "logits",
                "milliseconds",
                "model",
                "model_sha256",
                "probabilities",
                "reason",
                "refusal_score",
                "refuse_above",
                "sha256",
                "warnings"
            ]
        );
        let sum: f64 = value["probabilities"].as_object().unwrap().values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        std::fs::write(&path, b"no image").unwrap();
        assert!(predict(engine, &input, None, &budget).is_err());
    }
}
