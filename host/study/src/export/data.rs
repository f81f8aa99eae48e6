//! Calibration and validation images of an export.

use crate::dataset::{self, Dataset, LeaveOut, OTHER_FINDING_LABEL, Query, Sample, Split, coronahack, fold};
use crate::progress::progress;
use crate::recipe::Recipe;
use crate::synthetic;
use anyhow::{Context, Result, ensure};
use cxr_app::classes::CLASSES;
use cxr_app::{files, lungs};
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Images for an export, gray, as the network sees them: cut to the lungs, where the recipe says so.
pub(super) struct Images {
    /// Training images, even over classes and sources.
    pub(super) calibration: Vec<Vec<u8>>,
    /// Training images that the refusal head is fitted on, frontal as far as is known.
    pub(super) inside: Vec<Vec<u8>>,
    /// Validation images with their classes.
    pub(super) validation: Vec<(Vec<u8>, usize)>,
    /// Which of them are frontal, as far as is known.
    pub(super) frontal: Vec<bool>,
    /// Which of them are of healthy people of other sources than CoronaHack, adults nearly all: their hospital.
    pub(super) healthy: Vec<Option<String>>,
    /// Validation images with a partial label, not COVID-19, with their hospitals.
    pub(super) partial: Vec<(Vec<u8>, String)>,
    /// Where they are from.
    pub(super) sources: Vec<String>,
    /// Counts and hashes of the data.
    pub(super) description: Value,
}

/// The folders to read, where those of the training run are not.
#[derive(Debug, clap::Args)]
pub struct Folders {
    /// CoronaHack folder; the one of the training run if absent.
    #[arg(long, value_name = "DIR")]
    coronahack: Option<PathBuf>,
    /// Folders of other sources, repeat for each; those of the training run if absent.
    #[arg(long, value_name = "DIR")]
    external: Vec<PathBuf>,
}

/// Reads the data that `given` or the training run name, `calibration_images` to calibrate on; generated images if the run was a
/// demonstration.
pub(super) fn load(recipe: &Recipe, training: &Value, given: &Folders, calibration_images: usize) -> Result<Images> {
    let remembered = |key: &str| -> Vec<PathBuf> {
        let folders = &training["folders"][key];
        // Runs of before had one external folder.
        let several = folders.as_array().map_or_else(|| std::slice::from_ref(folders), Vec::as_slice);
        several.iter().filter_map(Value::as_str).map(PathBuf::from).collect()
    };
    let Some(coronahack) = given.coronahack.clone().or_else(|| remembered("coronahack").pop()) else {
        ensure!(
            training.pointer("/splits/train/sources/generated").is_some(),
            "the training run names no dataset; give --coronahack DIR"
        );
        return Ok(generated(calibration_images));
    };
    // What the network was not trained on does not calibrate it.
    let external = match (recipe.data.external, given.external.is_empty()) {
        (false, _) => vec![],
        (true, false) => given.external.clone(),
        (true, true) => remembered("external"),
    };
    // Nor what it was not to see: neither calibration nor any threshold knows a hospital that was left out.
    let leave_out = LeaveOut::sources(&Vec::<String>::deserialize(&training["leave_out"]).unwrap_or_default());
    let fold = fold::of_json(training).context("run.json")?;
    let data = dataset::load(&Query { coronahack: &coronahack, external: &external, fold, leave_out: &leave_out })?;
    let calibration = even(data.samples.iter().filter(|s| s.split == Split::Train).collect(), calibration_images);
    let inside = data.samples.iter().filter(|s| s.split == Split::Train && frontal(s)).collect();
    let inside = even(inside, REFUSAL_IMAGES);
    let validation: Vec<&Sample> = data.samples.iter().filter(|s| s.split == Split::Val).collect();
    ensure!(!calibration.is_empty(), "{}: no training image to calibrate on", coronahack.display());
    ensure!(!validation.is_empty(), "{}: no validation image to choose the calibration on", coronahack.display());
    let partial: Vec<&Sample> = data.partial.iter().filter(|s| s.split == Split::Val).collect();
    let description = describe(&data, &calibration);
    let finder = recipe.data.frame.finder()?;
    let read = |samples: &[&Sample], message| -> Result<Vec<Vec<u8>>> {
        samples
            .par_iter()
            .progress_with(progress(samples.len(), message))
            .map(|s| lungs::gray_256(&s.path, finder.as_ref()))
            .collect()
    };
    Ok(Images {
        calibration: read(&calibration, "reading training images")?,
        inside: read(&inside, "reading training images")?,
        frontal: validation.iter().map(|s| frontal(s)).collect(),
        healthy: validation
            .iter()
            .map(|s| (s.class == 0 && s.source != coronahack::SOURCE).then(|| s.hospital().to_owned()))
            .collect(),
        partial: read(&partial, "reading images with a partial label")?
            .into_iter()
            .zip(partial.iter().map(|s| s.hospital().to_owned()))
            .collect(),
        sources: validation.iter().map(|s| s.source.clone()).collect(),
        validation: read(&validation, "reading validation images")?.into_iter().zip(validation.iter().map(|s| s.class)).collect(),
        description,
    })
}

