//! `host evaluate`: a model on the validation and test splits, as report.json, report.md and report.html.

pub mod metrics;
mod refusal;
mod render;

use crate::agreement::argmax;
use crate::classes::{CLASSES, DISCLAIMER};
use crate::cli::DataArgs;
use crate::dataset::{self, Sample, Split};
use crate::export::search::softmax;
use crate::model_file::{Engine, ModelFile, replicate};
use crate::onnx::run::{Mode, Runner};
use crate::verify::progress;
use crate::{decode, files};
use anyhow::{Context, Result, ensure};
use indicatif::ParallelProgressIterator;
use metrics::{Figures, Outcome, Rate};
use rayon::prelude::*;
use refusal::Refusals;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Arguments of `host evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model file, e.g. models/default.cxr.
    pub model: PathBuf,
    /// Datasets.
    #[command(flatten)]
    pub data: DataArgs,
    /// What runs the network.
    #[arg(long, value_enum, default_value_t = EngineName::Core)]
    pub engine: EngineName,
    /// Folder for report.json, report.md, report.html and predictions.csv.
    #[arg(long, value_name = "DIR")]
    pub report: PathBuf,
}

/// What runs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// `core` on the .cxr file: what devices run.
    Core,
    /// tract on the float .onnx beside it.
    Tract,
    /// tract on the .int8.onnx beside it, as written (slow).
    TractInt8,
}

/// report.json.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Not a medical device.
    pub notice: &'static str,
    /// What ran the network.
    pub engine: EngineName,
    /// Model file.
    pub model: String,
    /// SHA-256 of the .cxr file.
    pub model_sha256: String,
    /// Class order of the confusion matrices.
    pub classes: [&'static str; CLASSES.len()],
    /// Figures by split; `val/SOURCE` and `external_test/SOURCE` by source.
    pub splits: BTreeMap<String, Figures>,
    /// Healthy adults of other sources (nih, rsna; labelled Normal/NA, 18 years or older or of unknown age) called
    /// COVID-19: near zero unless the model has learnt "adult = COVID-19".
    pub healthy_adults_called_covid: Rate,
    /// How often pictures are refused; absent with an engine other than core, or a model without a refusal head.
    pub refusal: Option<Refusals>,
    /// Seconds for all images, decoding included.
    pub seconds: f64,
}

/// The network, ready.
enum Network<'m> {
    Core(Box<Engine<'m>>),
    Float(Runner),
    Int8(Runner),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let file = ModelFile::read(&args.model)?;
    let engine = file.engine()?;
    let network = load(engine, args)?;
    let data = dataset::load(&args.data.coronahack, args.data.external.as_deref())?;
    let samples: Vec<&Sample> = data
        .samples
        .iter()
        .filter(|s| matches!(s.split, Split::Val | Split::Test | Split::ExternalTest) && s.class < CLASSES.len())
        .collect();
    ensure!(!samples.is_empty(), "{}: no validation or test image", args.data.coronahack.display());
    let started = std::time::Instant::now();
    let outcomes: Vec<Outcome> = samples
        .par_iter()
        .progress_with(progress(samples.len(), "evaluating"))
        .map(|sample| classify(&network, engine, sample))
        .collect::<Result<_>>()?;
    let report = Report {
        notice: DISCLAIMER,
        engine: args.engine,
        model: file.name.clone(),
        model_sha256: file.sha256.clone(),
        classes: CLASSES,
        splits: splits(&samples, &outcomes),
        healthy_adults_called_covid: healthy_adults(&samples, &outcomes),
        refusal: match args.engine {
            EngineName::Core => refusal::measure(engine, &data.samples)?,
            EngineName::Tract | EngineName::TractInt8 => None,
        },
        seconds: started.elapsed().as_secs_f64(),
    };
    let mut json = serde_json::to_vec_pretty(&report)?;
    json.push(b'\n');
    let markdown = render::markdown(&report);
    files::write_all(&[
        (args.report.join("report.json"), json),
        (args.report.join("report.md"), markdown.clone().into_bytes()),
        (args.report.join("report.html"), render::html(&report).into_bytes()),
        (args.report.join("predictions.csv"), predictions(&samples, &outcomes)?),
    ])?;
    println!("{markdown}");
    println!("wrote {}/report.json, report.md, report.html, predictions.csv", args.report.display());
    Ok(())
}

fn load<'m>(engine: Engine<'m>, args: &Args) -> Result<Network<'m>> {
    let prefix = files::prefix(&args.model);
    let runner = |suffix: &str, mode| -> Result<Runner> {
        let path = files::with_suffix(&prefix, suffix);
        let runner = Runner::new(&files::read(&path)?, &path.display().to_string(), &[], mode)?;
        ensure!(runner.input() == engine.input(), "{}: another input than the .cxr file; export again", path.display());
        Ok(runner)
    };
    let names = (0..engine.model.class_count()).map(|k| engine.model.class_name(k));
    ensure!(names.eq(CLASSES), "{}: the model has other classes than this program", args.model.display());
    Ok(match args.engine {
        EngineName::Core => Network::Core(Box::new(engine)),
        EngineName::Tract => Network::Float(runner("onnx", Mode::Optimized)?),
        EngineName::TractInt8 => Network::Int8(runner("int8.onnx", Mode::Raw)?),
    })
}

fn classify(network: &Network<'_>, engine: Engine<'_>, sample: &Sample) -> Result<Outcome> {
    let [height, width, channels] = engine.input();
    let gray = decode::gray(&decode::read(&sample.path)?, &sample.path.display().to_string(), width, height)?;
    let logits = match network {
        Network::Core(engine) => {
            let answer = engine.classify(&gray)?;
            let mut probabilities = [0.0; CLASSES.len()];
            probabilities.iter_mut().zip(&answer.probabilities).for_each(|(to, from)| *to = f64::from(*from));
            let predicted = argmax(&answer.logits);
            return Ok(Outcome { truth: sample.class, predicted, probabilities, abstained: answer.class.is_none() });
        }
        Network::Float(runner) => runner.run_float(&replicate(&gray, channels))?.pop().context("tract returned no logits")?,
        Network::Int8(runner) => runner.run_int8(&replicate(&gray, channels))?.logits,
    };
    let probabilities: [f64; CLASSES.len()] = softmax(&logits, f64::from(engine.model.temperature()))
        .try_into()
        .map_err(|p: Vec<f64>| anyhow::anyhow!("the network returned {} logits, not {}", p.len(), CLASSES.len()))?;
    let predicted = argmax(&logits);
    let abstained = probabilities[predicted] < f64::from(engine.model.abstain_below());
    Ok(Outcome { truth: sample.class, predicted, probabilities, abstained })
}

fn splits(samples: &[&Sample], outcomes: &[Outcome]) -> BTreeMap<String, Figures> {
    let mut sets: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
    for (sample, outcome) in samples.iter().zip(outcomes) {
        let name = match sample.split {
            Split::Val => "val",
            Split::Test => "test",
            _ => "external_test",
        };
        sets.entry(name.to_owned()).or_default().push(outcome);
        if sample.split != Split::Test {
            sets.entry(format!("{name}/{}", sample.source)).or_default().push(outcome);
        }
    }
    sets.into_iter().map(|(name, set)| (name, Figures::new(&set))).collect()
}

fn healthy_adults(samples: &[&Sample], outcomes: &[Outcome]) -> Rate {
    let healthy = samples.iter().zip(outcomes).filter(|(s, _)| {
        s.split == Split::ExternalTest
            && s.class == 0
            && matches!(s.source.as_str(), "nih" | "rsna")
            && s.age.is_none_or(|age| age >= 18.0)
    });
    let (mut called, mut n) = (0, 0);
    for (_, outcome) in healthy {
        n += 1;
        called += usize::from(outcome.predicted == 2);
    }
    Rate::new(called, n)
}

fn predictions(samples: &[&Sample], outcomes: &[Outcome]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["image", "source", "split", "truth", "predicted", "abstained"].into_iter();
    writer.write_record(header.map(str::to_owned).chain(CLASSES.map(|class| format!("p({class})"))))?;
    for (sample, outcome) in samples.iter().zip(outcomes) {
        let fields = [
            sample.name.clone(),
            sample.source.clone(),
            format!("{:?}", sample.split),
            CLASSES[outcome.truth].to_owned(),
            CLASSES[outcome.predicted].to_owned(),
            outcome.abstained.to_string(),
        ];
        writer.write_record(fields.into_iter().chain(outcome.probabilities.map(|p| format!("{p:.6}"))))?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(source: &str, split: Split, class: usize, age: Option<f32>) -> Sample {
        Sample {
            path: PathBuf::new(),
            name: "image, \"quoted\".png".into(),
            source: source.into(),
            patient: String::new(),
            class,
            split,
            age,
            sex: String::new(),
            view: String::new(),
            finding: String::new(),
        }
    }

    #[test]
    fn splits_sources_and_healthy_adults() {
        let all = [
            sample("coronahack", Split::Test, 1, None),
            sample("nih", Split::ExternalTest, 0, Some(40.0)),
            sample("nih", Split::ExternalTest, 0, Some(4.0)),
            sample("rsna", Split::ExternalTest, 0, None),
            sample("figure1", Split::ExternalTest, 2, None),
        ];
        let samples: Vec<&Sample> = all.iter().collect();
        let outcomes: Vec<Outcome> = all
            .iter()
            .map(|s| Outcome { truth: s.class, predicted: 2, probabilities: [0.1, 0.2, 0.7], abstained: false })
            .collect();
        let report = Report {
            notice: DISCLAIMER,
            engine: EngineName::TractInt8,
            model: "m<odel>".into(),
            model_sha256: "0".repeat(64),
            classes: CLASSES,
            splits: splits(&samples, &outcomes),
            healthy_adults_called_covid: healthy_adults(&samples, &outcomes),
            refusal: Some(Refusals {
                refuse_above: 2.5,
                in_distribution: BTreeMap::from([("test".into(), Rate::new(1, 100))]),
                others: BTreeMap::from([("all".into(), Rate::new(90, 100))]),
            }),
            seconds: 1.0,
        };
        assert_eq!((report.splits["external_test"].n, report.splits["external_test/nih"].n), (4, 2));
        assert_eq!((report.healthy_adults_called_covid.hits, report.healthy_adults_called_covid.n), (2, 2));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["engine"], "tract-int8");
        assert_eq!(json["splits"]["test"]["confusion"][1][2], 1);
        let html = render::html(&report);
        assert!(html.contains("m&lt;odel&gt;") && html.contains(DISCLAIMER) && !html.contains("http"));
        assert!(render::markdown(&report).contains(DISCLAIMER));
        assert_eq!(String::from_utf8(predictions(&samples, &outcomes).unwrap()).unwrap().lines().count(), 6);
    }
}
