//! `host evaluate`: a model on the validation and test splits, with what its figures rest on, as report.html, report.md,
//! report.json, predictions.csv and model-card.md.
//!
//! docs/evaluation.md says how each figure is computed and what it does not prove.

mod auc;
mod baselines;
mod borders;
mod calibration;
mod card;
mod controls;
mod discrimination;
mod earlier;
mod engines;
mod field;
mod folds;
mod gallery;
mod intervals;
mod linear;
mod measure;
pub mod metrics;
mod networks;
mod people;
mod refusal;
mod render;
mod report;
mod runs;
mod selective;
mod subgroups;
mod unseen;

#[cfg(test)]
mod tests;

use crate::classes::{CLASSES, COVID, DISCLAIMER};
use crate::cli::DataArgs;
use crate::dataset::{self, LeaveOut, OTHER_FINDING_LABEL, Query, Sample, Split, check};
use crate::files;
use crate::model_file::ModelFile;
use anyhow::{Result, ensure};
use earlier::Earlier;
use measure::{Case, Measurements};
use metrics::{Figures, Outcome, Rate};
use networks::Networks;
use report::{CalibrationReport, DataSummary};
pub use report::{Headline, Recipe, Report};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use unseen::Seen;

/// Arguments of `host evaluate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file, e.g. models/default.cxr.
    pub model: PathBuf,
    /// Datasets.
    #[command(flatten)]
    pub data: DataArgs,
    /// What runs the network.
    #[arg(long, value_enum, default_value_t = EngineName::Core)]
    pub engine: EngineName,
    /// Folder for report.html, report.md, report.json, predictions.csv and model-card.md.
    #[arg(long, value_name = "DIR")]
    pub report: PathBuf,
    /// report.json of the same recipe trained with another seed; repeat for each.
    #[arg(long, value_name = "FILE")]
    pub seed_report: Vec<PathBuf>,
    /// report.json of a model of `host train --fold`; repeat for each fold. They are pooled.
    #[arg(long, value_name = "FILE")]
    pub fold_report: Vec<PathBuf>,
    /// Reports, report.json or their folders, of networks trained alike without some hospitals (`host train --leave-out`).
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub leave_out_report: Vec<PathBuf>,
    /// An earlier report.json of this model, or of one trained by all parts before its last: its seeds and folds are taken over where
    /// none are given.
    #[arg(long, value_name = "FILE")]
    pub earlier: Option<PathBuf>,
    /// Leave dataset images out of report.html: for copies that are passed on.
    #[arg(long)]
    pub no_gallery_images: bool,
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

/// A figure, or why there is none: never left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Computed<T> {
    /// The figure.
    Yes(T),
    /// Why there is none, and how to get one.
    No {
        /// The reason.
        not_computed: String,
    },
}

