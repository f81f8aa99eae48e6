//! A classified image, as JSON, as text and as a row of a table.

// A browser prints nothing.
#![cfg_attr(target_family = "wasm", allow(dead_code))]

use crate::decode;
use crate::files;
use crate::model_file::{Answer, Engine, ModelFile};
use crate::unseen;
use cxr_core::format::Doubt;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The model behind a prediction, here or on a board.
pub struct Source {
    /// Its name.
    pub model: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Class names.
    pub classes: Vec<String>,
    /// Top probability under which verdicts are withheld.
    pub abstain_below: f32,
    /// A class that is named only of pictures like those that the model knows.
    pub doubt: Option<Doubt>,
    /// Score above which a picture is refused, if the model can tell.
    pub refuse_above: Option<f32>,
    /// What is known of hospitals that it has never seen, in a sentence; see [`unseen::sentence`].
    pub unseen: String,
}

impl Source {
    /// A model file, and the `report.json` of `host evaluate` for it, if there is one.
    pub fn new(file: &ModelFile, engine: Engine<'_>, report: Option<&Value>) -> Self {
        let model = engine.model;
        Self {
            model: file.name.clone(),
            sha256: file.sha256.clone(),
            classes: (0..model.class_count()).map(|class| model.class_name(class).to_owned()).collect(),
            abstain_below: model.abstain_below(),
            doubt: model.doubt(),
            refuse_above: model.refusal().map(|head| head.refuse_above()),
            unseen: report.map_or_else(|| unseen::NOT_MEASURED.to_owned(), |report| unseen::sentence(&report["unseen"])),
        }
    }

    /// Why a verdict of the doubted class is withheld of a picture at this distance, in a sentence without its end.
    pub fn doubted(&self, distance: Option<f32>) -> String {
        let Some(Doubt { class, above }) = self.doubt else { return "the class is doubtful".to_owned() };
        format!(
            "{} is likeliest, but the picture is unlike those that the model knows (distance {:.1}, named up to {above:.1}): healthy people of unknown hospitals look so too",
            self.class(class.into()),
            distance.unwrap_or(f32::NAN),
        )
    }

    fn class(&self, class: usize) -> &str {
        self.classes.get(class).map_or("", String::as_str)
    }
}

/// A classified image.
pub struct Prediction {
    /// Its path or name.
    pub image: String,
    /// Of the file.
    pub sha256: String,
    /// What `core` said.
    pub answer: Answer,
    /// What makes the answer doubtful; see [`decode::Image::warnings`].
    pub warnings: Vec<String>,
    /// Decoding and inference.
    pub milliseconds: f64,
    /// Where its overlay was written.
    pub heatmap: Option<PathBuf>,
}

impl Prediction {
    /// Names and hashes an answer to the file of these bytes.
    pub fn new(image: &str, bytes: &[u8], decoded: &decode::Image<'_>, answer: Answer) -> Self {
        let warnings = decoded.warnings().iter().cloned().chain(answer.frame.warning()).collect();
        let sha256 = files::sha256(bytes);
        Self { image: image.to_owned(), sha256, answer, warnings, milliseconds: 0.0, heatmap: None }
    }

    /// What `predict --json`, `device --json` and the server answer.
    pub fn to_json(&self, source: &Source) -> Value {
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
            "distance": self.answer.distance,
            "frame": self.answer.frame.to_json(),
            "doubt_above": source.doubt.map(|doubt| doubt.above),
            "warnings": self.warnings,
            "milliseconds": self.milliseconds,
        });
        if let Some(path) = &self.heatmap {
            object["heatmap"] = json!(path);
        }
        object
    }

    /// What is printed without `--json`.
    pub(crate) fn text(&self, source: &Source) -> String {
        let mut text = format!("{}\n", self.image);
        for (k, p) in self.answer.probabilities.iter().enumerate() {
            let _ = writeln!(text, "  {:<20} {:>6.1} %  {}", source.class(k), 100.0 * p, bar(*p));
        }
        let _ = match (self.answer.class, &self.answer.reason) {
            (Some(class), _) => writeln!(text, "  verdict: {}\n  {}", source.class(class), source.unseen),
            (None, Some(reason)) if reason == "out_of_distribution" => writeln!(
                text,
                "  no verdict: this does not look like a frontal chest X-ray (score {:.1}, refused above {:.1})",
                self.answer.refusal_score.unwrap_or(f32::NAN),
                source.refuse_above.unwrap_or(f32::NAN)
            ),
            (None, Some(reason)) if reason == "doubtful_class" => {
                writeln!(text, "  no verdict: {}", source.doubted(self.answer.distance))
            }
            (None, reason) => writeln!(
                text,
                "  no verdict: {} (the top probability must reach {:.1} %)",
                reason.as_deref().unwrap_or("withheld").replace('_', " "),
                100.0 * source.abstain_below
            ),
        };
        for warning in &self.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        if let Some(path) = &self.heatmap {
            let _ = writeln!(text, "  heatmap: {}", path.display());
        }
        let _ = writeln!(text, "  {:.1} ms", self.milliseconds);
        text
    }

    /// The cells under [`header`].
    pub(crate) fn row(&self, source: &Source) -> Vec<String> {
        let answer = &self.answer;
        let number = |value: Option<f32>| value.map_or_else(String::new, |value| value.to_string());
        let mut row = vec![
            plain(&self.image),
            self.sha256.clone(),
            answer.class.map_or_else(String::new, |class| plain(source.class(class))),
            answer.class.is_none().to_string(),
            plain(answer.reason.as_deref().unwrap_or_default()),
            number(answer.refusal_score),
        ];
        row.extend(answer.probabilities.iter().chain(&answer.logits).map(|value| number(Some(*value))));
        row.push(plain(&self.warnings.join("; ")));
        row.push(self.heatmap.as_ref().map_or_else(String::new, |path| plain(&path.display().to_string())));
        row.extend([format!("{:.3}", self.milliseconds), plain(&source.model), source.sha256.clone(), String::new()]);
        row
    }
}

