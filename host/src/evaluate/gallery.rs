//! The surest of the wrong verdicts.

use super::measure::Case;
use crate::classes::CLASSES;
use crate::decode;
use anyhow::Result;
use base64::Engine;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, GrayImage};
use rayon::prelude::*;
use serde::Serialize;

/// Errors shown.
const SHOWN: usize = 20;
/// Side of a thumbnail, in pixels.
const SIDE: u32 = 176;

/// A wrong verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// File name, as in the source's metadata.
    pub image: String,
    /// Where the image lies: the path given to `host evaluate`, and below.
    pub path: String,
    /// Source.
    pub source: String,
    /// Split.
    pub split: &'static str,
    /// Class it is labelled with.
    pub truth: &'static str,
    /// Class it was given.
    pub verdict: &'static str,
    /// Probability that the network gave that class.
    pub probability: f64,
    /// The verdict was withheld.
    pub withheld: bool,
    /// JPEG, base64; in report.html alone.
    #[serde(skip)]
    pub thumbnail: Option<String>,
}

/// The surest mistakes of the sets, with thumbnails if wanted.
///
/// # Errors
/// An image that cannot be read any more.
pub fn gallery(sets: &[(&'static str, Vec<Case<'_>>)], thumbnails: bool) -> Result<Vec<Mistake>> {
    let all = sets.iter().flat_map(|(_, cases)| cases);
    let mut wrong: Vec<&Case<'_>> = all.filter(|case| !case.measured.outcome.right()).collect();
    wrong.sort_by(|a, b| {
        let surer = b.measured.outcome.top().total_cmp(&a.measured.outcome.top());
        surer.then_with(|| a.sample.name.cmp(&b.sample.name))
    });
    wrong.truncate(SHOWN);
    let show = |case: &&Case<'_>| -> Result<Mistake> {
        let (sample, outcome) = (case.sample, &case.measured.outcome);
        Ok(Mistake {
            image: sample.name.clone(),
            path: sample.path.display().to_string(),
            source: sample.source.clone(),
            split: sample.split.name(),
            truth: CLASSES[outcome.truth],
            verdict: CLASSES[outcome.predicted],
            probability: outcome.top(),
            withheld: outcome.abstained,
            thumbnail: if thumbnails { Some(thumbnail(&decode::gray_256(&sample.path)?)?) } else { None },
        })
    };
    wrong.par_iter().map(show).collect()
}

fn thumbnail(gray: &[u8]) -> Result<String> {
    let full = GrayImage::from_raw(256, 256, gray.to_vec()).unwrap_or_default();
    let small = resize(&full, SIDE, SIDE, FilterType::Triangle);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 80).encode(&small, SIDE, SIDE, ExtendedColorType::L8)?;
    Ok(base64::engine::general_purpose::STANDARD.encode(jpeg))
}
