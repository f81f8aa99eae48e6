//! The images of a run, decoded once and kept as 8-bit gray pixels.

use crate::dataset::fold::Fold;
use crate::dataset::{LeaveOut, OTHER_FINDING, Query, Sample, Split, hospital};
use crate::recipe::{DataSpec, Sampling, Tone, TrainSpec};
use crate::{augment, dataset, synthetic};
use anyhow::{Context, Result, ensure};
use cxr_app::classes::{self, CLASSES, COVID};
use cxr_app::lungs;
use indicatif::ProgressBar;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bytes of one cached image.
pub const IMAGE_BYTES: usize = augment::SIDE * augment::SIDE;

/// Images of one split.
#[derive(Debug, Default)]
pub struct ImageSet {
    pixels: Vec<u8>,
    /// Class of each image; [`OTHER_FINDING`] for a partial label.
    pub classes: Vec<usize>,
    /// Index into [`Data::sources`] of each image.
    pub sources: Vec<usize>,
    /// Who and what each image is, for predictions.csv.
    pub about: Vec<About>,
}

/// An image in words.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// File name.
    pub name: String,
    /// Patient.
    pub patient: String,
    /// Hospital or collection.
    pub hospital: String,
    /// Was an `external_test` row before its hospital was left out.
    pub held_out: bool,
}

/// What the loss takes from a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfSource {
    /// Label smoothing.
    pub smoothing: f32,
    /// `log p(class | source)` times the recipe's weight of it; zeros where that is off.
    pub log_prior: [f32; CLASSES.len()],
}

/// Least probability of a class in a source: absence in a sample proves no impossibility.
const LEAST_PRIOR: f64 = 0.02;

impl ImageSet {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Pixels of image `index`, [`IMAGE_BYTES`].
    pub fn pixels(&self, index: usize) -> &[u8] {
        &self.pixels[index * IMAGE_BYTES..][..IMAGE_BYTES]
    }

    /// Number of images of each class.
    pub fn counts(&self) -> [usize; CLASSES.len()] {
        std::array::from_fn(|class| self.classes.iter().filter(|&&c| c == class).count())
    }
}

/// What a run trains and validates on.
#[derive(Debug)]
pub struct Data {
    /// Training images.
    pub train: ImageSet,
    /// Validation images.
    pub val: ImageSet,
    /// Images of the hospitals left out; nothing is chosen by them.
    pub unseen: ImageSet,
    /// Names of the sources, sorted.
    pub sources: Vec<String>,
    /// SHA-256 over names, classes, splits and pixels, hexadecimal.
    pub hash: String,
    /// Fold left out, if any.
    pub fold: Option<Fold>,
    /// Hospitals left out.
    pub leave_out: Vec<String>,
    /// Hospitals that training and validation images come from.
    pub hospitals: BTreeSet<String>,
    /// CoronaHack's folder, absolute; `host export` reads it again, and those of other sources.
    pub coronahack: Option<PathBuf>,
    /// Folders of other sources, absolute.
    pub external: Vec<PathBuf>,
}

impl Data {
    /// What the loss takes from each source.
    pub fn of_source(&self, spec: &TrainSpec) -> Vec<OfSource> {
        let smoothing = |source: &String| spec.source_label_smoothing.get(source).copied().unwrap_or(spec.label_smoothing);
        let of = |(index, source): (usize, &String)| OfSource {
            smoothing: smoothing(source),
            log_prior: self.log_prior(spec, index, source).map(|log_p| spec.source_prior * log_p),
        };
        self.sources.iter().enumerate().map(of).collect()
    }

    /// `log p(class | source)` in what is drawn for training; a partial label is half of each class that it admits.
    fn log_prior(&self, spec: &TrainSpec, index: usize, source: &str) -> [f32; CLASSES.len()] {
        let images = |class: usize| {
            let own = self.train.classes.iter().zip(&self.train.sources);
            own.filter(|(c, s)| **c == class && **s == index).count() as f64
        };
        let drawn = |class: usize| match &spec.sampling {
            Sampling::Shares(shares) if images(class) > 0.0 => {
                shares.get(source).and_then(|of| of.get(class)).copied().unwrap_or(0.0)
            }
            Sampling::Shares(_) => 0.0,
            Sampling::Natural | Sampling::Balanced { .. } => images(class),
        };
        let half = drawn(OTHER_FINDING) / 2.0;
        let weights: [f64; CLASSES.len()] = std::array::from_fn(|k| drawn(k) + if k == COVID { 0.0 } else { half });
        let sum: f64 = weights.iter().sum();
        // A source that is not drawn tells nothing.
        weights.map(|weight| if sum > 0.0 { (weight / sum).max(LEAST_PRIOR).ln() as f32 } else { 0.0 })
    }

    /// Sources that the recipe names and no image is of: left out, or misspelt.
    pub fn absent<'a>(&self, spec: &'a TrainSpec) -> BTreeSet<&'a str> {
        let drawn: Vec<&String> = match &spec.sampling {
            Sampling::Natural => vec![],
            Sampling::Balanced { weights, .. } => weights.keys().collect(),
            Sampling::Shares(shares) => shares.keys().collect(),
        };
        let named = drawn.into_iter().chain(spec.source_label_smoothing.keys());
        named.map(String::as_str).filter(|name| !self.sources.iter().any(|source| source == name)).collect()
    }
}