/// Columns of a table of predictions: those of the page's, where they are the same.
pub(crate) fn header(source: &Source) -> Vec<String> {
    let words = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut header = words(&["image", "sha256", "label", "abstained", "reason", "refusal_score"]);
    header.extend(source.classes.iter().map(|class| format!("p({class})")));
    header.extend(source.classes.iter().map(|class| format!("logit({class})")));
    header.extend(words(&["warnings", "heatmap", "milliseconds", "model", "model_sha256", "error"]));
    header
}

/// The row of an image that could not be classified.
pub(crate) fn failed_row(image: &str, error: &str, source: &Source) -> Vec<String> {
    let mut row = vec![String::new(); header(source).len()];
    let [.., model, model_sha256, last] = &mut row[..] else { return row };
    (*model, *model_sha256, *last) = (plain(&source.model), source.sha256.clone(), plain(error));
    row[0] = plain(image);
    row
}

/// Text that no spreadsheet takes for a formula, as the page writes it.
fn plain(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A bar of at most 24 cells, in eighths.
fn bar(share: f32) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 192.0).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

/// Index of the largest probability.
pub(crate) fn likeliest(probabilities: &[f32]) -> usize {
    (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::lungs::Frame;

    /// A model's names without a model.
    pub(crate) fn source() -> Source {
        Source {
            model: "m".to_owned(),
            sha256: "ab".repeat(32),
            classes: ["Normal/NA", "Pneumonia/COVID-19"].map(str::to_owned).to_vec(),
            abstain_below: 0.5,
            doubt: Some(Doubt { class: 1, above: 2.0 }),
            refuse_above: Some(3.0),
            unseen: unseen::NOT_MEASURED.to_owned(),
        }
    }

    /// An answer for `image`.
    pub(crate) fn prediction(image: &str) -> Prediction {
        let answer = Answer {
            logits: vec![1.5, -0.5],
            probabilities: vec![0.875, 0.125],
            class: Some(0),
            reason: None,
            refusal_score: Some(0.25),
            distance: Some(0.5),
            frame: Frame::Whole,
        };
        let warnings = vec!["a lateral view".to_owned(), "torn".to_owned()];
        Prediction { image: image.to_owned(), sha256: "cd".repeat(32), answer, warnings, milliseconds: 1.25, heatmap: None }
    }

    #[test]
    fn bars_are_proportional() {
        assert_eq!((bar(0.0), bar(1.0)), (String::new(), "█".repeat(24)));
        assert_eq!(bar(0.5).chars().count(), 12);
    }

    #[test]
    fn a_verdict_stands_beside_what_is_known_of_hospitals_never_seen() {
        let (mut source, mut prediction) = (source(), prediction("x.png"));
        source.unseen = "Of 513 X-rays ...".to_owned();
        let text = prediction.text(&source);
        assert!(text.contains("  verdict: Normal/NA\n  Of 513 X-rays ...\n"), "{text}");
        assert!(text.contains("  warning: a lateral view\n  warning: torn\n"), "{text}");
        prediction.answer.class = None;
        prediction.answer.reason = Some("low_confidence".to_owned());
        let text = prediction.text(&source);
        assert!(text.contains("no verdict: low confidence") && !text.contains("Of 513"), "{text}");
        prediction.answer.reason = Some("doubtful_class".to_owned());
        prediction.answer.distance = Some(2.5);
        let text = prediction.text(&source);
        let expected = "no verdict: Pneumonia/COVID-19 is likeliest, but the picture is unlike those that the model knows (distance 2.5, named up to 2.0)";
        assert!(text.contains(expected) && !text.contains("Of 513"), "{text}");
    }

    #[test]
    fn rows_have_the_columns_of_the_header_and_no_formulas() {
        let source = source();
        let header = header(&source);
        let row = prediction("=x.png").row(&source);
        let failed = failed_row("@x.png", "-x: damaged", &source);
        assert_eq!([row.len(), failed.len()], [header.len(); 2]);
        let cell = |row: &[String], name: &str| row[header.iter().position(|column| column == name).unwrap()].clone();
        assert_eq!(cell(&row, "image"), "'=x.png");
        assert_eq!(cell(&row, "label"), "Normal/NA");
        assert_eq!(cell(&row, "p(Pneumonia/COVID-19)"), "0.125");
        assert_eq!(cell(&row, "logit(Pneumonia/COVID-19)"), "-0.5");
        assert_eq!(cell(&row, "warnings"), "a lateral view; torn");
        assert_eq!((cell(&failed, "image"), cell(&failed, "error")), ("'@x.png".to_owned(), "'-x: damaged".to_owned()));
        assert_eq!(cell(&failed, "label"), "");
    }
}
