//! What the classifier says of an instance: the steps of `host predict`, and the picture that goes with the numbers.

use anyhow::{Context, Result};
use cxr_app::budget::Budget;
use cxr_app::decode::{Kind, Refusal};
use cxr_app::heatmap;
use cxr_app::lungs::Frame;
use cxr_app::model_file::{Answer, Engine, Map};
use image::RgbImage;

/// What was said of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The verdict, or why there is none.
    pub verdict: Verdict,
    /// Calibrated probabilities, one a class, 0 to 1; none where the image was refused.
    pub probabilities: Vec<f32>,
    /// How unlike the training images the picture is, where the model can tell.
    pub score: Option<f32>,
    /// How far it is from the training images, likewise.
    pub distance: Option<f32>,
    /// What makes the answer doubtful, a sentence each.
    pub warnings: Vec<String>,
    /// The exact map; none where the image was refused.
    pub drawing: Option<Drawing>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An index of [`Source::classes`](cxr_app::prediction::Source).
    Class(usize),
    /// No probability is high enough.
    LowConfidence,
    /// The likeliest class takes a picture more like those that the model knows.
    Doubtful,
    /// Unlike the frontal chest X-rays that the model knows.
    Refused,
    /// The image cannot be read, and why.
    Unreadable(String),
}

/// The map of the likeliest class.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The map's class.
    pub class: usize,
    /// The class's logit, which cells and bias of the map add up to.
    pub logit: f32,
    /// The map.
    pub map: Map,
    /// Where it lies in the X-ray.
    pub frame: Frame,
    /// The map over the X-ray.
    pub picture: RgbImage,
}

/// Width of a [`Drawing`] in pixels.
pub const WIDTH: usize = 512;
/// Least and most rows of a [`Drawing`].
const ROWS: (usize, usize) = (64, 1536);

/// Classifies an image file, called `name` in messages. An image that cannot be used is a [`Reading`] too.
///
/// Its pixels take at most `most` bytes, a share of `budget`, for which it waits.
///
/// # Errors
/// A fault of the program or its model, not of the image.
pub fn read(engine: Engine<'_>, budget: &Budget, most: u64, bytes: &[u8], name: &str) -> Result<Reading> {
    match classify(engine, budget, most, bytes, name) {
        Err(error) if error.is::<Refusal>() => {
            let refusal = error.downcast_ref::<Refusal>().context("a refusal")?;
            // The sender knows the file by its UIDs.
            let why = refusal.message.strip_prefix(name).map_or(&refusal.message[..], |why| why.trim_start_matches(": "));
            let why = if refusal.kind == Kind::Empty { "no pixels" } else { why };
            Ok(Reading {
                verdict: Verdict::Unreadable(why.to_owned()),
                probabilities: Vec::new(),
                score: None,
                distance: None,
                warnings: Vec::new(),
                drawing: None,
            })
        }
        read => read,
    }
}

fn classify(engine: Engine<'_>, budget: &Budget, most: u64, bytes: &[u8], name: &str) -> Result<Reading> {
    let [height, width, _] = engine.input();
    let (image, _share) = budget.decode(bytes, name, most, None)?;
    let (answer, maps) = engine.explain(&image.gray(width, height)?)?;
    let warnings = image.warnings().iter().cloned().chain(answer.frame.warning()).collect();
    let Answer { logits, probabilities, class, reason, refusal_score: score, distance, frame } = answer;
    let verdict = match (class, reason.as_deref()) {
        (Some(class), _) => Verdict::Class(class),
        (None, Some("low_confidence")) => Verdict::LowConfidence,
        (None, Some("doubtful_class")) => Verdict::Doubtful,
        (None, _) => Verdict::Refused,
    };
    if verdict == Verdict::Refused {
        return Ok(Reading { verdict, probabilities: Vec::new(), score, distance, warnings, drawing: None });
    }
    let likeliest = (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap_or(0);
    let map = maps.into_iter().nth(likeliest).context("a map of each class")?;
    let (columns, rows) = image.dimensions();
    let height = (WIDTH as u64 * u64::from(rows) / u64::from(columns).max(1)) as usize;
    let height = height.clamp(ROWS.0, ROWS.1);
    let picture = heatmap::overlay(&image.gray(WIDTH, height)?, WIDTH, height, &map, frame);
    let drawing = Drawing { class: likeliest, logit: logits[likeliest], map, frame, picture };
    Ok(Reading { verdict, probabilities, score, distance, warnings, drawing: Some(drawing) })
}
