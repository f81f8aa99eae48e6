//! One pass over the images: each is decoded once, and each thing asked of it is inferred once.

use super::EngineName;
use super::field;
use super::metrics::Outcome;
use super::networks::{Networks, outcome};
use crate::dataset::{Sample, Split};
use crate::decode;
use crate::export::search::softmax;
use crate::heatmap::Map;
use crate::model_file::replicate;
use crate::refusal::negatives::{CHANGES, SIDE, spoil};
use crate::verify::progress;
use anyhow::{Context, Result};
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Test images on which tract runs the int8 file as written, which is slow.
const REFEREED: usize = 100;
/// Training images of a class and source whose features are kept.
const FEATURES: usize = 400;

/// What is known of an image file without a network.
pub(super) struct Traits {
    /// Bytes of the file, width, height, mean level.
    pub trivial: [f64; 4],
    /// Mean levels of the border's blocks.
    pub border: Vec<f64>,
    /// Channel sums of the last feature map, for images that were asked for.
    pub features: Option<Vec<f64>>,
}

/// What the networks say of an image of val, test or external_test.
pub(super) struct Measured {
    /// The evaluated network's verdict.
    pub outcome: Outcome,
    /// The same with a temperature of 1.
    pub uncalibrated: Outcome,
    /// The evaluated network's logits.
    pub logits: Vec<f32>,
    /// Refusal score, and whether it refuses.
    pub refusal: Option<(f32, bool)>,
    /// What only `core` is asked.
    pub core: Option<Core>,
    /// Logits of tract on the float file.
    pub float: Option<Vec<f32>>,
    /// Logits of tract on the int8 file as written.
    pub int8: Option<Vec<f32>>,
}

/// What `core` says of an image and of its changed copies.
pub(super) struct Core {
    /// Class with the central field black.
    pub centre_blacked: usize,
    /// Class of the border alone.
    pub border_only: usize,
    /// Class with the corners black.
    pub corners_masked: usize,
    /// Class with left and right exchanged.
    pub flipped: usize,
    /// Classes of the image stretched in width and in height.
    pub stretched: [usize; 2],
    /// Share of the attribution outside of the central field.
    pub outside: Option<f64>,
    /// Of the image turned or inverted: which change, the refusal score, and whether it refuses.
    pub spoilt: Option<(&'static str, f32, bool)>,
}

/// A sample and what was measured of it.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    /// The sample.
    pub sample: &'a Sample,
    /// What was measured of it.
    pub measured: &'a Measured,
}

/// Everything measured, in the order of the samples.
pub(super) struct Measurements {
    /// Of all but out_of_distribution images.
    pub traits: Vec<Option<Traits>>,
    /// Of val, test and external_test images.
    pub measured: Vec<Option<Measured>>,
}

impl Measurements {
    /// Cases of a split.
    pub fn of<'a>(&'a self, samples: &'a [Sample], split: Split) -> Vec<Case<'a>> {
        let all = samples.iter().zip(&self.measured).filter(|(sample, _)| sample.split == split);
        all.filter_map(|(sample, measured)| Some(Case { sample, measured: measured.as_ref()? })).collect()
    }
}

/// Measures all samples but those that must be refused.
pub(super) fn run(networks: &Networks<'_>, samples: &[Sample]) -> Result<Measurements> {
    let wanted = features_wanted(samples);
    let tests: Vec<usize> = (0..samples.len()).filter(|&i| samples[i].split == Split::Test).collect();
    // Counted without training images: a larger training set does not deal other changes to the tests.
    let ranks: Vec<usize> = samples
        .iter()
        .scan(0, |next, sample| {
            let rank = *next;
            *next += usize::from(sample.split != Split::Train);
            Some(rank)
        })
        .collect();
    let step = tests.len().div_ceil(REFEREED).max(1);
    let results: Vec<(Option<Traits>, Option<Measured>)> = samples
        .par_iter()
        .enumerate()
        .progress_with(progress(samples.len(), "evaluating"))
        .map(|(i, sample)| {
            if sample.split == Split::OutOfDistribution {
                return Ok((None, None));
            }
            let refereed = tests.binary_search(&i).is_ok_and(|at| at % step == 0);
            one(networks, sample, ranks[i], wanted[i], refereed).with_context(|| sample.path.display().to_string())
        })
        .collect::<Result<_>>()?;
    let (traits, measured) = results.into_iter().unzip();
    Ok(Measurements { traits, measured })
}

