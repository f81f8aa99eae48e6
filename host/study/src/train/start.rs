//! Where `--start` takes its weights from.

use super::checkpoint::Checkpoint;
use super::run_folder::{BEST, phases, read_summary};
use super::weights::record_bytes;
use crate::dataset::fold::Fold;
use crate::dataset::hospital;
use crate::network::Network;
use crate::recipe::{Input, NetworkSpec, Phase, Recipe};
use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor};
use cxr_app::classes::COVID;
use cxr_app::files;
use rownet_convert::chain::onnx::float::Tensors;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a run begins with.
pub struct Start {
    /// The file that it is from.
    pub path: PathBuf,
    /// What run.json says of where it is from.
    pub name: String,
    /// Record of the network.
    pub network: Vec<u8>,
    /// Fold that its training left out.
    pub fold: Option<Fold>,
    /// Hospitals that its training has seen.
    pub seen: BTreeSet<String>,
    /// Phases of its training, first one first.
    pub after: Vec<Phase>,
}

impl Start {
    /// The best epoch of a run folder.
    pub fn of_run(run: &Path) -> Result<Self> {
        let path = run.join(BEST);
        let checkpoint = Checkpoint::load(&path)?;
        Ok(Self {
            path,
            name: run.display().to_string(),
            network: checkpoint.network,
            fold: checkpoint.progress.fold,
            seen: hospital::seen_by(&read_summary(run)?),
            after: phases(run)?,
        })
    }

    /// An exported float network like that of `recipe`, its normalisations made anew from the pixels of a batch.
    pub fn of_exported(path: &Path, recipe: &Recipe, gray: Tensor<4>, device: &Device) -> Result<Self> {
        let Exported { name, tensors, fold, seen, after } = Exported::load(path, recipe)?;
        let network = Network::unfold(&recipe.network, recipe.input, recipe.train.batch_norm, &tensors, gray, device)
            .with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), name, network: record_bytes(network)?, fold, seen, after })
    }
}

/// An exported float network, NAME.onnx with NAME.json beside it.
struct Exported {
    /// The file and its SHA-256: another network may come to have its name.
    name: String,
    /// Weights, without the operating point that the export added.
    tensors: Tensors,
    /// Fold that its training left out.
    fold: Option<Fold>,
    /// Hospitals that its training has seen.
    seen: BTreeSet<String>,
    /// Phases of its training, first one first.
    after: Vec<Phase>,
}

/// What is read of NAME.json.
#[derive(Deserialize)]
struct Report {
    files: Files,
    recipe: Named,
    #[serde(default)]
    fold: Option<Fold>,
    // Exports of before have none.
    operating_point: Option<Offset>,
    training: Training,
}

#[derive(Deserialize)]
struct Files {
    onnx: Digest,
}

#[derive(Deserialize)]
struct Digest {
    sha256: String,
}

/// Of the recipe only this: those of before may lack what today's have.
#[derive(Deserialize)]
struct Named {
    name: String,
    input: Input,
    network: NetworkSpec,
}

#[derive(Deserialize)]
struct Offset {
    offset: f32,
}

#[derive(Deserialize)]
struct Training {
    epochs_done: u64,
    #[serde(default)]
    after: Vec<Phase>,
    #[serde(flatten)]
    rest: Value,
}

