//! The run folder: recipe.toml, run.json, metrics.csv, curves.svg, last.ckpt and best.ckpt.

use super::checkpoint::{Checkpoint, Part};
use super::trainer::{Trainer, load_network};
use super::{curves, metrics, step};
use crate::classes::{CLASSES, DISCLAIMER};
use crate::dataset::{OTHER_FINDING, OTHER_FINDING_LABEL};
use crate::files;
use crate::float_model::FloatModel;
use crate::network::Network;
use crate::recipe::Recipe;
use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// Latest checkpoint: all that resuming needs.
pub const LAST: &str = "last.ckpt";
/// Weights with the best validation macro-F1.
pub const BEST: &str = "best.ckpt";
/// Copy of the recipe.
pub const RECIPE: &str = "recipe.toml";
/// Logits of the best epoch's network on validation and on the hospitals left out.
pub const PREDICTIONS: &str = "predictions.csv";
/// Provenance and results.
pub const RUN: &str = "run.json";

/// Version of Burn, as Cargo.lock has it.
const BURN: &str = "0.22.1";

/// Writes metrics.csv, curves.svg and run.json; `state` is `running`, `interrupted` or `finished`.
pub fn write(trainer: &Trainer, state: &str) -> Result<()> {
    let rows = &trainer.progress().rows;
    let mut text = serde_json::to_vec_pretty(&summary(trainer, state))?;
    text.push(b'\n');
    let mut outputs = vec![(trainer.out.join("metrics.csv"), metrics::csv(rows).into_bytes()), (trainer.out.join(RUN), text)];
    if !rows.is_empty() {
        outputs.push((trainer.out.join("curves.svg"), curves::svg(rows)?.into_bytes()));
    }
    files::write_all(&outputs)
}

/// Writes predictions.csv of a run that left hospitals out: its best network's logits, float, at the last image size of the recipe.
pub fn write_predictions(trainer: &Trainer) -> Result<()> {
    let data = trainer.data;
    if data.unseen.len() == 0 {
        return Ok(());
    }
    let (recipe, path) = (trainer.recipe, trainer.out.join(BEST));
    let network = Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 0, &trainer.device)?;
    let network = load_network(network, Checkpoint::load(&path)?.network).with_context(|| path.display().to_string())?;
    let size = recipe.size_at(recipe.epochs().saturating_sub(1));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["split", "source", "hospital", "image", "patient", "external_test", "label"].map(str::to_owned);
    writer.write_record(header.into_iter().chain(CLASSES.map(|class| format!("logit({class})"))))?;
    for (split, set) in [("val", &data.val), ("unseen", &data.unseen)] {
        for (i, logits) in step::infer(&network, set, size, &trainer.device, |_| ())?.iter().enumerate() {
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
    files::write_all(&[(trainer.out.join(PREDICTIONS), writer.into_inner()?)])
}

fn summary(trainer: &Trainer, state: &str) -> Value {
    let (data, progress) = (trainer.data, trainer.progress());
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
        "recipe": trainer.recipe,
        "seed": progress.seed,
        "fold": progress.fold,
        "start": progress.start,
        "after": progress.after,
        "backend": trainer.backend,
        "data_parallel": trainer.workers.len(),
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

/// run.json of a run folder.
pub fn read_summary<T: DeserializeOwned>(run: &Path) -> Result<T> {
    let path = run.join(RUN);
    let text = std::fs::read(&path)
        .with_context(|| format!("{}: cannot read; give a folder that `host train` wrote", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{}: not a run.json of `host train`; train again", path.display()))
}

/// The parts of the training of a run folder, its own last.
pub fn parts(run: &Path) -> Result<Vec<Part>> {
    #[derive(Deserialize)]
    struct Summary {
        recipe: Named,
        epochs_done: u64,
        // Runs of before have none.
        #[serde(default)]
        after: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Summary { recipe, epochs_done, mut after } = read_summary(run)?;
    after.push(Part { recipe: recipe.name, epochs: epochs_done });
    Ok(after)
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
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{}\"", super::BURN)));
    }
}
