//! How often pictures are refused: X-rays that should not be, and what is none.

use super::metrics::Rate;
use crate::dataset::{Sample, Split};
use crate::decode;
use crate::model_file::Engine;
use crate::refusal::negatives::{CHANGES, KINDS, generate, spoil};
use crate::verify::progress;
use anyhow::Result;
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Generated pictures of each kind; their seeds are not those of the fit.
const GENERATED: usize = 50;
const FIRST_SEED: u64 = 1 << 32;

/// The refusal section of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Refusals {
    /// Score above which `core` refuses.
    pub refuse_above: f32,
    /// Frontal chest X-rays refused, by split and by split/source: few are best.
    pub in_distribution: BTreeMap<String, Rate>,
    /// Other pictures refused: out_of_distribution images by view, changed test X-rays by change, generated ones by kind;
    /// `all` of them, and `out_of_distribution`, `changed`, `generated` each in all. Many are best.
    pub others: BTreeMap<String, Rate>,
}

/// Measures on the samples of the splits; `None` where the model has no refusal head.
pub fn measure(engine: Engine<'_>, samples: &[Sample]) -> Result<Option<Refusals>> {
    let Some(head) = engine.model.refusal() else { return Ok(None) };
    let refused = |gray: &[u8]| -> Result<bool> { Ok(engine.classify(gray)?.reason.as_deref() == Some("out_of_distribution")) };
    let used: Vec<&Sample> = samples.iter().filter(|s| s.split != Split::Train).collect();
    let [height, width, _] = engine.input();
    let of_samples = used
        .par_iter()
        .enumerate()
        .progress_with(progress(used.len(), "refusals"))
        .map(|(i, sample)| {
            let gray = decode::gray(&decode::read(&sample.path)?, &sample.path.display().to_string(), width, height)?;
            let split = sample.split.name();
            let hit = refused(&gray)?;
            let mut found = vec![];
            if sample.split == Split::OutOfDistribution {
                found.push((false, format!("out_of_distribution/{}", sample.view), hit));
                found.push((false, "out_of_distribution".to_owned(), hit));
                found.push((false, "all".to_owned(), hit));
            } else if sample.view == "L" {
                found.push((false, "lateral views among the splits".to_owned(), hit));
            } else {
                found.push((true, split.to_owned(), hit));
                found.push((true, format!("{split}/{}", sample.source), hit));
            }
            if matches!(sample.split, Split::Test | Split::ExternalTest) && [width, height] == [256; 2] {
                let hit = refused(&spoil(&gray, i))?;
                found.push((false, format!("changed/{}", CHANGES[i % CHANGES.len()]), hit));
                found.push((false, "changed".to_owned(), hit));
                found.push((false, "all".to_owned(), hit));
            }
            Ok(found)
        })
        .collect::<Result<Vec<_>>>()?;
    let pictures = if [width, height] == [256; 2] { KINDS.len() * GENERATED } else { 0 };
    let generated = (0..pictures)
        .into_par_iter()
        .map(|i| {
            let kind = i % KINDS.len();
            let hit = refused(&generate(kind, FIRST_SEED + i as u64))?;
            let names = [format!("generated/{}", KINDS[kind]), "generated".to_owned(), "all".to_owned()];
            Ok(names.map(|name| (false, name, hit)).to_vec())
        })
        .collect::<Result<Vec<_>>>()?;
    let mut counts: BTreeMap<(bool, String), (usize, usize)> = BTreeMap::new();
    for (inside, name, hit) in of_samples.into_iter().chain(generated).flatten() {
        let count = counts.entry((inside, name)).or_default();
        *count = (count.0 + usize::from(hit), count.1 + 1);
    }
    let side = |wanted: bool| {
        let of_side = counts.iter().filter(|((inside, _), _)| *inside == wanted);
        of_side.map(|((_, name), (hits, n))| (name.clone(), Rate::new(*hits, *n))).collect()
    };
    Ok(Some(Refusals { refuse_above: head.refuse_above(), in_distribution: side(true), others: side(false) }))
}
