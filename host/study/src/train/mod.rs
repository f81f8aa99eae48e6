//! `host train`: from a recipe and a dataset folder to a run folder.

mod backend;
mod bench;
mod checkpoint;
mod curves;
mod data;
mod display;
mod ema;
mod gradient;
mod interrupt;
mod loader;
mod loss;
mod metrics;
mod optim;
mod parallel;
mod record;
mod run_folder;
mod sampler;
mod start;
mod step;
mod trainer;
mod weights;

pub use backend::Backend;
pub use record::load_float_model;

use crate::dataset::fold::{self, Fold};
use crate::dataset::{LeaveOut, Query};
use crate::recipe::{Frame, Recipe};
use anyhow::{Context, Result, bail, ensure};
use checkpoint::Checkpoint;
use cxr_app::classes::DISCLAIMER;
use cxr_app::fail::CheckFailed;
use cxr_app::files;
use std::path::{Path, PathBuf};
use trainer::{Ending, Trainer};

const DEMO: &str = include_str!("../../shipped/demo.toml");

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Recipe file, such as models/recipes/default.toml (a resumed run has its own).
    #[arg(long, value_name = "FILE", required_unless_present_any = ["demo", "resume"])]
    pub recipe: Option<PathBuf>,
    /// Folder with Chest_xray_Corona_Metadata.csv, as Kaggle ships it.
    #[arg(long, value_name = "DIR", required_unless_present = "demo")]
    pub coronahack: Option<PathBuf>,
    /// Folder with index.csv and images/ of other sources, repeat for each; used if the recipe asks for it.
    #[arg(long, value_name = "DIR")]
    pub external: Vec<PathBuf>,
    /// Neither train nor validate on images of these sources' hospitals; a resumed run keeps its own.
    #[arg(long, value_name = "SOURCE,...", value_delimiter = ',', conflicts_with = "demo")]
    pub leave_out: Vec<String>,
    /// Leave out the patients of a fold, such as 2/5, as the test split (a resumed run keeps its own).
    #[arg(long, value_name = "K/N", conflicts_with = "demo")]
    pub fold: Option<Fold>,
    /// Run folder to write.
    #[arg(long, value_name = "DIR", required_unless_present = "bench_steps")]
    pub out: Option<PathBuf>,
    /// Begin with the weights of another run's best epoch, or of an exported network such as models/default.onnx.
    #[arg(long, value_name = "RUN|NAME.onnx", conflicts_with = "resume")]
    pub start: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    pub backend: Backend,
    /// Continue the run in --out where it stopped.
    #[arg(long)]
    pub resume: bool,
    /// Epochs in all; the recipe's stages are stretched or shortened alike.
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub epochs: Option<usize>,
    /// Seed of weights, order and distortions.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Train a small network on generated images for about a minute; needs no dataset.
    #[arg(long, conflicts_with_all = ["coronahack", "external"])]
    pub demo: bool,
    /// Threads of the training step (default: all cores).
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Share each batch among N devices of the backend, or N workers on the processor; batch normalisation is each one's own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub data_parallel: usize,
    /// Measure N steps with and without the loader, and stop.
    #[arg(long, value_name = "N", hide = true)]
    pub bench_steps: Option<usize>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    println!("{DISCLAIMER}");
    let (recipe, checkpoint) = plan(args)?;
    let devices = args.backend.devices(args.data_parallel, recipe.train.batch)?;
    let own = |c: &Checkpoint| (c.progress.seed, c.progress.fold, LeaveOut::sources(&c.progress.leave_out));
    let (seed, fold, leave_out) =
        checkpoint.as_ref().map_or_else(|| (args.seed, args.fold, LeaveOut::sources(&args.leave_out)), own);
    if let Some(threads) = args.threads {
        ensure!(threads > 0, "--threads must be at least 1");
        // Fails only where a pool exists already, as in tests.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let data = images(args, &recipe, fold, &leave_out)?;
    println!(
        "{}{}{} training and {} validation images; training classes {:?}, sources {}",
        fold.map_or(String::new(), |fold| format!("fold {fold}: ")),
        if data.leave_out.is_empty() { String::new() } else { format!("without {}: ", data.leave_out.join(", ")) },
        data.train.len(),
        data.val.len(),
        data.train.counts(),
        data.sources.join(", ")
    );
    let absent = data.absent(&recipe.train);
    if !absent.is_empty() {
        let names = absent.into_iter().collect::<Vec<_>>().join(", ");
        eprintln!("warning: the recipe names sources of which there is no image: {names}");
    }
    // On a GPU the loader has the processor to itself.
    let on_gpu = matches!(args.backend, Backend::Cuda | Backend::Libtorch);
    let drawn = sampler::order(&data.train.classes, &data.train.sources, &data.sources, &recipe.train.sampling, seed, 0);
    ensure!(
        !drawn.is_empty(),
        "train.sampling: no source of the images has a share in the recipe; found {}",
        data.sources.join(", ")
    );
    let loaders = if on_gpu { rayon::current_num_threads() } else { (rayon::current_num_threads() / 2).max(1) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(loaders).thread_name(|i| format!("loader-{i}")).build()?;
    if let Some(steps) = args.bench_steps {
        ensure!(steps > 0, "--bench-steps must be at least 1");
        return bench::run(&recipe, &data, &pool, &devices, seed, steps);
    }
    let out = args.out.as_deref().context("--out is needed")?;
    let mut trainer = Trainer::new(&recipe, &data, &pool, &devices, out, args.backend.name(), seed)?;
    if let Some(checkpoint) = checkpoint {
        let path = out.join(run_folder::LAST);
        trainer = trainer.restore(checkpoint).with_context(|| path.display().to_string())?;
        println!("resuming at epoch {}, step {}", trainer.progress().epoch + 1, trainer.progress().step + 1);
    } else {
        if let Some(start) = &args.start {
            trainer = trainer.start(start).with_context(|| format!("--start {}", start.display()))?;
        }
        std::fs::create_dir_all(out).with_context(|| format!("{}: cannot create the run folder", out.display()))?;
        files::write_all(&[(out.join(run_folder::RECIPE), recipe.to_toml()?.into_bytes())])?;
    }
    interrupt::install();
    match trainer.run()? {
        Ending::Finished => {
            let (epoch, score) = trainer.progress().best.context("a finished run has a best epoch")?;
            println!("done: best epoch {epoch}, validation macro-F1 {score:.4}; next: host export {}", out.display());
        }
        // Not success: a script must not go on to the export.
        Ending::Interrupted => {
            bail!(CheckFailed("interrupted; the last step is saved. Continue with the same command and --resume".into()))
        }
    }
    Ok(())
}

/// The recipe, and the checkpoint to continue from.
fn plan(args: &Args) -> Result<(Recipe, Option<Checkpoint>)> {
    let given = match &args.recipe {
        Some(path) => Some(Recipe::load(path)?),
        None if args.demo => Some(Recipe::parse(DEMO)?),
        None => None,
    };
    let out = args.out.as_deref();
    if args.resume {
        let out = out.context("--resume needs --out")?;
        let recipe = Recipe::load(&out.join(run_folder::RECIPE)).context("nothing to resume")?;
        if let Some(given) = &given {
            let same = given.clone().with_epochs(recipe.epochs())? == recipe;
            ensure!(same, "{}: the run has another recipe; leave --recipe out to resume it", out.display());
        }
        let checkpoint = Checkpoint::load(&out.join(run_folder::LAST))
            .context("nothing to resume yet: start the run anew without --resume")?;
        let own = checkpoint.progress.fold;
        if let Some(fold) = args.fold.filter(|fold| own != Some(*fold)) {
            bail!("{}: the run is of {}, not of fold {fold}; leave --fold out to resume it", out.display(), fold::named(own));
        }
        let left_out = LeaveOut::sources(&checkpoint.progress.leave_out);
        ensure!(
            args.leave_out.is_empty() || LeaveOut::sources(&args.leave_out) == left_out,
            "{}: the run leaves out {:?}; leave --leave-out out to resume it",
            out.display(),
            checkpoint.progress.leave_out
        );
        return Ok((recipe, Some(checkpoint)));
    }
    if let Some(out) = out {
        refuse_used(out)?;
    }
    let recipe = given.context("--recipe is needed")?;
    match args.epochs {
        Some(epochs) => Ok((recipe.with_epochs(epochs)?, None)),
        None => Ok((recipe, None)),
    }
}

fn refuse_used(out: &Path) -> Result<()> {
    ensure!(!out.is_file(), "{}: is a file; give a folder with --out", out.display());
    ensure!(
        !out.join(run_folder::LAST).exists(),
        "{}: holds a run already; continue it with --resume, or choose another --out",
        out.display()
    );
    Ok(())
}

fn images(args: &Args, recipe: &Recipe, fold: Option<Fold>, leave_out: &LeaveOut) -> Result<data::Data> {
    if args.demo {
        // They are drawn as the network sees them; a model that cuts pictures would be used on others than it learned from.
        ensure!(
            recipe.data.frame == Frame::Whole,
            "the recipe {:?} cuts pictures to the lungs, --demo does not: give a dataset, or leave data.frame out",
            recipe.name
        );
        return data::generated();
    }
    let coronahack = args.coronahack.as_deref().context("--coronahack is needed")?;
    let mut external: &[PathBuf] = &args.external;
    if recipe.data.external {
        ensure!(
            !external.is_empty(),
            "the recipe {:?} also trains on other sources: give their folder with --external",
            recipe.name
        );
    } else if !external.is_empty() {
        println!("note: the recipe {:?} trains on CoronaHack alone; --external is not used", recipe.name);
        external = &[];
    }
    let bar = display::decoding_bar();
    let data = data::load(&Query { coronahack, external, fold, leave_out }, &recipe.data, &bar)?;
    bar.finish_and_clear();
    Ok(data)
}

#[cfg(test)]
mod tests;
