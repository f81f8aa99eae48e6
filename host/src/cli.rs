//! Command line: arguments and dispatch, nothing else.

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

/// Chest X-ray classifier: Normal/NA, Pneumonia/NA or Pneumonia/COVID-19.
///
/// Research software, not a medical device: not for diagnosis, triage or treatment.
#[derive(Debug, Parser)]
#[command(name = "host", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Inspect datasets.
    #[cfg(feature = "lab")]
    #[command(subcommand)]
    Data(DataCommand),
    /// Train a network on a dataset.
    #[cfg(feature = "lab")]
    Train(cxr_study::train::Args),
    /// Quantise a training run and write NAME.cxr, NAME.onnx, NAME.int8.onnx and NAME.json.
    #[cfg(feature = "lab")]
    Export(cxr_study::export::Args),
    /// Compare core with tract, or an imported network with its file's referee: byte by byte, layer by layer.
    #[cfg(feature = "convert")]
    Verify(crate::networks::verify::Args),
    /// Read a .tflite network and write NAME.cxr for the engine.
    #[cfg(feature = "convert")]
    Import(crate::networks::import::Args),
    /// Run arrays through an imported network.
    #[cfg(feature = "convert")]
    Run(crate::networks::run::Args),
    /// Show what an imported network takes and how it runs.
    #[cfg(feature = "convert")]
    Inspect(crate::networks::inspect::Args),
    /// Show the least memory that a network can run in.
    #[cfg(feature = "convert")]
    Plan(crate::networks::plan::Args),
    /// Measure a model on the test splits and write a report.
    #[cfg(feature = "lab")]
    Evaluate(cxr_study::evaluate::Args),
    /// Time core against tract on this machine, in one run.
    #[cfg(feature = "lab")]
    Bench(cxr_study::bench::Args),
    /// Classify X-ray images.
    Predict(cxr_app::predict::Args),
    /// Serve the upload page and its API.
    #[cfg(feature = "serve")]
    Serve(cxr_app::serve::Args),
    /// Take X-rays from archives and modalities by DICOM, and answer them with reports and maps.
    #[cfg(feature = "dicom")]
    Dicom(cxr_dicom::Args),
    /// Write the upload page for any static host: browsers classify, pictures stay on their device.
    #[cfg(feature = "serve")]
    Site(cxr_app::site::Args),
    /// Classify X-ray images on a board.
    #[cfg(feature = "device")]
    Device(cxr_app::device::Args),
    /// Write the manual's pages and completions for shells.
    #[command(hide = true)]
    Manual(crate::manual::Args),
}

/// Dataset commands.
#[cfg(feature = "lab")]
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Report what was found, missing, duplicated or leaked; exit 1 on a leak.
    Check(cxr_study::dataset::check::Args),
}

/// Runs a parsed command line.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        #[cfg(feature = "lab")]
        Command::Data(DataCommand::Check(args)) => cxr_study::dataset::check::run(&args),
        #[cfg(feature = "lab")]
        Command::Train(args) => cxr_study::train::run(&args),
        #[cfg(feature = "lab")]
        Command::Export(args) => cxr_study::export::run(&args),
        #[cfg(feature = "convert")]
        Command::Verify(args) => crate::networks::verify::run(&args),
        #[cfg(feature = "convert")]
        Command::Import(args) => crate::networks::import::run(&args),
        #[cfg(feature = "convert")]
        Command::Run(args) => crate::networks::run::run(&args),
        #[cfg(feature = "convert")]
        Command::Inspect(args) => crate::networks::inspect::run(&args),
        #[cfg(feature = "convert")]
        Command::Plan(args) => crate::networks::plan::run(&args),
        #[cfg(feature = "lab")]
        Command::Evaluate(args) => cxr_study::evaluate::run(&args),
        #[cfg(feature = "lab")]
        Command::Bench(args) => cxr_study::bench::run(&args),
        Command::Predict(args) => cxr_app::predict::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => cxr_app::serve::run(&args),
        #[cfg(feature = "dicom")]
        Command::Dicom(args) => cxr_dicom::run(&args),
        #[cfg(feature = "serve")]
        Command::Site(args) => cxr_app::site::run(&args),
        #[cfg(feature = "device")]
        Command::Device(args) => cxr_app::device::run(&args),
        Command::Manual(args) => crate::manual::run(&args, Cli::command()),
    }
}