impl Exported {
    /// Reads both files, of a network like that of `recipe`.
    ///
    /// # Errors
    /// No such files, files of two exports, or another network: tensors of other layers can have the same shapes.
    fn load(path: &Path, recipe: &Recipe) -> Result<Self> {
        let bytes = files::read(path)?;
        let sha256 = files::sha256(&bytes);
        let mut tensors = Tensors::read(&bytes).with_context(|| path.display().to_string())?;
        let json = path.with_extension("json");
        let report: Report = serde_json::from_slice(&files::read(&json)?)
            .with_context(|| format!("{}: not what `host export` writes beside the network of a trained run", json.display()))?;
        // Its fold and its operating point would be another network's.
        ensure!(
            report.files.onnx.sha256 == sha256,
            "{}: is beside {} of another export (SHA-256 {}, the file's is {sha256}); keep the two together",
            json.display(),
            path.display(),
            report.files.onnx.sha256
        );
        ensure!(
            (&report.recipe.network, report.recipe.input) == (&recipe.network, recipe.input),
            "{}: its network is not the recipe's; give a recipe with the `network` and `input` of {}",
            path.display(),
            json.display()
        );
        if let Some(Offset { offset }) = report.operating_point {
            tensors.shift(COVID, -offset).with_context(|| path.display().to_string())?;
        }
        let name = format!("{} (SHA-256 {sha256})", path.display());
        let Training { epochs_done: epochs, mut after, rest } = report.training;
        after.push(Phase { recipe: report.recipe.name, epochs });
        Ok(Self { name, tensors, fold: report.fold, seen: hospital::seen_by(&rest), after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxr_app::classes::CLASSES;
    use rownet_convert::chain::float_model::{Kind, layer_name};

    const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");

    fn recipe(name: &str) -> Recipe {
        Recipe::load(&Path::new(MODELS).join(format!("recipes/{name}.toml"))).unwrap()
    }

    #[test]
    fn shipped_networks_are_taken_without_their_operating_point() {
        let path = Path::new(MODELS).join("default.onnx");
        let about: serde_json::Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let last = about["recipe"]["name"].as_str().unwrap();
        let recipe_of = recipe(last);
        let exported = Exported::load(&path, &recipe_of).unwrap();
        let seen: Vec<&str> = exported.seen.iter().map(String::as_str).collect();
        assert_eq!(seen, ["coronahack", "covid_cxnet", "ieee8023+darkcovidnet", "nih+rsna", "pk_mendeley", "radiography_db"]);
        assert!(exported.fold.is_none() && exported.name.ends_with(')'), "{}", exported.name);
        let phases: Vec<&str> = exported.after.iter().map(|phase| phase.recipe.as_str()).collect();
        assert_eq!((phases.first(), phases.last()), (Some(&"default"), Some(&last)));

        let offset = about["operating_point"]["offset"].as_f64().unwrap() as f32;
        assert!(offset != 0.0);
        let bias = format!("{}_bias", layer_name(recipe_of.network.layers.len(), Kind::Dense));
        let file = Tensors::read(&std::fs::read(&path).unwrap()).unwrap();
        let [written, taken] = [&file, &exported.tensors].map(|tensors| tensors.get(&bias, &[CLASSES.len()]).unwrap().to_vec());
        assert_eq!(written[..COVID], taken[..COVID]);
        assert!((taken[COVID] - (written[COVID] - offset)).abs() < 1e-6, "{taken:?} of {written:?}");

        // Exported before there were operating points.
        Exported::load(&Path::new(MODELS).join("seed.onnx"), &recipe("seed")).unwrap();
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let told = |path: &Path, name: &str| format!("{:#}", Exported::load(path, &recipe(name)).err().unwrap());
        let error = told(&Path::new(MODELS).join("default.onnx"), "seed");
        assert!(error.contains("default.onnx: its network is not the recipe's"), "{error}");
        // Tensors of the same shapes, between them another function.
        let mut other = recipe("seed");
        other.network.layers[1] = crate::recipe::LayerSpec::AveragePool { size: 2, stride: 2 };
        let error = format!("{:#}", Exported::load(&Path::new(MODELS).join("seed.onnx"), &other).err().unwrap());
        assert!(error.contains("seed.onnx: its network is not the recipe's"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        for (from, to) in [("default.onnx", "x.onnx"), ("seed.json", "x.json")] {
            std::fs::copy(Path::new(MODELS).join(from), folder.path().join(to)).unwrap();
        }
        let error = told(&folder.path().join("x.onnx"), "default-tune");
        assert!(error.contains("x.json: is beside") && error.contains("of another export"), "{error}");
    }
}