impl<T> Computed<T> {
    /// No figure, for this reason.
    pub fn no(reason: impl Into<String>) -> Self {
        Self::No { not_computed: reason.into() }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let file = ModelFile::read(&args.model)?;
    let seeds = runs::read(&args.seed_report)?;
    let pooled = folds::pool(&args.fold_report, &runs::read(&args.fold_report)?)?;
    let about = about(args, &file)?;
    let recipe = Recipe::of(&about);
    let earlier = args.earlier.as_deref().map(|path| Earlier::read(path, &file.sha256, recipe.as_ref())).transpose()?;
    let networks = Networks::load(file.engine()?, args)?;
    let fold = folds::of_model(&file.name, networks.engine.model.metadata(), &about, args.data.fold)?;
    runs::differ_in_seed(&args.seed_report, &seeds, &file.sha256, fold, recipe.as_ref())?;
    let args = &Args { data: DataArgs { fold, ..args.data.clone() }, ..args.clone() };
    let leave_out = unseen::left_out(&about, networks.engine.model.metadata());
    let query = Query { coronahack: &args.data.coronahack, external: &args.data.external, fold, leave_out: &leave_out };
    let data = dataset::load(&query)?;
    ensure!(
        data.samples.iter().any(|s| matches!(s.split, Split::Val | Split::Test)),
        "{}: no validation or test image",
        args.data.coronahack.display()
    );
    let started = std::time::Instant::now();
    let measured = measure::run(&networks, &data.samples)?;
    let partial = measure::outcomes(&networks, &data.partial)?;
    let mut report = report(args, &file, &about, &networks, &data.samples, &measured, &leave_out)?;
    let network = unseen::Network {
        is_this_model: true,
        recipe: report.recipe.clone(),
        left_out: report.leave_out.clone(),
        model_sha256: file.sha256.clone(),
    };
    let cases = Seen::all(&data, &measured, &partial);
    let mut found = unseen::own(&cases, &network);
    unseen::add_left_out(&mut found, &args.leave_out_report)?;
    (report.unseen, report.unseen_together) = (found.unseen, found.together);
    let of_val = data.partial.iter().zip(&partial).filter(|(sample, _)| sample.split == Split::Val);
    report.other_finding_called_covid = Rate::by_patient(of_val.map(|(_, o)| (o.predicted == COVID, o.patient.as_str())));
    report.folds = pooled;
    report.seeds = runs::seeds(&serde_json::to_value(&report)?, &seeds);
    if let Some(earlier) = earlier {
        earlier.complete(&mut report)?;
    }
    report.seconds = started.elapsed().as_secs_f64();
    let mut json = serde_json::to_vec_pretty(&report)?;
    json.push(b'\n');
    let document = render::document(&report)?;
    files::write_all(&[
        (args.report.join("report.json"), json),
        (args.report.join("report.md"), render::markdown::page(&report, &document).into_bytes()),
        (args.report.join("report.html"), render::html::page(&report, &document).into_bytes()),
        (args.report.join("predictions.csv"), predictions(&cases)?),
        (args.report.join("model-card.md"), card::markdown(&report, &about).into_bytes()),
    ])?;
    println!("{}", render::terminal(&report));
    println!(
        "wrote {}/report.html, report.md, report.json, predictions.csv, model-card.md in {:.0} s",
        args.report.display(),
        report.seconds
    );
    Ok(())
}

/// The json beside the model, or null if it is another model's.
fn about(args: &Args, file: &ModelFile) -> Result<Value> {
    let path = files::with_suffix(&files::prefix(&args.model), "json");
    let about: Value = if path.is_file() { serde_json::from_slice(&files::read(&path)?)? } else { Value::Null };
    Ok(if about["files"]["cxr"]["sha256"] == file.sha256.as_str() { about } else { Value::Null })
}

/// Everything but what other runs say.
fn report(
    args: &Args,
    file: &ModelFile,
    about: &Value,
    networks: &Networks<'_>,
    samples: &[Sample],
    measured: &Measurements,
    leave_out: &LeaveOut,
) -> Result<Report> {
    let tests: Vec<(&'static str, Vec<Case<'_>>)> = [Split::Test, Split::ExternalTest]
        .map(|split| (split.name(), measured.of(samples, split)))
        .into_iter()
        .filter(|(_, cases)| !cases.is_empty())
        .collect();
    let mut all = tests.clone();
    all.push((Split::Val.name(), measured.of(samples, Split::Val)));
    all.retain(|(_, cases)| !cases.is_empty());
    let outcomes: BTreeMap<&'static str, Vec<&Outcome>> =
        all.iter().map(|(name, cases)| (*name, cases.iter().map(|case| &case.measured.outcome).collect())).collect();
    let by_area = measure::outside_by_area(networks);
    Ok(Report {
        notice: DISCLAIMER,
        engine: args.engine,
        model: file.name.clone(),
        model_sha256: file.sha256.clone(),
        recipe: Recipe::of(about),
        leave_out: Vec::deserialize(&about["leave_out"]).unwrap_or_default(),
        fold: args.data.fold.map(|fold| folds::Tested::of(fold, &measured.of(samples, Split::Test))),
        classes: CLASSES,
        headline: headline(&tests),
        unseen: Computed::no(""),
        unseen_together: Computed::no(""),
        confirmed_opacities: unseen::confirmed_opacities(&all),
        other_finding_called_covid: Rate::new(0, 0),
        splits: splits(&all),
        healthy_adults_called_covid: rate(
            healthy(&tests).filter(|case| case.sample.age.is_none_or(|age| age >= 18.0)),
            called_covid,
        ),
        refusal: match args.engine {
            EngineName::Core => refusal::measure(networks.engine, samples, measured)?,
            EngineName::Tract | EngineName::TractInt8 => None,
        },
        sensitivity_at_95_specificity: discrimination::at_specificity(&outcomes),
        normal_vs_abnormal: discrimination::normal_vs_abnormal(&tests),
        calibration: CalibrationReport {
            temperature: networks.engine.model.temperature(),
            splits: all.iter().map(|(name, cases)| (*name, calibrations(cases))).collect(),
        },
        predictive_values: tests.iter().map(|(name, _)| (*name, discrimination::predictive(&outcomes[name]))).collect(),
        subgroups: subgroups::subgroups(&tests),
        data: summary(check::check(&args.data, leave_out)?),
        baselines: baselines::baselines(samples, measured),
        borders: borders::borders(samples, measured),
        source_prediction: baselines::source_prediction(samples, measured),
        controls: tests.iter().map(|(name, cases)| (*name, controls::controls(cases, by_area))).collect(),
        selective: tests.iter().map(|(name, _)| (*name, selective::selective(&outcomes[name]))).collect(),
        agreement: engines::agreement(&tests, args.engine),
        seeds: Computed::no(""),
        seeds_dropped: vec![],
        seeds_before: None,
        folds: Computed::no(""),
        gallery: gallery::gallery(&tests, !args.no_gallery_images)?,
        seconds: 0.0,
    })
}

fn calibrations(cases: &[Case<'_>]) -> [calibration::Calibration; 2] {
    let outcomes = |of: fn(&measure::Measured) -> &Outcome| cases.iter().map(|case| of(case.measured)).collect::<Vec<_>>();
    [calibration::Calibration::new(&outcomes(|m| &m.uncalibrated)), calibration::Calibration::new(&outcomes(|m| &m.outcome))]
}

fn summary(found: check::Report) -> DataSummary {
    DataSummary {
        passed: found.passed,
        patients_in_two_splits: found.patients_across_splits.iter().filter(|patient| patient.leak).count(),
        leaking_pairs: found.duplicates.across.iter().filter(|pair| pair.leak).count(),
        pairs_across_splits: found.duplicates.across.len(),
        failures: found.failures,
        splits: found.splits,
    }
}

fn splits(sets: &[(&'static str, Vec<Case<'_>>)]) -> BTreeMap<String, Figures> {
    let mut found: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
    for (name, cases) in sets {
        for case in cases {
            found.entry((*name).to_owned()).or_default().push(&case.measured.outcome);
            if case.sample.split != Split::Test {
                found.entry(format!("{name}/{}", case.sample.source)).or_default().push(&case.measured.outcome);
            }
        }
    }
    found.into_iter().map(|(name, set)| (name, Figures::new(&set))).collect()
}

fn of_split<'a>(sets: &'a [(&'static str, Vec<Case<'a>>)], split: Split) -> impl Iterator<Item = &'a Case<'a>> {
    sets.iter().filter(move |(name, _)| *name == split.name()).flat_map(|(_, cases)| cases)
}

/// Normal images of healthy people of other sources.
fn healthy<'a>(sets: &'a [(&'static str, Vec<Case<'a>>)]) -> impl Iterator<Item = &'a Case<'a>> {
    of_split(sets, Split::ExternalTest)
        .filter(|case| case.sample.class == 0 && matches!(case.sample.source.as_str(), "nih" | "rsna"))
}

