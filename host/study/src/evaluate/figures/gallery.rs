//! The surest of the wrong verdicts.

use crate::evaluate::figure::{Block, Case, Evidence, Figure, Page, Section, Sets};
use crate::evaluate::mistake::Mistake;
use anyhow::{Context, Result};
use base64::Engine;
use cxr_app::classes::CLASSES;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, GrayImage};
use rayon::prelude::*;
use serde::Serialize;

/// Errors shown.
const SHOWN: usize = 20;
/// Side of a thumbnail, in pixels.
const SIDE: u32 = 176;

/// The surest mistakes, with thumbnails.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Gallery(Vec<Mistake>);

impl Figure for Gallery {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(gallery(&from.tests)?))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let shown = self.0.iter().any(|mistake| mistake.thumbnail.is_some());
        let mut blocks = vec![Block::Gallery(self.0.clone())];
        if !shown {
            blocks.push(Block::Text(
                "This copy holds no dataset image; run host evaluate without --no-gallery-images to see them.".to_owned(),
            ));
        }
        let note = "The 20 wrong verdicts of the test splits that the network was surest of, withheld ones included. Some labels \
            are wrong themselves: nih's are text-mined.";
        Ok(vec![Section { id: "gallery", title: "Most confident mistakes", note: note.to_owned(), blocks }])
    }
}

impl Gallery {
    /// The same without dataset images.
    pub fn without_images(mut self) -> Self {
        self.0.iter_mut().for_each(|mistake| mistake.thumbnail = None);
        self
    }
}

fn gallery(sets: &Sets<'_>) -> Result<Vec<Mistake>> {
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
            thumbnail: Some(thumbnail(case.measured.picture.as_deref().context("a mistake has lost its picture")?)?),
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
