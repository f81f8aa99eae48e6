//! The images of a run, decoded once and kept as 8-bit gray pixels.

use crate::classes::{self, CLASSES};
use crate::dataset::Split;
use crate::dataset::fold::Fold;
use crate::recipe::{Sampling, TrainSpec};
use crate::{augment, dataset, decode, synthetic};
use anyhow::{Context, Result, ensure};
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
    /// Class of each image.
    pub classes: Vec<usize>,
    /// Index into [`Data::sources`] of each image.
    pub sources: Vec<usize>,
}

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
    /// Names of the sources, sorted.
    pub sources: Vec<String>,
    /// SHA-256 over names, classes, splits and pixels, hexadecimal.
    pub hash: String,
    /// Fold left out, if any.
    pub fold: Option<Fold>,
    /// The CoronaHack and the external folder, absolute; `host export` reads them again.
    pub folders: [Option<PathBuf>; 2],
}

impl Data {
    /// Label smoothing of each source.
    pub fn smoothing(&self, spec: &TrainSpec) -> Vec<f32> {
        let of = |source: &String| spec.source_label_smoothing.get(source).copied().unwrap_or(spec.label_smoothing);
        self.sources.iter().map(of).collect()
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
    pixels: Vec<u8>,
}

/// Decodes the training and validation images of the folders, or those of a fold, in parallel.
pub fn load(coronahack: &Path, external: Option<&Path>, fold: Option<Fold>, bar: &ProgressBar) -> Result<Data> {
    let mut samples = dataset::load(coronahack, external, fold)?.samples;
    samples.retain(|sample| matches!(sample.split, Split::Train | Split::Val) && sample.class < CLASSES.len());
    bar.set_length(samples.len() as u64);
    let loaded: Vec<Loaded> = samples
        .into_par_iter()
        .map(|sample| {
            let pixels = decode::gray_256(&sample.path)?;
            bar.inc(1);
            Ok(Loaded { name: sample.name, source: sample.source, class: sample.class, split: sample.split, pixels })
        })
        .collect::<Result<_>>()?;
    let absolute = |folder: &Path| std::path::absolute(folder).ok();
    Ok(Data { fold, folders: [absolute(coronahack), external.and_then(absolute)], ..collect(loaded)? })
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
    let (mut train, mut val) = (ImageSet::default(), ImageSet::default());
    for image in loaded {
        ensure!(image.pixels.len() == IMAGE_BYTES, "{}: decoded to {} bytes, not {IMAGE_BYTES}", image.name, image.pixels.len());
        let set = if image.split == Split::Train { &mut train } else { &mut val };
        set.pixels.extend_from_slice(&image.pixels);
        set.classes.push(image.class);
        set.sources.push(*sources.get(&image.source).context("every source has an index")?);
    }
    for (name, set) in [("training", &train), ("validation", &val)] {
        for (class, count) in CLASSES.iter().zip(set.counts()) {
            ensure!(count > 0, "no {name} image of class {class}: the dataset folder is incomplete; run `host data check`");
        }
    }
    Ok(Data { train, val, sources: sources.into_keys().collect(), hash: format!("{hash:x}"), fold: None, folders: [None, None] })
}