/// Training images that the refusal head is fitted on, at most.
const REFUSAL_IMAGES: usize = 3000;

/// Not a lateral view, as far as is known.
fn frontal(sample: &Sample) -> bool {
    sample.view != "L"
}

/// The generated images of `host train --demo`: seeds 0..40 of each class train, the next twelve validate.
fn generated(count: usize) -> Images {
    let classes = 0..CLASSES.len();
    let validation = classes.clone().flat_map(|class| (40..52).map(move |seed| (synthetic::image(class, seed), class)));
    let validation: Vec<(Vec<u8>, usize)> = validation.collect();
    let training = (0..40).flat_map(|seed| (0..CLASSES.len()).map(move |class| (class, seed)));
    let training: Vec<Vec<u8>> = training.map(|(class, seed)| synthetic::image(class, seed)).collect();
    Images {
        calibration: training.iter().take(count).cloned().collect(),
        inside: training,
        frontal: vec![true; validation.len()],
        healthy: vec![None; validation.len()],
        partial: vec![],
        sources: vec!["generated".into(); validation.len()],
        validation,
        description: json!({ "sources": { "generated": 40 * CLASSES.len() } }),
    }
}

/// At most `count` samples, taken in turn from each class and source, in the order of a hash of their names.
fn even(samples: Vec<&Sample>, count: usize) -> Vec<&Sample> {
    let mut groups: BTreeMap<(usize, &str), Vec<(String, &Sample)>> = BTreeMap::new();
    for sample in samples {
        groups.entry((sample.class, &sample.source)).or_default().push((files::sha256(sample.name.as_bytes()), sample));
    }
    groups.values_mut().for_each(|group| group.sort_by(|a, b| a.0.cmp(&b.0)));
    let longest = groups.values().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| groups.values().filter_map(move |group| group.get(turn)));
    turns.take(count).map(|(_, sample)| *sample).collect()
}

fn describe(data: &Dataset, calibration: &[&Sample]) -> Value {
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines: Vec<String> = Vec::new();
    for sample in data.all() {
        let other = if sample.split == Split::OutOfDistribution { "out of distribution" } else { OTHER_FINDING_LABEL };
        let class = CLASSES.get(sample.class).copied().unwrap_or(other);
        *counts.entry(format!("{:?}", sample.split)).or_default().entry(class).or_default() += 1;
        if sample.split == Split::Train {
            *sources.entry(&sample.source).or_default() += 1;
        }
        lines.push(format!("{:?}\t{}\t{}\t{class}\n", sample.split, sample.source, sample.name));
    }
    lines.sort();
    let names: String = calibration.iter().map(|s| format!("{}\n", s.name)).collect();
    json!({
        "counts": counts,
        "sources": sources,
        "sha256": files::sha256(lines.concat().as_bytes()),
        "sha256_of": "sorted lines of split, source, name, class",
        "calibration_sha256": files::sha256(names.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, class: usize, source: &str) -> Sample {
        Sample {
            path: PathBuf::new(),
            name: name.into(),
            source: source.into(),
            patient: String::new(),
            class,
            split: Split::Train,
            held_out: false,
            age: None,
            sex: String::new(),
            view: String::new(),
            finding: String::new(),
            reading: None,
        }
    }

    #[test]
    fn calibration_is_even_over_classes_and_sources() {
        let mut samples: Vec<Sample> = (0..100).map(|i| sample(&format!("n{i}"), 1, "coronahack")).collect();
        samples.extend((0..3).map(|i| sample(&format!("c{i}"), 2, "coronahack")));
        samples.extend((0..20).map(|i| sample(&format!("x{i}"), 0, "nih")));
        let chosen = even(samples.iter().collect(), 30);
        let of = |class: usize| chosen.iter().filter(|s| s.class == class).count();
        assert_eq!((chosen.len(), of(2)), (30, 3));
        assert!(of(0).abs_diff(of(1)) <= 1);
        assert_eq!(chosen, even(samples.iter().rev().collect(), 30));
    }
}
