//! One pass over the images: each is decoded once, and each thing asked of it is inferred once.

use super::attribution::outside;
use super::field;
use super::networks::{EngineName, Networks, outcome};
use super::outcome::Outcome;
use super::picture::Picture;
use crate::dataset::check::{self, Inspected};
use crate::dataset::{Dataset, Sample, Split};
use crate::progress::progress;
use crate::refusal::negatives::{CHANGES, SIDE, spoil};
use anyhow::{Context, Result};
use cxr_app::model_file::{Answer, Map};
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use rownet_convert::chain::stats::{argmax, softmax};
use std::collections::BTreeMap;

/// Test images on which tract runs the int8 file as written, which is slow.
const REFEREED: usize = 100;
/// Training images of a class and source whose features are kept.
const FEATURES: usize = 400;

/// What is known of an image file without a network.
pub struct Traits {
    /// Bytes of the file, width, height, mean level.
    pub trivial: [f64; 4],
    /// Mean levels of the border's blocks.
    pub border: Vec<f64>,
    /// Channel sums of the last feature map, for images that were asked for.
    pub features: Option<Vec<f64>>,
}

/// What the networks say of an image of val, test or external_test.
pub struct Measured {
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
    /// 256x256 gray levels of a wrong verdict on a test.
    pub picture: Option<Vec<u8>>,
}

/// What `core` says of an image and of its changed copies.
pub struct Core {
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
pub struct Case<'a> {
    /// The sample.
    pub sample: &'a Sample,
    /// What was measured of it.
    pub measured: &'a Measured,
}

/// Everything measured, in the order of the samples.
#[derive(Default)]
pub struct Measurements {
    /// Of all but out_of_distribution images.
    pub traits: Vec<Option<Traits>>,
    /// Of val, test and external_test images.
    pub measured: Vec<Option<Measured>>,
    /// Of out_of_distribution images: the refusal score, and whether it refuses.
    pub refused: Vec<Option<(f32, bool)>>,
    /// What the evaluated network says of images with a partial label; their truth is that label.
    pub partial: Vec<Outcome>,
    /// What `host data check` needs of each image, those with a partial label last.
    pub inspected: Vec<Inspected>,
}

/// An image with a verdict.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The image.
    pub sample: &'a Sample,
    /// The verdict; its truth is [`OTHER_FINDING`] for a partial label.
    pub outcome: &'a Outcome,
}

impl<'a> Seen<'a> {
    /// All images with a verdict, those with a partial label last.
    pub fn all(data: &'a Dataset, measured: &'a Measurements) -> Vec<Self> {
        let whole = data.samples.iter().zip(&measured.measured);
        let whole = whole.filter_map(|(sample, measured)| Some(Self { sample, outcome: &measured.as_ref()?.outcome }));
        whole.chain(data.partial.iter().zip(&measured.partial).map(|(sample, outcome)| Self { sample, outcome })).collect()
    }
}

impl Measurements {
    /// Cases of a split.
    pub fn of<'a>(&'a self, samples: &'a [Sample], split: Split) -> Vec<Case<'a>> {
        let all = samples.iter().zip(&self.measured).filter(|(sample, _)| sample.split == split);
        all.filter_map(|(sample, measured)| Some(Case { sample, measured: measured.as_ref()? })).collect()
    }
}

/// Measures all images.
///
/// # Errors
/// An image that cannot be decoded; names it.
pub fn run(networks: &Networks<'_>, data: &Dataset) -> Result<Measurements> {
    let samples = &data.samples;
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
    let one = |(i, sample): (usize, &Sample)| {
        let refereed = tests.binary_search(&i).is_ok_and(|at| at % step == 0);
        match sample.split {
            Split::OutOfDistribution => to_be_refused(networks, sample),
            _ => one(networks, sample, ranks[i], wanted[i], refereed),
        }
        .with_context(|| sample.path.display().to_string())
    };
    let bar = progress(samples.len(), "evaluating");
    let results: Vec<One> = samples.par_iter().enumerate().progress_with(bar).map(one).collect::<Result<_>>()?;
    let bar = progress(data.partial.len(), "partial labels");
    let named = |sample: &Sample| partial(networks, sample).with_context(|| sample.path.display().to_string());
    let of_partial: Vec<(Outcome, Inspected)> = data.partial.par_iter().progress_with(bar).map(named).collect::<Result<_>>()?;
    let mut all = Measurements::default();
    for One { traits, measured, refused, inspected } in results {
        all.traits.push(traits);
        all.measured.push(measured);
        all.refused.push(refused);
        all.inspected.push(inspected);
    }
    for (outcome, inspected) in of_partial {
        all.partial.push(outcome);
        all.inspected.push(inspected);
    }
    Ok(all)
}