/// One image before its split is known.
struct Loaded {
    name: String,
    source: String,
    class: usize,
    split: Split,
    about: About,
    pixels: Vec<u8>,
}

/// Decodes the training and validation images of the query's folders in parallel, and those of the hospitals left out.
///
/// # Errors
/// As [`dataset::load`]; an image that cannot be decoded.
pub fn load(query: &Query<'_>, spec: &DataSpec, bar: &ProgressBar) -> Result<Data> {
    let dataset = dataset::load(query)?;
    let mut samples: Vec<Sample> = dataset.samples.into_iter().chain(dataset.partial).collect();
    samples.retain(|sample| sample.split.learns() || sample.split == Split::Unseen);
    if spec.radiologists {
        let doubted = |sample: &Sample| sample.reading.is_some_and(|reading| reading.contradicts(sample.class));
        samples.retain(|sample| !(sample.split == Split::Train && doubted(sample)));
    }
    let hospitals = samples.iter().filter(|sample| sample.split.learns()).map(|sample| sample.hospital().to_owned()).collect();
    let finder = spec.frame.finder()?;
    bar.set_length(samples.len() as u64);
    let loaded: Vec<Loaded> = samples
        .into_par_iter()
        .map(|sample| {
            let mut pixels = lungs::gray_256(&sample.path, finder.as_ref())?;
            if spec.tone == Tone::Equalized {
                augment::equalize(&mut pixels, 1.0);
            }
            bar.inc(1);
            let hospital = sample.hospital().to_owned();
            let Sample { name, source, class, split, patient, held_out, .. } = sample;
            let about = About { name: name.clone(), patient, hospital, held_out };
            Ok(Loaded { name, source, class, split, about, pixels })
        })
        .collect::<Result<_>>()?;
    let absolute = |folder: &Path| std::path::absolute(folder).ok();
    let leave_out = match query.leave_out {
        LeaveOut::Only(names) => names.iter().cloned().collect(),
        LeaveOut::Nothing | LeaveOut::AllBut(_) => vec![],
    };
    Ok(Data {
        fold: query.fold,
        leave_out,
        hospitals,
        coronahack: absolute(query.coronahack),
        external: query.external.iter().filter_map(|folder| absolute(folder)).collect(),
        ..collect(loaded)?
    })
}

/// Generated images: 40 a class to train, 12 a class to validate.
pub fn generated() -> Result<Data> {
    let wanted: Vec<(usize, u64)> = (0..CLASSES.len()).flat_map(|class| (0..52).map(move |seed| (class, seed))).collect();
    let loaded = wanted
        .into_par_iter()
        .map(|(class, seed)| Loaded {
            name: format!("{}-{seed}", classes::CLASSES[class]),
            source: "generated".into(),
            class,
            split: if seed < 40 { Split::Train } else { Split::Val },
            about: About::default(),
            pixels: synthetic::image(class, seed),
        })
        .collect();
    collect(loaded)
}

fn collect(mut loaded: Vec<Loaded>) -> Result<Data> {
    // Not the order of files on a disk.
    loaded.sort_by(|a, b| (&a.source, &a.name).cmp(&(&b.source, &b.name)));
    let mut sources: BTreeMap<String, usize> = loaded.iter().map(|image| (image.source.clone(), 0)).collect();
    sources.values_mut().enumerate().for_each(|(i, index)| *index = i);
    let digests: Vec<_> = loaded
        .par_iter()
        .map(|image| {
            let label = format!("{}\0{}\0{}\0{:?}\0", image.source, image.name, image.class, image.split);
            Sha256::new().chain_update(label).chain_update(&image.pixels).finalize()
        })
        .collect();
    let hash = digests.iter().fold(Sha256::new(), |sum, digest| sum.chain_update(digest)).finalize();
    let [mut train, mut val, mut unseen] = [(); 3].map(|()| ImageSet::default());
    for image in loaded {
        ensure!(image.pixels.len() == IMAGE_BYTES, "{}: decoded to {} bytes, not {IMAGE_BYTES}", image.name, image.pixels.len());
        let set = match image.split {
            Split::Train => &mut train,
            Split::Unseen => &mut unseen,
            _ => &mut val,
        };
        set.pixels.extend_from_slice(&image.pixels);
        set.classes.push(image.class);
        set.sources.push(*sources.get(&image.source).context("every source has an index")?);
        set.about.push(image.about);
    }
    for (name, set) in [("training", &train), ("validation", &val)] {
        for (class, count) in CLASSES.iter().zip(set.counts()) {
            ensure!(count > 0, "no {name} image of class {class}: the dataset folder is incomplete; run `host data check`");
        }
    }
    Ok(Data {
        train,
        val,
        unseen,
        hospitals: sources.keys().map(|source| hospital::of_source(source).to_owned()).collect(),
        sources: sources.into_keys().collect(),
        hash: format!("{hash:x}"),
        fold: None,
        leave_out: vec![],
        coronahack: None,
        external: vec![],
    })
}
