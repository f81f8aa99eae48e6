//! The run folder: recipe.toml, run.json, metrics.csv, curves.svg, last.ckpt and best.ckpt.

use super::checkpoint::{Checkpoint, Progress};
use super::data::Data;
use super::run_folder::{BEST, RECIPE, RUN, read_summary};
use super::weights::load_network;
use super::{curves, metrics, step};
use crate::dataset::{OTHER_FINDING, OTHER_FINDING_LABEL};
use crate::network::Network;
use crate::recipe::Recipe;
use anyhow::{Context, Result};
use burn::tensor::Device;
use cxr_app::classes::{CLASSES, DISCLAIMER};
use cxr_app::files;
use rownet_convert::chain::float_model::FloatModel;
use serde_json::{Value, json};
use std::path::Path;

/// Logits of the best epoch's network on validation and on the hospitals left out.
pub const PREDICTIONS: &str = "predictions.csv";

/// Version of Burn, as Cargo.lock has it.
const BURN: &str = "0.22.1";

/// A run as far as its folder tells.
pub struct Record<'a> {
    /// Run folder.
    pub out: &'a Path,
    /// What is trained.
    pub recipe: &'a Recipe,
    /// Images.
    pub data: &'a Data,
    /// What has been measured so far.
    pub progress: &'a Progress,
    /// Name of the backend.
    pub backend: &'a str,
    /// Devices that share each batch.
    pub workers: usize,
}

/// Writes metrics.csv, curves.svg and run.json; `state` is `running`, `interrupted` or `finished`.
pub fn write(run: &Record<'_>, state: &str) -> Result<()> {
    let rows = &run.progress.rows;
    let mut text = serde_json::to_vec_pretty(&summary(run, state))?;
    text.push(b'\n');
    let mut outputs = vec![(run.out.join("metrics.csv"), metrics::csv(rows).into_bytes()), (run.out.join(RUN), text)];
    if !rows.is_empty() {
        outputs.push((run.out.join("curves.svg"), curves::svg(rows)?.into_bytes()));
    }
    files::write_all(&outputs)
}

/// Writes predictions.csv of a run that left hospitals out: its best network's logits, float, at the last image size of the recipe.
pub fn write_predictions(run: &Record<'_>, device: &Device) -> Result<()> {
    let data = run.data;
    if data.unseen.len() == 0 {
        return Ok(());
    }
    let (recipe, path) = (run.recipe, run.out.join(BEST));
    let network = Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 0, device)?;
    let network = load_network(network, Checkpoint::load(&path)?.network).with_context(|| path.display().to_string())?;
    let size = recipe.size_at(recipe.epochs().saturating_sub(1));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["split", "source", "hospital", "image", "patient", "external_test", "label"].map(str::to_owned);
    writer.write_record(header.into_iter().chain(CLASSES.map(|class| format!("logit({class})"))))?;
    for (split, set) in [("val", &data.val), ("unseen", &data.unseen)] {
        for (i, logits) in step::infer(&network, set, size, device, |_| ())?.iter().enumerate() {
            let about = &set.about[i];
            let fields = [
                split,
                &data.sources[set.sources[i]],
                &about.hospital,
                &about.name,
                &about.patient,
                if about.held_out { "yes" } else { "no" },
                CLASSES.get(set.classes[i]).copied().unwrap_or(OTHER_FINDING_LABEL),
            ];
            writer.write_record(fields.map(str::to_owned).into_iter().chain(logits.map(|logit| format!("{logit:.6}"))))?;
        }
    }
    files::write_all(&[(run.out.join(PREDICTIONS), writer.into_inner()?)])
}

fn summary(run: &Record<'_>, state: &str) -> Value {
    let (data, progress) = (run.data, run.progress);
    let rows = &progress.rows;
    let best = progress.best.and_then(|(epoch, _)| rows.get(epoch - 1));
    let images: f64 = rows.iter().map(|row| row.images_per_second).sum();
    let counts = |set: &super::data::ImageSet| {
        let per_class: serde_json::Map<_, _> = CLASSES.iter().zip(set.counts()).map(|(c, n)| ((*c).into(), json!(n))).collect();
        let mut per_source = serde_json::Map::new();
        for (index, source) in data.sources.iter().enumerate() {
            per_source.insert(source.clone(), json!(set.sources.iter().filter(|&&s| s == index).count()));
        }
        let mut counts = json!({ "images": set.len(), "classes": per_class, "sources": per_source });
        if set.classes.contains(&OTHER_FINDING) {
            counts[OTHER_FINDING_LABEL] = set.classes.iter().filter(|class| **class == OTHER_FINDING).count().into();
        }
        counts
    };
    json!({
        "notice": DISCLAIMER,
        "state": state,
        "recipe": run.recipe,
        "seed": progress.seed,
        "fold": progress.fold,
        "start": progress.start,
        "after": progress.after,
        "backend": run.backend,
        "data_parallel": run.workers,
        "data_sha256": data.hash,
        "folders": { "coronahack": data.coronahack, "external": data.external },
        "leave_out": progress.leave_out,
        "hospitals_seen": data.hospitals.union(&progress.seen_before).collect::<Vec<_>>(),
        "splits": { "train": counts(&data.train), "val": counts(&data.val), "unseen": counts(&data.unseen) },
        "epochs_done": progress.epoch,
        "steps_done": progress.step,
        "best_epoch": best.map(|row| row.epoch),
        "best": best.map(|row| json!({
            "train_accuracy": row.train_accuracy,
            "val_loss": row.val.loss,
            "val_accuracy": row.val.confusion.accuracy(),
            "val_macro_f1": row.val.confusion.macro_f1(),
            "val_recall": row.val.confusion.recall(),
            "val_confusion": row.val.confusion,
            "val_by_source": row.val.by_source,
            "val_other_finding_called_covid": row.val.other_finding_called_covid,
        })),
        "images_per_second": images / rows.len().max(1) as f64,
        "loader_wait": rows.last().map(|row| row.loader_wait),
        "wall_seconds": progress.wall_seconds,
        "versions": { "cxr-host": env!("CARGO_PKG_VERSION"), "burn": BURN },
    })
}

/// The best checkpoint of a run folder: recipe, network with batch normalisation folded, run.json.
pub fn load_float_model(run: &Path) -> Result<(Recipe, FloatModel, Value)> {
    let summary: Value = read_summary(run)?;
    let recipe = Recipe::load(&run.join(RECIPE))?;
    let path = run.join(BEST);
    let checkpoint = Checkpoint::load(&path)?;
    let device = Device::flex();
    let network = Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 0, &device)?;
    let network = load_network(network, checkpoint.network).with_context(|| path.display().to_string())?;
    Ok((recipe, network.to_float_model()?, summary))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stated_version_of_burn_is_the_locked_one() {
        let lock = include_str!("../../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{}\"", super::BURN)));
    }
}
