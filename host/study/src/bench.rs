//! `host bench`: core with every kernel that the processor has, and tract, on one image, in one run.
//!
//! Repetitions are interleaved and the median counts, so that a busy machine slows all alike: compare ratios.

use anyhow::{Context, Result, ensure};
use cxr_app::classes::DISCLAIMER;
use cxr_app::fail::CheckFailed;
use cxr_app::files;
use cxr_app::model_file::{ModelFile, replicate};
use cxr_app::predict::default_model;
use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::Session;
use rownet_convert::chain::onnx::run::{Mode, Runner};
use rownet_convert::chain::random::smooth;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `host bench`
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Model; NAME.onnx and NAME.int8.onnx lie beside it (default: the one that ships).
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Interleaved repetitions; engines over 10 ms take part in every eighth.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repetitions: u32,
    /// Leave tract and the batches out.
    #[arg(long)]
    pub core_only: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Medians in milliseconds for one image on one thread, and what they were measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Model file.
    pub model: String,
    /// Its SHA-256.
    pub model_sha256: String,
    /// Multiply-accumulates of an inference, as the network is written.
    pub macs: u64,
    /// Interleaved repetitions.
    pub repetitions: u32,
    /// The kernel that core chooses here.
    pub kernel: String,
    /// Core, gray rows, filters packed.
    pub core_ms: f64,
    /// Core with the portable kernel.
    pub core_scalar_ms: f64,
    /// Core with the chosen kernel and filters as in the file: packed anew at each row.
    pub core_unprepared_ms: f64,
    /// tract on the int8 file as written, which is the arithmetic's referee.
    pub tract_int8_ms: Option<f64>,
    /// tract on the float file, optimised.
    pub tract_f32_ms: Option<f64>,
    /// Core with each kernel, gray rows, filters packed.
    pub kernels: BTreeMap<String, f64>,
    /// Core with the chosen kernel on an image of all channels.
    pub core_colour_ms: f64,
    /// Images a second by number of threads, one session a thread.
    pub batch: BTreeMap<usize, f64>,
    /// Bytes of the rows in progress, a session.
    pub arena_bytes: usize,
    /// Bytes of packed filters, shared by all sessions.
    pub packed_bytes: usize,
}

/// Something to time: its name, and one inference.
struct Entrant<'a> {
    name: String,
    run: Box<dyn FnMut() -> Result<Vec<f32>> + 'a>,
    times: Vec<Duration>,
    logits: Vec<f32>,
}

impl<'a> Entrant<'a> {
    fn new(name: impl Into<String>, run: impl FnMut() -> Result<Vec<f32>> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), times: vec![], logits: vec![] }
    }

    fn time(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.logits = (self.run)()?;
        Ok(start.elapsed())
    }

    fn median_ms(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times.get(self.times.len() / 2).map_or(f64::NAN, |time| 1e3 * time.as_secs_f64())
    }
}

/// Core on rows of an image: how many bytes a row, and which filters.
fn core<'a>(
    name: String,
    model: &'a Model<'a>,
    kernel: Kernel,
    filters: Option<&'a Prepared<'a>>,
    image: &'a [u8],
) -> Result<Entrant<'a>> {
    let mut arena = vec![0; filters.map_or(model.arena_bytes(), |filters| filters.arena_bytes(model))];
    let input = model.input();
    let is_gray = image.len() == usize::from(input.width) * usize::from(input.height);
    let row_len = image.len() / usize::from(input.height);
    Ok(Entrant::new(name, move || {
        let mut session = Session::new(model, &mut arena)?.with_kernel(kernel);
        if let Some(filters) = filters {
            session = session.with_prepared(filters)?;
        }
        for row in image.chunks_exact(row_len) {
            if is_gray { session.push_gray_row(row)? } else { session.push_row(row)? }
        }
        Ok(session.finish()?.logits().to_vec())
    }))
}

