//! `host predict`: a verdict for each image.

use crate::classes::DISCLAIMER;
use crate::model_file::{Answer, Engine, ModelFile};
use crate::{decode, files, heatmap};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of `host predict`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: PNG, JPEG, TIFF, BMP or DICOM, told by their content.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Model file; the shipped models/default.cxr if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// One JSON object per image and line.
    #[arg(long)]
    pub json: bool,
    /// Writes DIR/IMAGE.heatmap.png for each image: what speaks for its likeliest class (red) and against it (blue).
    #[arg(long, value_name = "DIR")]
    pub heatmap: Option<PathBuf>,
}

/// What the training data make of age and origin.
pub(crate) const CAUTION: &str = "Caution: in the training data disease goes with age and origin (Normal and Pneumonia: mostly children of one hospital; \
COVID-19: adults), so a verdict may reflect those instead.";

/// Runs the command; every image is tried.
pub fn run(args: &Args) -> Result<()> {
    let path = args.model.clone().map_or_else(default_model, Ok)?;
    let file = ModelFile::read(&path)?;
    let engine = file.engine()?;
    let source = Source::new(&file, engine);
    let mut failed = 0;
    for image in &args.images {
        match predict(engine, image, args.heatmap.as_deref()) {
            Ok(prediction) if args.json => println!("{}", prediction.to_json(&source)),
            Ok(prediction) => prediction.print(&source),
            Err(error) => {
                eprintln!("error: {error:#}");
                failed += 1;
            }
        }
    }
    if !args.json && failed < args.images.len() {
        println!("model {} (sha256 {})\n{CAUTION}\n{DISCLAIMER}", file.name, &file.sha256[..16]);
    }
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} of {} images could not be classified", args.images.len()),
    }
}

/// The shipped model: in the working folder, beside the program (or above it), or in the source tree it was built from.
///
/// # Errors
/// There is none: says how to get one.
pub fn default_model() -> Result<PathBuf> {
    let name = Path::new("models/default.cxr");
    let program = std::env::current_exe().unwrap_or_default();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    std::iter::once(PathBuf::new())
        .chain(program.ancestors().skip(1).map(Path::to_owned))
        .chain(source)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("{}: no model found here, beside the program or in its source tree; give --model FILE", name.display())
        })
}

/// The model behind a prediction, here or on a board.
pub(crate) struct Source {
    /// Its name.
    pub(crate) model: String,
    /// SHA-256 of its file.
    pub(crate) sha256: String,
    /// Class names.
    pub(crate) classes: Vec<String>,
    /// Top probability under which verdicts are withheld.
    pub(crate) abstain_below: f32,
    /// Score above which a picture is refused, if the model can tell.
    pub(crate) refuse_above: Option<f32>,
}

impl Source {
    /// A model file.
    pub(crate) fn new(file: &ModelFile, engine: Engine<'_>) -> Self {
        let model = engine.model;
        Self {
            model: file.name.clone(),
            sha256: file.sha256.clone(),
            classes: (0..model.class_count()).map(|class| model.class_name(class).to_owned()).collect(),
            abstain_below: model.abstain_below(),
            refuse_above: model.refusal().map(|head| head.refuse_above()),
        }
    }

    fn class(&self, class: usize) -> &str {
        self.classes.get(class).map_or("", String::as_str)
    }
}

/// A classified image.
pub(crate) struct Prediction {
    /// Its path or name.
    pub(crate) image: String,
    /// Of the file.
    pub(crate) sha256: String,
    /// What `core` said.
    pub(crate) answer: Answer,
    /// What makes the answer doubtful; see [`decode::Image::warnings`].
    pub(crate) warnings: Vec<String>,
    /// Decoding and inference.
    pub(crate) milliseconds: f64,
    /// Where its overlay was written.
    pub(crate) heatmap: Option<PathBuf>,
}

fn predict(engine: Engine<'_>, path: &Path, heatmaps: Option<&Path>) -> Result<Prediction> {
    let started = Instant::now();
    let image = path.display().to_string();
    let bytes = decode::read(path)?;
    let [height, width, _] = engine.input();
    let decoded = decode::Image::decode(&bytes, &image)?;
    let (gray, warnings) = (decoded.gray(width, height)?, decoded.warnings().to_vec());
    let (answer, maps) = engine.explain(&gray).with_context(|| image.clone())?;
    let milliseconds = 1e3 * started.elapsed().as_secs_f64();
    let heatmap = match heatmaps {
        Some(folder) => {
            let map = &maps[likeliest(&answer.probabilities)];
            Some(heatmap::write(folder, path, &heatmap::overlay(&gray, width, height, map))?)
        }
        None => None,
    };
    Ok(Prediction { image, answer, warnings, milliseconds, heatmap, sha256: files::sha256(&bytes) })
}

