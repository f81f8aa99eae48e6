//! The loop over epochs and batches, its checkpoints and its end.

use super::checkpoint::{Checkpoint, Progress};
use super::data::Data;
use super::ema::Ema;
use super::metrics::{EpochRow, Validation};
use super::parallel::Workers;
use super::record::{self, Record};
use super::run_folder::{BEST, LAST};
use super::start::Start;
use super::weights::{load_network, record_bytes};
use super::{display, gradient, interrupt, loader, optim, sampler, step};
use crate::dataset::fold;
use crate::network::Network;
use crate::recipe::Recipe;
use anyhow::{Context, Result, anyhow};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, Device, Tensor};
use rayon::ThreadPool;
use std::path::Path;
use std::time::Instant;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// A signal came; the run can be resumed.
    Interrupted,
}

/// A run in memory.
pub struct Trainer<'a> {
    /// What to train.
    pub recipe: &'a Recipe,
    /// Images.
    pub data: &'a Data,
    /// Threads of the loader.
    pub pool: &'a ThreadPool,
    /// Where the network is, without gradients.
    pub device: Device,
    /// Where the steps are computed.
    pub workers: Workers,
    /// Run folder.
    pub out: &'a Path,
    /// Name of the backend, for run.json.
    pub backend: &'a str,
    network: Network,
    optimizer: ModuleOptimizer,
    ema: Option<Ema>,
    progress: Progress,
    /// Behave from this step on as if a signal had come.
    #[cfg(test)]
    pub stop_after: Option<usize>,
}