fn called_covid(case: &Case<'_>) -> bool {
    case.measured.outcome.predicted == COVID
}

/// The share of hits, with the number of people.
fn rate<'a>(cases: impl Iterator<Item = &'a Case<'a>>, hit: fn(&Case<'_>) -> bool) -> Rate {
    Rate::by_patient(cases.map(|case| (hit(case), case.sample.patient.as_str())))
}

fn headline(sets: &[(&'static str, Vec<Case<'_>>)]) -> Headline {
    let accuracy = |split| rate(of_split(sets, split), |case| case.measured.outcome.right());
    let covid = |split| of_split(sets, split).filter(|case| case.sample.class == COVID);
    let mut patients: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in covid(Split::Test) {
        let (hits, n) = patients.entry(&case.sample.patient).or_default();
        (*hits, *n) = (*hits + usize::from(called_covid(case)), *n + 1);
    }
    Headline {
        accuracy_test: accuracy(Split::Test),
        accuracy_external: accuracy(Split::ExternalTest),
        covid_sensitivity_test: rate(covid(Split::Test), called_covid),
        covid_patients_test: Rate::of(patients.values().map(|(hits, n)| 2 * hits >= *n)),
        covid_sensitivity_external: rate(covid(Split::ExternalTest), called_covid),
        healthy_called_covid: rate(healthy(sets), called_covid),
    }
}

fn predictions(cases: &[Seen<'_>]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["image", "source", "split", "truth", "predicted", "abstained"].into_iter();
    writer.write_record(header.map(str::to_owned).chain(CLASSES.map(|class| format!("p({class})"))))?;
    for Seen { sample, outcome } in cases {
        let fields = [
            sample.name.clone(),
            sample.source.clone(),
            format!("{:?}", sample.split),
            CLASSES.get(outcome.truth).copied().unwrap_or(OTHER_FINDING_LABEL).to_owned(),
            CLASSES[outcome.predicted].to_owned(),
            outcome.abstained.to_string(),
        ];
        writer.write_record(fields.into_iter().chain(outcome.probabilities.map(|p| format!("{p:.6}"))))?;
    }
    Ok(writer.into_inner()?)
}