/// Index of the largest probability.
pub(crate) fn likeliest(probabilities: &[f32]) -> usize {
    (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap_or(0)
}

impl Prediction {
    /// What `predict --json`, `device --json` and the server answer.
    pub(crate) fn to_json(&self, source: &Source) -> Value {
        let class = |k: usize| source.class(k);
        let probabilities: Map<String, Value> =
            self.answer.probabilities.iter().enumerate().map(|(k, p)| (class(k).to_owned(), json!(p))).collect();
        let mut object = json!({
            "image": self.image,
            "sha256": self.sha256,
            "model": source.model,
            "model_sha256": source.sha256,
            "label": self.answer.class.map(class),
            "probabilities": probabilities,
            "logits": self.answer.logits,
            "abstained": self.answer.class.is_none(),
            "reason": self.answer.reason,
            "refusal_score": self.answer.refusal_score,
            "refuse_above": source.refuse_above,
            "warnings": self.warnings,
            "milliseconds": self.milliseconds,
        });
        if let Some(path) = &self.heatmap {
            object["heatmap"] = json!(path);
        }
        object
    }

    /// What both print without `--json`.
    pub(crate) fn print(&self, source: &Source) {
        println!("{}", self.image);
        for (k, p) in self.answer.probabilities.iter().enumerate() {
            println!("  {:<20} {:>6.1} %  {}", source.class(k), 100.0 * p, bar(*p));
        }
        match (self.answer.class, &self.answer.reason) {
            (Some(class), _) => println!("  verdict: {}", source.class(class)),
            (None, Some(reason)) if reason == "out_of_distribution" => println!(
                "  no verdict: this does not look like a frontal chest X-ray (score {:.1}, refused above {:.1})",
                self.answer.refusal_score.unwrap_or(f32::NAN),
                source.refuse_above.unwrap_or(f32::NAN)
            ),
            (None, reason) => println!(
                "  no verdict: {} (the top probability must reach {:.1} %)",
                reason.as_deref().unwrap_or("withheld").replace('_', " "),
                100.0 * source.abstain_below
            ),
        }
        for warning in &self.warnings {
            println!("  warning: {warning}");
        }
        if let Some(path) = &self.heatmap {
            println!("  heatmap: {}", path.display());
        }
        println!("  {:.1} ms\n", self.milliseconds);
    }
}

/// A bar of at most 24 cells, in eighths.
fn bar(share: f32) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 192.0).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_proportional() {
        assert_eq!((bar(0.0), bar(1.0)), (String::new(), "█".repeat(24)));
        assert_eq!(bar(0.5).chars().count(), 12);
    }

    #[cfg(feature = "lab")]
    #[test]
    fn json_has_the_documented_fields_and_bad_images_are_refused() {
        use crate::bundle::Bundle;
        use crate::random::{FIXTURE, network, smooth};
        let folder = tempfile::tempdir().unwrap();
        let bundle = Bundle::random(network(1, [256, 256, 3], &FIXTURE), 1).unwrap();
        let file = ModelFile::new(bundle.cxr, "m").unwrap();
        let engine = file.engine().unwrap();
        let path = folder.path().join("image");
        let pixels = image::GrayImage::from_raw(300, 200, smooth(1, 200, 300)).unwrap();
        pixels.save_with_format(&path, image::ImageFormat::Png).unwrap();
        let drawn = predict(engine, &path, Some(folder.path())).unwrap();
        let overlay = image::open(drawn.heatmap.clone().unwrap()).unwrap();
        assert_eq!((overlay.width(), overlay.height()), (256, 256));
        assert!(drawn.to_json(&Source::new(&file, engine))["heatmap"].is_string());
        let gray = decode::gray(&decode::read(&path).unwrap(), "image", 256, 256).unwrap();
        let (answer, maps) = engine.explain(&gray).unwrap();
        for (logit, map) in answer.logits.iter().zip(&maps) {
            let sum = map.cells.iter().map(|cell| f64::from(*cell)).sum::<f64>() + f64::from(map.bias);
            assert!((f64::from(*logit) - sum).abs() < 1e-3, "{logit} against {sum}");
        }
        let value = predict(engine, &path, None).unwrap().to_json(&Source::new(&file, engine));
        let mut fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "abstained",
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
        assert!(predict(engine, &path, None).is_err());
    }
}
