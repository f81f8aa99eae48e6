//! `host verify`: core against tract on the exported int8 file, every byte of every layer.

use crate::progress::progress;
use anyhow::{Context, Result, ensure};
use cxr_app::classes::DISCLAIMER;
use cxr_app::fail::CheckFailed;
use cxr_app::files;
use cxr_app::model_file::{Engine, ModelFile, replicate};
use cxr_core::format::Op;
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use rownet_convert::chain::float_model::{Kind, layer_name};
use rownet_convert::chain::onnx::run::{Mode, Runner};
use rownet_convert::chain::random::{lcg_bytes, smooth};
use rownet_convert::chain::stats::{FloatComparison, float_comparison};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `host verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model prefix, e.g. models/default: reads .cxr, .int8.onnx and .onnx.
    pub model: PathBuf,
    /// Folder of images, searched recursively; generated images if absent.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// At most this many images, evenly spread over the folder.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where an image comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Random bytes from a seed: every channel differs.
    Noise(u32),
    /// A smooth gray picture from a seed.
    Smooth(u64),
}

/// One byte that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Image.
    pub image: String,
    /// Layer.
    pub layer: String,
    /// Row.
    pub row: usize,
    /// Column.
    pub column: usize,
    /// Channel.
    pub channel: usize,
    /// Value in core.
    pub core: f64,
    /// Value in tract.
    pub tract: f64,
}

/// Bytes compared in a layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerCount {
    /// Value name.
    pub name: String,
    /// Height, width, channels.
    pub shape: [usize; 3],
    /// Values compared over all images.
    pub compared: u64,
    /// Values that differ.
    pub differing: u64,
}

/// Result of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Model file.
    pub model: String,
    /// Its SHA-256.
    pub model_sha256: String,
    /// Images compared.
    pub images: usize,
    /// Every layer, then the dense accumulators, then the logits (compared as bits).
    pub layers: Vec<LayerCount>,
    /// Differing values in all.
    pub differing: u64,
    /// The first difference, in image and layer order.
    pub first_difference: Option<Difference>,
    /// Float network against int8.
    pub float: FloatComparison,
    /// Seconds taken.
    pub seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// [`CheckFailed`] naming the first difference; otherwise unreadable input.
pub fn run(args: &Args) -> Result<()> {
    let sources = match &args.images {
        Some(folder) => thin(files::images(folder)?, args.limit).into_iter().map(Source::File).collect(),
        None => generated(args.limit.unwrap_or(8)),
    };
    let report = compare(&files::prefix(&args.model), &sources)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    if let Some(d) = &report.first_difference {
        return Err(CheckFailed(format!(
            "{}: {} values differ; first in {} at layer {}, row {}, column {}, channel {}: core {}, tract {}",
            report.model, report.differing, d.image, d.layer, d.row, d.column, d.channel, d.core, d.tract
        ))
        .into());
    }
    Ok(())
}

/// `count` generated images, alternately noise and smooth.
pub fn generated(count: usize) -> Vec<Source> {
    (0..count).map(|i| if i % 2 == 0 { Source::Noise(i as u32 + 1) } else { Source::Smooth(i as u64) }).collect()
}

fn thin(paths: Vec<PathBuf>, limit: Option<usize>) -> Vec<PathBuf> {
    let keep = limit.unwrap_or(paths.len()).clamp(1, paths.len());
    (0..keep).map(|i| paths[i * paths.len() / keep].clone()).collect()
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Noise(seed) => format!("noise {seed}"),
            Self::Smooth(seed) => format!("smooth {seed}"),
        }
    }

    fn load(&self, [height, width, channels]: [usize; 3]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::File(path) => {
                replicate(&cxr_app::decode::gray(&files::read(path)?, &path.display().to_string(), width, height)?, channels)
            }
            Self::Noise(seed) => lcg_bytes(*seed, height * width * channels),
            Self::Smooth(seed) => replicate(&smooth(*seed, height, width), channels),
        })
    }
}

struct Compared {
    differing: Vec<u64>,
    first: Option<Difference>,
    core_logits: Vec<f32>,
    float_logits: Vec<f32>,
}

/// Compares core and tract on `sources`; a difference is in the report, not an error.
pub fn compare(prefix: &Path, sources: &[Source]) -> Result<Report> {
    let started = std::time::Instant::now();
    let file = ModelFile::read(&files::with_suffix(prefix, "cxr"))?;
    let engine = file.engine()?;
    let model = engine.model;
    let mut layers: Vec<LayerCount> = (0..model.layer_count())
        .filter_map(|i| model.layer(i).map(|layer| (i, layer)))
        .map(|(i, layer)| {
            let kind = match layer.op {
                Op::Conv2d(_) | Op::DepthwiseConv2d(_) => Kind::Conv,
                Op::MaxPool2d(_) | Op::GlobalMaxPool2d => Kind::MaxPool,
                Op::AveragePool2d(_) | Op::GlobalAveragePool2d => Kind::AveragePool,
                _ => Kind::Dense,
            };
            let shape = [layer.output.height, layer.output.width, layer.output.channels].map(usize::from);
            LayerCount { name: layer_name(i, kind), shape, compared: 0, differing: 0 }
        })
        .collect();
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let load = |suffix: &str, observed: &[String], mode| -> Result<Runner> {
        let path = files::with_suffix(prefix, suffix);
        Runner::new(&files::read(&path)?, &path.display().to_string(), observed, mode)
    };
    let int8 = load("int8.onnx", &names, Mode::Raw)?;
    let float = load("onnx", &[], Mode::Optimized)?;
    let input = engine.input();
    ensure!(
        int8.input() == input && float.input() == input,
        "{}: the ONNX files have another input than the .cxr file; export all of them again",
        prefix.display()
    );
    layers.push(LayerCount { name: "logits".to_owned(), shape: [1, 1, model.class_count()], compared: 0, differing: 0 });

    let results: Vec<Compared> = sources
        .par_iter()
        .progress_with(progress(sources.len(), "core = tract?"))
        .map(|source| {
            let image = source.load(input)?;
            compare_one(engine, &int8, &float, &layers, source, &image).with_context(|| source.name())
        })
        .collect::<Result<_>>()?;

    for layer in &mut layers {
        layer.compared = (layer.shape.iter().product::<usize>() * results.len()) as u64;
    }
    for result in &results {
        layers.iter_mut().zip(&result.differing).for_each(|(layer, n)| layer.differing += n);
    }
    let pairs = || results.iter().map(|r| (r.core_logits.as_slice(), r.float_logits.as_slice()));
    Ok(Report {
        model: file.name.clone(),
        model_sha256: file.sha256.clone(),
        images: results.len(),
        differing: layers.iter().map(|layer| layer.differing).sum(),
        layers,
        first_difference: results.iter().find_map(|r| r.first.clone()),
        float: float_comparison(pairs()),
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn compare_one(
    engine: Engine<'_>,
    int8: &Runner,
    float: &Runner,
    layers: &[LayerCount],
    source: &Source,
    image: &[u8],
) -> Result<Compared> {
    let (core, tract) = (engine.observe(image)?, int8.run_int8(image)?);
    let mut differing = vec![0; layers.len()];
    let mut first = None;
    let mut check = |index: usize, core: &[f64], tract: &[f64], differs: &dyn Fn(usize) -> bool| -> Result<()> {
        let layer = &layers[index];
        let fits = core.len() == tract.len() && core.len() == layer.shape.iter().product::<usize>();
        ensure!(fits, "layer {}: core has {} values, tract {}; export all files again", layer.name, core.len(), tract.len());
        let [_, width, channels] = layer.shape;
        for at in (0..core.len()).filter(|&at| differs(at)) {
            differing[index] += 1;
            first.get_or_insert_with(|| Difference {
                image: source.name(),
                layer: layer.name.clone(),
                row: at / (width * channels),
                column: at / channels % width,
                channel: at % channels,
                core: core[at],
                tract: tract[at],
            });
        }
        Ok(())
    };
    ensure!(core.layers.len() == tract.layers.len(), "core has {} layers, tract {}", core.layers.len(), tract.layers.len());
    for (index, (a, b)) in core.layers.iter().zip(&tract.layers).enumerate() {
        if a != b {
            check(index, &wide(a), &wide(b), &|at| a[at] != b[at])?;
        }
    }
    let dense = core.layers.len();
    let (a, b) = (wide(&core.accumulators), wide(&tract.accumulators));
    check(dense, &a, &b, &|at| a[at] != b[at])?;
    check(dense + 1, &wide(&core.logits), &wide(&tract.logits), &|at| core.logits[at].to_bits() != tract.logits[at].to_bits())?;
    let float_logits = float.run_float(image)?.pop().context("the float network returned no logits")?;
    Ok(Compared { differing, first, core_logits: core.logits, float_logits })
}

fn wide<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn print(report: &Report) {
    println!("{}  sha256 {}", report.model, &report.model_sha256[..16]);
    println!("{} images, core against tract on the int8 ONNX file as written, {:.1} s\n", report.images, report.seconds);
    println!("{:<18} {:>14} {:>14} {:>10}", "value", "shape", "compared", "differing");
    for layer in &report.layers {
        let shape = layer.shape.map(|extent| extent.to_string()).join("x");
        println!("{:<18} {shape:>14} {:>14} {:>10}", layer.name, layer.compared, layer.differing);
    }
    println!(
        "{:<18} {:>14} {:>14} {:>10}\n",
        "total",
        "",
        report.layers.iter().map(|l| l.compared).sum::<u64>(),
        report.differing
    );
    println!(
        "float ONNX against int8: logit error mean {:.4}, max {:.4}; argmax agreement {:.2} %",
        report.float.mean_abs_error,
        report.float.max_abs_error,
        100.0 * report.float.argmax_agreement
    );
    println!("{DISCLAIMER}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use rownet_convert::chain::float_model::PoolKind;
    use rownet_convert::chain::random::{FIXTURE, Step, network};

    /// Exports a random network and compares it; returns the report.
    fn random_net(seed: u64, input: [usize; 3], steps: &[Step]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("net");
        Bundle::random(network(seed, input, steps), seed).unwrap().write(&prefix).unwrap();
        compare(&prefix, &generated(4)).unwrap()
    }

    #[test]
    fn core_equals_tract_on_random_networks() {
        let (max, mean) = (PoolKind::Max, PoolKind::Average);
        let shapes: [(&[Step], [usize; 3]); 8] = [
            (&FIXTURE, [64, 64, 3]),
            (&[Step::Conv(8, 3, 1), Step::Pool(max, 2, 2), Step::Conv(16, 3, 1), Step::Pool(max, 2, 2)], [32, 48, 3]),
            (&[Step::Conv(8, 3, 2), Step::Conv(8, 3, 2), Step::Conv(16, 3, 1)], [45, 31, 3]),
            (&[Step::Conv(16, 7, 2), Step::Pool(max, 3, 2), Step::Conv(8, 1, 2)], [40, 40, 1]),
            (&[Step::Conv(8, 3, 2), Step::Depthwise(3, 1), Step::Conv(12, 1, 1), Step::Depthwise(5, 2)], [33, 40, 3]),
            (&[Step::Conv(12, 3, 2), Step::Grouped(24, 3, 1, 4), Step::Pool(mean, 2, 2), Step::Grouped(6, 3, 2, 3)], [48, 37, 3]),
            (&[Step::Conv(10, 3, 1), Step::Pool(mean, 3, 2), Step::Conv(7, 3, 1), Step::Global(mean)], [31, 28, 3]),
            (&[Step::Conv(8, 3, 2), Step::Pool(mean, 3, 1), Step::Global(max)], [24, 24, 2]),
        ];
        for (seed, (steps, input)) in shapes.into_iter().enumerate() {
            let report = random_net(seed as u64 + 1, input, steps);
            assert_eq!(report.first_difference, None, "{steps:?}");
            assert!(report.layers.iter().all(|layer| layer.compared > 0));
            assert!(report.float.mean_abs_error < 0.2, "{:?}", report.float);
        }
    }

    #[test]
    fn a_changed_weight_is_found_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("net");
        Bundle::random(network(3, [32, 32, 3], &FIXTURE[..3]), 3).unwrap().write(&prefix).unwrap();
        let other = folder.path().join("other");
        Bundle::random(network(4, [32, 32, 3], &FIXTURE[..3]), 3).unwrap().write(&other).unwrap();
        std::fs::copy(files::with_suffix(&other, "int8.onnx"), files::with_suffix(&prefix, "int8.onnx")).unwrap();
        let first = compare(&prefix, &generated(1)).unwrap().first_difference.unwrap();
        assert_eq!(first.layer, "layer00_conv");
        let error = run(&Args { model: prefix, images: None, limit: Some(1), json: true }).unwrap_err();
        assert_eq!(cxr_app::fail::exit_code(&error), 1);
    }
}