impl<'a> Trainer<'a> {
    /// A new run.
    pub fn new(
        recipe: &'a Recipe,
        data: &'a Data,
        pool: &'a ThreadPool,
        devices: &[Device],
        out: &'a Path,
        backend: &'a str,
        seed: u64,
    ) -> Result<Self> {
        let device = devices.first().context("no device to train on")?.clone();
        let workers = Workers::new(devices)?;
        let network = Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, seed, &device.clone().autodiff())?;
        let ema = (recipe.train.ema > 0.0).then(|| Ema::new(recipe.train.ema, &network));
        let optimizer = optim::optimizer(recipe.train.optimizer)?;
        let (fold, leave_out) = (data.fold, data.leave_out.clone());
        let progress = Progress { seed, fold, leave_out, data_hash: data.hash.clone(), ..Progress::default() };
        Ok(Self {
            recipe,
            data,
            pool,
            device,
            workers,
            out,
            backend,
            network,
            optimizer,
            ema,
            progress,
            #[cfg(test)]
            stop_after: None,
        })
    }

    /// Begins with the weights of the best epoch of another run, a folder, or with those of an exported float network, NAME.onnx.
    ///
    /// # Errors
    /// Another network, another fold, or a hospital that this run leaves out: those weights know its people.
    pub fn start(mut self, from: &Path) -> Result<Self> {
        let file = from.is_file() || from.extension().is_some_and(|extension| extension == "onnx");
        let Start { path, name, network, fold, seen, after } =
            if file { Start::of_exported(from, self.recipe, self.first_pixels(), &self.device)? } else { Start::of_run(from)? };
        let own = self.progress.fold;
        anyhow::ensure!(
            fold == own,
            "the run is of {}, this one of {}: its weights have learned from images that this one leaves out; give a run of {}",
            fold::named(fold),
            fold::named(own),
            fold::named(own)
        );
        if let Some(known) = self.progress.leave_out.iter().find(|hospital| seen.contains(*hospital)) {
            anyhow::bail!(
                "its weights have learned from images of {known}, which this run leaves out; give a run that left it out as well, \
                 or begin without --start"
            );
        }
        self.progress.seen_before = seen;
        self.progress.start = Some(name);
        self.progress.after = after;
        self.network = load_network(self.network, network).with_context(|| path.display().to_string())?;
        self.ema = self.ema.map(|_| Ema::new(self.recipe.train.ema, &self.network));
        Ok(self)
    }

    /// Pixels of the first batch, as the network takes them.
    fn first_pixels(&self) -> Tensor<4> {
        let (recipe, set, seed) = (self.recipe, &self.data.train, self.progress.seed);
        let order = sampler::order(&set.classes, &set.sources, &self.data.sources, &recipe.train.sampling, seed, 0);
        let of_source = self.data.of_source(&recipe.train);
        let plan = loader::Epoch::new(recipe, self.data, &order, &of_source, seed, 0);
        let batch = self.pool.install(|| plan.prepare(0));
        gradient::pixel_values(batch.images, [batch.classes.len(), 1, batch.size, batch.size], &self.device)
    }

    /// Continues from `checkpoint`, of the same recipe and images.
    pub fn restore(mut self, checkpoint: Checkpoint) -> Result<Self> {
        anyhow::ensure!(
            checkpoint.progress.data_hash == self.data.hash,
            "the images are not those that the run began with: resume with the same folders, or start a new run"
        );
        self.network = load_network(self.network, checkpoint.network)?;
        if !checkpoint.optimizer.is_empty() {
            self.optimizer =
                self.optimizer.from_bytes(Bytes::from_bytes_vec(checkpoint.optimizer)).context("optimiser record")?;
        }
        if !checkpoint.ema.is_empty() {
            // A network of its own: running statistics are shared between clones.
            let average = Network::new(&self.recipe.network, self.recipe.input, self.recipe.train.batch_norm, 0, &self.device)?;
            self.ema = Some(Ema::new(self.recipe.train.ema, &load_network(average, checkpoint.ema)?));
        }
        self.progress = checkpoint.progress;
        Ok(self)
    }

    /// Trains until the recipe's last epoch or a signal.
    pub fn run(&mut self) -> Result<Ending> {
        let epochs = self.recipe.epochs();
        while self.progress.epoch < epochs {
            if self.epoch()? == Ending::Interrupted {
                return Ok(Ending::Interrupted);
            }
        }
        record::write_predictions(&self.record(), &self.device)?;
        Ok(Ending::Finished)
    }

    /// What has been measured so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    fn record(&self) -> Record<'_> {
        let Self { out, recipe, data, backend, .. } = *self;
        Record { out, recipe, data, progress: &self.progress, backend, workers: self.workers.len() }
    }

    /// Trains to the end of the current epoch, validates, saves.
    fn epoch(&mut self) -> Result<Ending> {
        let began = Instant::now();
        let (recipe, epoch, seed) = (self.recipe, self.progress.epoch, self.progress.seed);
        let set = &self.data.train;
        let order = sampler::order(&set.classes, &set.sources, &self.data.sources, &recipe.train.sampling, seed, epoch);
        let size = recipe.size_at(epoch);
        let of_source = self.data.of_source(&recipe.train);
        let plan = loader::Epoch::new(recipe, self.data, &order, &of_source, seed, epoch);
        let batches = plan.batches();
        let done = (self.progress.batch * recipe.train.batch).min(order.len());
        let bar = display::epoch_bar(recipe, epoch, order.len(), done);
        let pool = self.pool;
        let interrupted = std::thread::scope(|scope| -> Result<bool> {
            let batches_in = loader::start(scope, pool, plan, self.progress.batch);
            while self.progress.batch < batches {
                if self.asked_to_stop() {
                    return Ok(true);
                }
                let begun = Instant::now();
                let batch = batches_in.recv().map_err(|_| anyhow!("the loader stopped before the end of the epoch"))?;
                self.progress.wait_seconds += begun.elapsed().as_secs_f64();
                let count = batch.classes.len();
                let rate = optim::learning_rate(recipe, epoch, self.progress.step, batches);
                let (network, outcome) = step::train_step(self.network.clone(), &mut self.optimizer, batch, rate, &self.workers)
                    .with_context(|| format!("epoch {}, step {}", epoch + 1, self.progress.step + 1))?;
                self.network = network;
                let p = &mut self.progress;
                p.step += 1;
                p.batch += 1;
                p.seen += count;
                p.loss_sum += outcome.loss_sum;
                p.correct += outcome.correct;
                p.train_seconds += begun.elapsed().as_secs_f64();
                if let Some(ema) = &mut self.ema {
                    ema.update(p.step, &self.network);
                }
                bar.inc(count as u64);
                bar.set_message(display::message(recipe, p, order.len()));
            }
            Ok(false)
        })?;
        if interrupted {
            bar.finish_and_clear();
            self.progress.wall_seconds += began.elapsed().as_secs_f64();
            self.save_last()?;
            record::write(&self.record(), "interrupted")?;
            return Ok(Ending::Interrupted);
        }
        bar.finish_and_clear();
        let kept = self.kept();
        let val = self.validate(&kept, size)?;
        let rate = optim::learning_rate(recipe, epoch, self.progress.step.saturating_sub(1), batches);
        self.close_epoch(val, kept, size, rate, began)?;
        Ok(Ending::Finished)
    }

    fn asked_to_stop(&self) -> bool {
        #[cfg(test)]
        if self.stop_after.is_some_and(|step| self.progress.step >= step) {
            return true;
        }
        interrupt::requested()
    }

    /// The network that would be kept now: averaged if the recipe says so, without gradients.
    pub(super) fn kept(&self) -> Network {
        let network = self.network.valid();
        match &self.ema {
            Some(ema) => ema.apply(network),
            None => network,
        }
    }

    fn validate(&self, network: &Network, size: usize) -> Result<Validation> {
        let bar = display::validation_bar(self.data.val.len());
        let result = step::validate(network, self.data, size, &self.device, |done| bar.inc(done as u64))?;
        bar.finish_and_clear();
        Ok(result)
    }

    fn close_epoch(&mut self, val: Validation, kept: Network, size: usize, learning_rate: f64, began: Instant) -> Result<()> {
        let p = &mut self.progress;
        let seconds = began.elapsed().as_secs_f64();
        let score = val.confusion.macro_f1();
        let row = EpochRow {
            epoch: p.epoch + 1,
            size,
            learning_rate,
            train_loss: p.loss_sum / p.seen as f64,
            train_accuracy: p.correct as f64 / p.seen as f64,
            val,
            images_per_second: p.seen as f64 / p.train_seconds,
            loader_wait: p.wait_seconds / p.train_seconds,
            seconds,
        };
        // Scores at different sizes do not compare; the first epoch at a new size starts over.
        let best = p.best.is_none_or(|(best, top)| score > top || p.rows.get(best - 1).is_none_or(|row| row.size != size));
        display::print_row(&row, self.recipe.epochs(), best);
        p.finish_epoch(row, seconds, best.then_some(score));
        if best {
            let network = record_bytes(kept)?;
            Checkpoint { progress: p.clone(), network, ..Checkpoint::default() }.save(&self.out.join(BEST))?;
        }
        self.save_last()?;
        let state = if self.progress.epoch == self.recipe.epochs() { "finished" } else { "running" };
        record::write(&self.record(), state)
    }

    fn save_last(&self) -> Result<()> {
        let ema = match &self.ema {
            Some(_) => record_bytes(self.kept())?,
            None => Vec::new(),
        };
        Checkpoint {
            progress: self.progress.clone(),
            network: record_bytes(self.network.valid())?,
            optimizer: self.optimizer.into_bytes().context("optimiser record")?.to_vec(),
            ema,
        }
        .save(&self.out.join(LAST))
    }
}