/// What the evaluated network says of images with a partial label; their truth is that label.
pub(super) fn outcomes(networks: &Networks<'_>, samples: &[Sample]) -> Result<Vec<Outcome>> {
    let [height, width, _] = networks.engine.input();
    let one = |sample: &Sample| -> Result<Outcome> {
        let gray = decode::gray(&decode::read(&sample.path)?, &sample.path.display().to_string(), width, height)?;
        let logits = match networks.evaluated {
            EngineName::Core => return Networks::of_core(sample, &networks.engine.classify(&gray)?),
            EngineName::Tract => networks.float_logits(&gray)?,
            EngineName::TractInt8 => networks.int8_logits(&gray)?,
        };
        networks.of_logits(sample, &logits.context("no network was loaded")?)
    };
    let named = |sample: &Sample| one(sample).with_context(|| sample.path.display().to_string());
    samples.par_iter().progress_with(progress(samples.len(), "partial labels")).map(named).collect()
}

/// Training images, evenly spread over classes and sources, and all others.
fn features_wanted(samples: &[Sample]) -> Vec<bool> {
    let mut groups: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (i, sample) in samples.iter().enumerate().filter(|(_, s)| s.split == Split::Train) {
        groups.entry((sample.class, &sample.source)).or_default().push(i);
    }
    let mut wanted: Vec<bool> = samples.iter().map(|s| s.split != Split::Train).collect();
    for group in groups.values() {
        group.iter().step_by(group.len().div_ceil(FEATURES)).for_each(|&i| wanted[i] = true);
    }
    wanted
}

fn one(
    networks: &Networks<'_>,
    sample: &Sample,
    rank: usize,
    features: bool,
    refereed: bool,
) -> Result<(Option<Traits>, Option<Measured>)> {
    let engine = &networks.engine;
    let [height, width, channels] = engine.input();
    let bytes = decode::read(&sample.path)?;
    let name = sample.path.display().to_string();
    let image = decode::Image::decode(&bytes, &name)?;
    let (w, h) = image.dimensions();
    let gray = image.gray(width, height)?;
    let brightness = gray.iter().map(|level| f64::from(*level)).sum::<f64>() / gray.len().max(1) as f64;
    let by_core = networks.evaluated == EngineName::Core;
    let sums = if features && by_core { Some(engine.features(&replicate(&gray, channels), 0)?) } else { None };
    let traits = Traits {
        trivial: [bytes.len() as f64, f64::from(w), f64::from(h), brightness],
        border: field::border_blocks(&gray, width),
        features: sums.map(|sums| sums.into_iter().map(f64::from).collect()),
    };
    if sample.split == Split::Train {
        return Ok((Some(traits), None));
    }
    let tested = matches!(sample.split, Split::Test | Split::ExternalTest);
    let measured = if by_core {
        let (answer, maps) = engine.explain(&gray)?;
        let found = Networks::of_core(sample, &answer)?;
        let class = |gray: &[u8]| -> Result<usize> { Ok(crate::agreement::argmax(&engine.classify(gray)?.logits)) };
        let refused = |answer: &crate::model_file::Answer| {
            answer.refusal_score.map(|score| (score, answer.reason.as_deref() == Some("out_of_distribution")))
        };
        let core = if tested {
            let spoilt = [width, height] == [SIDE; 2] && answer.refusal_score.is_some();
            Some(Core {
                centre_blacked: class(&field::centre_blacked(&gray, width))?,
                border_only: class(&field::border_only(&gray, width))?,
                corners_masked: class(&field::corners_masked(&gray, width))?,
                flipped: class(&field::flipped(&gray, width))?,
                stretched: [class(&field::stretched(&gray, width, 0))?, class(&field::stretched(&gray, width, 1))?],
                outside: outside(&maps, found.predicted),
                spoilt: if spoilt {
                    let refused = refused(&engine.classify(&spoil(&gray, rank))?);
                    refused.map(|(score, refused)| (CHANGES[rank % CHANGES.len()], score, refused))
                } else {
                    None
                },
            })
        } else {
            None
        };
        Measured {
            uncalibrated: outcome(sample, &answer.logits, softmax(&answer.logits, 1.0), false)?,
            refusal: refused(&answer),
            core,
            float: if tested { networks.float_logits(&gray)? } else { None },
            int8: if refereed { networks.int8_logits(&gray)? } else { None },
            logits: answer.logits,
            outcome: found,
        }
    } else {
        let logits = match networks.evaluated {
            EngineName::Tract => networks.float_logits(&gray)?,
            _ => networks.int8_logits(&gray)?,
        };
        let logits = logits.context("no network was loaded")?;
        Measured {
            outcome: networks.of_logits(sample, &logits)?,
            uncalibrated: outcome(sample, &logits, softmax(&logits, 1.0), false)?,
            refusal: None,
            core: None,
            float: None,
            int8: None,
            logits,
        }
    };
    Ok((Some(traits), Some(measured)))
}