/// What is kept of an image.
struct One {
    traits: Option<Traits>,
    measured: Option<Measured>,
    refused: Option<(f32, bool)>,
    inspected: Inspected,
}

/// The refusal score, where there is one, and whether it refuses.
pub fn refused(answer: &Answer) -> Option<(f32, bool)> {
    answer.refusal_score.map(|score| (score, answer.reason.as_deref() == Some("out_of_distribution")))
}

/// A picture that is no frontal chest X-ray is shown to a refusal head alone.
fn to_be_refused(networks: &Networks<'_>, sample: &Sample) -> Result<One> {
    let scored = networks.evaluated == EngineName::Core && networks.engine.model.refusal().is_some();
    if !scored {
        return Ok(One { traits: None, measured: None, refused: None, inspected: check::inspect(sample) });
    }
    let picture = Picture::read(networks, sample)?;
    let answer = networks.engine.classify(&picture.gray)?;
    Ok(One { traits: None, measured: None, refused: refused(&answer), inspected: picture.inspected })
}

fn partial(networks: &Networks<'_>, sample: &Sample) -> Result<(Outcome, Inspected)> {
    let Picture { gray, inspected, .. } = Picture::read(networks, sample)?;
    let outcome = match networks.evaluated {
        EngineName::Core => Networks::of_core(sample, &networks.engine.classify(&gray)?)?,
        EngineName::Tract => networks.of_logits(sample, &networks.float_logits(&gray)?.context("no network was loaded")?)?,
    };
    Ok((outcome, inspected))
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

fn one(networks: &Networks<'_>, sample: &Sample, rank: usize, features: bool, refereed: bool) -> Result<One> {
    let engine = &networks.engine;
    let [_, width, _] = engine.input();
    let Picture { trivial, gray, full, inspected } = Picture::read(networks, sample)?;
    let by_core = networks.evaluated == EngineName::Core;
    let sums = if features && by_core { Some(engine.features(&gray, 0)?) } else { None };
    let traits = Some(Traits {
        trivial,
        border: field::border_blocks(&gray, width),
        features: sums.map(|sums| sums.into_iter().map(f64::from).collect()),
    });
    if sample.split == Split::Train {
        return Ok(One { traits, measured: None, refused: None, inspected });
    }
    let tested = matches!(sample.split, Split::Test | Split::ExternalTest);
    let mut measured = match networks.evaluated {
        EngineName::Core => {
            let (answer, maps) = engine.explain(&gray)?;
            let found = Networks::of_core(sample, &answer)?;
            Measured {
                uncalibrated: outcome(sample, &answer.logits, softmax(&answer.logits, 1.0), false)?,
                refusal: refused(&answer),
                core: if tested { Some(changed(networks, &gray, &answer, &maps, found.predicted, rank)?) } else { None },
                float: if tested { networks.float_logits(&gray)? } else { None },
                int8: if refereed { networks.int8_logits(&gray)? } else { None },
                logits: answer.logits,
                outcome: found,
                picture: None,
            }
        }
        EngineName::Tract => {
            let logits = networks.float_logits(&gray)?.context("no network was loaded")?;
            Measured {
                outcome: networks.of_logits(sample, &logits)?,
                uncalibrated: outcome(sample, &logits, softmax(&logits, 1.0), false)?,
                refusal: None,
                core: None,
                float: None,
                int8: None,
                logits,
                picture: None,
            }
        }
    };
    measured.picture = (tested && !measured.outcome.right()).then_some(full);
    Ok(One { traits, measured: Some(measured), refused: None, inspected })
}

/// What `core` says of changed copies of a picture, of which it has given an `answer`.
fn changed(networks: &Networks<'_>, gray: &[u8], answer: &Answer, maps: &[Map], predicted: usize, rank: usize) -> Result<Core> {
    let engine = &networks.engine;
    let [height, width, _] = engine.input();
    let class = |gray: &[u8]| -> Result<usize> { Ok(argmax(&engine.classify(gray)?.logits)) };
    let spoilt = [width, height] == [SIDE; 2] && answer.refusal_score.is_some();
    Ok(Core {
        centre_blacked: class(&field::centre_blacked(gray, width))?,
        border_only: class(&field::border_only(gray, width))?,
        corners_masked: class(&field::corners_masked(gray, width))?,
        flipped: class(&field::flipped(gray, width))?,
        stretched: [class(&field::stretched(gray, width, 0))?, class(&field::stretched(gray, width, 1))?],
        outside: outside(maps, predicted),
        spoilt: if spoilt {
            let refused = refused(&engine.classify(&spoil(gray, rank))?);
            refused.map(|(score, refused)| (CHANGES[rank % CHANGES.len()], score, refused))
        } else {
            None
        },
    })
}
