//! `host evaluate`: a model on the validation and test splits, with what its figures rest on, as report.html, report.md,
//! report.json, predictions.csv and model-card.md.
//!
//! docs/evaluation.md says how each figure is computed and what it does not prove. A figure is a file of [`figures`]: it
//! implements [`figure::Figure`].

mod attribution;
mod auc;
mod calibration_error;
mod card;
mod field;
mod figure;
mod figures;
mod fold;
mod hospital;
mod intervals;
mod linear;
mod measure;
mod metrics;
mod mistake;
mod networks;
mod other_runs;
mod outcome;
mod people;
mod picture;
mod render;
mod report;
mod subject;
mod targets;
mod training;

#[cfg(test)]
mod tests;

use crate::dataset::{self, DataArgs, OTHER_FINDING_LABEL, Query, Split, check};
use anyhow::{Result, ensure};
use cxr_app::classes::{CLASSES, DISCLAIMER};
use cxr_app::files;
use cxr_app::model_file::ModelFile;
use figure::{Evidence, Figure};
use figures::gallery::Gallery;
use figures::unseen::{LeftOut, left_out};
use fold::Tested;
use measure::Seen;
pub use networks::EngineName;
use networks::Networks;
use report::{Figures, Report};
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use subject::Subject;
use training::Recipe;

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
    /// Other runs.
    #[command(flatten)]
    pub others: other_runs::Args,
    /// Leave dataset images out of report.html: for copies that are passed on.
    #[arg(long)]
    pub no_gallery_images: bool,
}

/// Runs the command.
///
/// # Errors
/// Files that do not belong together, before anything is measured; an image that cannot be decoded; what cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let file = ModelFile::read(&args.model)?;
    let about = about(args, &file)?;
    let recipe = Recipe::of(&about);
    let given = other_runs::Given::read(&args.others, &file.sha256, recipe.as_ref())?;
    let hospitals_left_out = LeftOut::read(&args.others.leave_out_report)?;
    let networks = Networks::load(file.engine()?, &args.model, args.engine)?;
    let metadata = networks.engine.model.metadata();
    let fold = fold::of_model(&file.name, metadata, &about, args.data.fold)?;
    given.check(&args.others, &file.sha256, fold, recipe.as_ref())?;
    let folders = &DataArgs { fold, ..args.data.clone() };
    let leave_out = left_out(&about, metadata);
    let query = Query { coronahack: &folders.coronahack, external: &folders.external, fold, leave_out: &leave_out };
    let data = dataset::load(&query)?;
    ensure!(
        data.samples.iter().any(|s| matches!(s.split, Split::Val | Split::Test)),
        "{}: no validation or test image",
        folders.coronahack.display()
    );

    let started = std::time::Instant::now();
    let mut measured = measure::run(&networks, &data)?;
    let check = check::judge(folders, &data, std::mem::take(&mut measured.inspected));
    let subject = Subject {
        notice: DISCLAIMER,
        engine: args.engine,
        model: file.name.clone(),
        model_sha256: file.sha256.clone(),
        recipe,
        leave_out: Vec::deserialize(&about["leave_out"]).unwrap_or_default(),
        fold: fold.map(|fold| Tested::of(fold, &measured.of(&data.samples, Split::Test))),
        classes: CLASSES,
    };
    let evidence = Evidence::new(&subject, &networks, &data, &measured, &check);
    let figures = Figures::compute(&evidence)?;
    let gallery = Gallery::compute(&evidence)?;
    let gallery = if args.no_gallery_images { gallery.without_images() } else { gallery };
    let predictions = predictions(&evidence.seen)?;
    let others = given.beside(&figures.own(&subject)?)?;
    let mut report = Report::new(subject.clone(), figures, others, hospitals_left_out, gallery)?;
    report.seconds = started.elapsed().as_secs_f64();
    write(args, &report, &about, predictions)
}

fn write(args: &Args, report: &Report, about: &Value, predictions: Vec<u8>) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    let sections = report.sections()?;
    files::write_all(&[
        (args.report.join("report.json"), json),
        (args.report.join("report.md"), render::markdown::page(&report.subject, &sections).into_bytes()),
        (args.report.join("report.html"), render::html::page(&report.subject, &sections, report.seconds).into_bytes()),
        (args.report.join("predictions.csv"), predictions),
        (args.report.join("model-card.md"), card::markdown(report, about).into_bytes()),
    ])?;
    println!("{}", render::terminal(&report.subject, &report.tiles()));
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