/// Share outside of the central field of what sets the class apart: the absolute differences, cell by cell, between its
/// map and the mean of all classes' maps. `None` where the map is too small to have a centre, or all zeros.
fn outside(maps: &[Map], class: usize) -> Option<f64> {
    let [height, width] = maps[class].size;
    let (mut sum, mut out, mut central) = (0.0, 0.0, 0);
    for cell in 0..height * width {
        let mean = maps.iter().map(|map| f64::from(map.cells[cell])).sum::<f64>() / maps.len() as f64;
        let mass = (f64::from(maps[class].cells[cell]) - mean).abs();
        sum += mass;
        if field::is_central(cell % width, cell / width, width, height) { central += 1 } else { out += mass }
    }
    (sum > 0.0 && central > 0 && central < height * width).then(|| out / sum)
}

/// Share of the map's cells outside of the central field: what [`outside`] is for attribution spread evenly.
pub(super) fn outside_by_area(networks: &Networks<'_>) -> f64 {
    let shape = cxr_core::explain::map_shape(&networks.engine.model);
    let (height, width) = (usize::from(shape.height), usize::from(shape.width));
    let cells = (height * width).max(1);
    let inside = (0..cells).filter(|i| field::is_central(i % width.max(1), i / width.max(1), width, height)).count();
    1.0 - inside as f64 / cells as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribution_outside_of_the_centre() {
        let map = |centre: f32, edge: f32| Map {
            size: [8, 8],
            cells: (0..64).map(|i| if field::is_central(i % 8, i / 8, 8, 8) { centre } else { edge }).collect(),
            bias: 0.0,
        };
        assert_eq!(outside(&[map(1.0, 0.0), map(0.0, 0.0), map(0.0, 0.0)], 0), Some(0.0));
        let even = outside(&[map(1.0, 1.0), map(0.0, 0.0), map(0.0, 0.0)], 0).unwrap();
        assert!((even - 28.0 / 64.0).abs() < 1e-6);
        assert_eq!(outside(&[map(1.0, 1.0), map(1.0, 1.0), map(1.0, 1.0)], 0), None);
        let cell = Map { size: [1, 1], cells: vec![1.0], bias: 0.0 };
        assert_eq!(outside(&[cell.clone(), Map { cells: vec![0.0], ..cell }], 0), None);
    }
}