/// Runs the command.
///
/// # Errors
/// [`CheckFailed`] where two engines that must agree to the bit do not; otherwise unreadable files.
pub fn run(args: &Args) -> Result<()> {
    let report = measure(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// Measures.
pub fn measure(args: &Args) -> Result<Report> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => default_model()?,
    };
    let file = ModelFile::read(&path)?;
    let engine = file.engine()?;
    let model = engine.model;
    let [height, width, channels] = engine.input();
    let gray = smooth(1, height, width);
    let colour = replicate(&gray, channels);

    let kernels: Vec<Kernel> = Kernel::available().collect();
    let mut buffers: Vec<Vec<u8>> = kernels.iter().map(|kernel| vec![0; Prepared::blocks_bytes(&model, kernel)]).collect();
    let packed_bytes = buffers.first().map_or(0, Vec::len);
    let prepared: Vec<Prepared<'_>> = kernels
        .iter()
        .zip(&mut buffers)
        .map(|(kernel, buffer)| Prepared::blocks(&model, *kernel, buffer))
        .collect::<Result<_, _>>()?;
    let best = Kernel::best();
    let mut entrants = Vec::new();
    for (kernel, filters) in kernels.iter().zip(&prepared) {
        entrants.push(core(kernel.name().to_owned(), &model, *kernel, Some(filters), &gray)?);
    }
    entrants.push(core("unprepared".to_owned(), &model, best, None, &gray)?);
    entrants.push(core("colour".to_owned(), &model, best, prepared.first(), &colour)?);
    let exact = entrants.len();
    if !args.core_only {
        let load = |suffix: &str, mode| -> Result<Runner> {
            let path = files::with_suffix(&files::prefix(&path), suffix);
            Runner::new(&files::read(&path)?, &path.display().to_string(), &[], mode)
        };
        let (int8, float) = (load("int8.onnx", Mode::Raw)?, load("onnx", Mode::Optimized)?);
        let (int8_input, float_input) = (int8.int8_input(&colour)?, float.float_input(&colour)?);
        entrants.push(Entrant::new("tract_int8", move || int8.logits(&int8_input)));
        entrants.push(Entrant::new("tract_f32", move || float.logits(&float_input)));
    }
    // Once unmeasured: caches, and how long each takes.
    let mut slow = Vec::new();
    for entrant in &mut entrants {
        slow.push(entrant.time()? > Duration::from_millis(10));
    }
    for repetition in 0..args.repetitions {
        for (entrant, slow) in entrants.iter_mut().zip(&slow) {
            if !slow || repetition % 8 == 0 {
                let time = entrant.time()?;
                entrant.times.push(time);
            }
        }
    }
    let bits = |logits: &[f32]| logits.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let expected = entrants.first().map(|entrant| bits(&entrant.logits)).unwrap_or_default();
    for entrant in entrants.iter().take(exact + usize::from(!args.core_only)) {
        if bits(&entrant.logits) != expected {
            return Err(CheckFailed(format!("{}: {} gives other logits than core", file.name, entrant.name)).into());
        }
    }
    let mut medians: BTreeMap<String, f64> = entrants.iter_mut().map(|e| (e.name.clone(), e.median_ms())).collect();
    drop(entrants);
    let mut take = |name: &str| medians.remove(name);
    let (core_unprepared_ms, core_colour_ms) = (take("unprepared").unwrap_or(f64::NAN), take("colour").unwrap_or(f64::NAN));
    let (tract_int8_ms, tract_f32_ms) = (take("tract_int8"), take("tract_f32"));
    let of = |name: &str| medians.get(name).copied().with_context(|| format!("{name} was not measured"));
    Ok(Report {
        model: file.name.clone(),
        model_sha256: file.sha256.clone(),
        macs: model.macs(),
        repetitions: args.repetitions,
        kernel: best.name().to_owned(),
        core_ms: of(best.name())?,
        core_scalar_ms: of(Kernel::SCALAR.name())?,
        core_unprepared_ms,
        tract_int8_ms,
        tract_f32_ms,
        core_colour_ms,
        batch: if args.core_only { BTreeMap::new() } else { batches(&model, prepared.first().context("no kernel")?, &gray)? },
        arena_bytes: prepared.first().context("no kernel")?.arena_bytes(&model),
        packed_bytes,
        kernels: medians,
    })
}

/// Images a second with 1, 2, 4, ... threads up to the processor's: the median of five rounds of a tenth of a second or more.
fn batches(model: &Model<'_>, filters: &Prepared<'_>, gray: &[u8]) -> Result<BTreeMap<usize, f64>> {
    let most = std::thread::available_parallelism()?.get();
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < most).collect();
    counts.push(most);
    let mut rounds: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for _ in 0..5 {
        for &threads in &counts {
            let start = Instant::now();
            let images: Result<Vec<usize>> = std::thread::scope(|scope| {
                let worker = || {
                    let mut one = core(String::new(), model, filters.kernel(), Some(filters), gray)?;
                    let mut images = 0;
                    while start.elapsed() < Duration::from_millis(100) {
                        one.time()?;
                        images += 1;
                    }
                    Ok(images)
                };
                let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
                handles.into_iter().map(|handle| handle.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
            });
            let rate = images?.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64();
            rounds.entry(threads).or_default().push(rate);
        }
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    };
    ensure!(!rounds.is_empty(), "nothing measured");
    Ok(rounds.into_iter().map(|(threads, rates)| (threads, median(rates))).collect())
}

fn print(report: &Report) {
    let line = |name: &str, ms: f64| {
        println!("{name:<28} {ms:>9.3} ms {:>8.1} GMAC/s {:>8.2} x core", report.macs as f64 / ms / 1e6, ms / report.core_ms);
    };
    println!(
        "{}  {} multiply-accumulates, one thread, medians of {} interleaved runs\n",
        report.model, report.macs, report.repetitions
    );
    for (name, ms) in &report.kernels {
        line(&format!("core, {name}"), *ms);
    }
    line(&format!("core, {}, all channels", report.kernel), report.core_colour_ms);
    line(&format!("core, {}, not prepared", report.kernel), report.core_unprepared_ms);
    for (name, ms) in [("tract float32", report.tract_f32_ms), ("tract int8, as written", report.tract_int8_ms)] {
        if let Some(ms) = ms {
            line(name, ms);
        }
    }
    for (threads, rate) in &report.batch {
        println!("{:<28} {rate:>9.0} images/s", format!("batch, {threads} threads"));
    }
    println!(
        "\n{} bytes of rows a session, {} bytes of packed filters for all\n{DISCLAIMER}",
        report.arena_bytes, report.packed_bytes
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_timed_and_all_agree() {
        let model = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/fixture.cxr")));
        let report = measure(&Args { model, repetitions: 2, core_only: false, json: false }).unwrap();
        assert_eq!(report.kernels.len(), Kernel::available().count());
        assert!(report.core_ms > 0.0 && report.tract_int8_ms.unwrap() > 0.0 && report.tract_f32_ms.unwrap() > 0.0);
        assert!(report.batch.values().all(|rate| *rate > 0.0));
    }
}
