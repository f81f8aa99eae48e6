//! Command line: arguments and dispatch, nothing else.

use anyhow::Result;
use clap::{Parser, Subcommand};

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
    Train(crate::train::Args),
    /// Quantise a training run and write NAME.cxr, NAME.onnx, NAME.int8.onnx and NAME.json.
    #[cfg(feature = "lab")]
    Export(crate::export::Args),
    /// Compare core with tract, or an imported network with its file's referee: byte by byte, layer by layer.
    #[cfg(feature = "convert")]
    Verify(crate::networks::verify::Args),
    /// Compare core with tract, byte by byte, layer by layer.
    #[cfg(all(feature = "lab", not(feature = "convert")))]
    Verify(crate::verify::Args),
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
    Evaluate(crate::evaluate::Args),
    /// Time core against tract on this machine, in one run.
    #[cfg(feature = "lab")]
    Bench(crate::bench::Args),
    /// Classify X-ray images.
    Predict(crate::predict::Args),
    /// Serve the upload page and its API.
    #[cfg(feature = "serve")]
    Serve(crate::serve::Args),
    /// Write the upload page for any static host: browsers classify, pictures stay on their device.
    #[cfg(feature = "serve")]
    Site(crate::site::Args),
    /// Classify X-ray images on a board.
    #[cfg(feature = "device")]
    Device(crate::device::Args),
}

/// Dataset commands.
#[cfg(feature = "lab")]
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Report what was found, missing, duplicated or leaked; exit 1 on a leak.
    Check(crate::dataset::check::Args),
}

/// Runs a parsed command line.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        #[cfg(feature = "lab")]
        Command::Data(DataCommand::Check(args)) => crate::dataset::check::run(&args),
        #[cfg(feature = "lab")]
        Command::Train(args) => crate::train::run(&args),
        #[cfg(feature = "lab")]
        Command::Export(args) => crate::export::run(&args),
        #[cfg(feature = "convert")]
        Command::Verify(args) => crate::networks::verify::run(&args),
        #[cfg(all(feature = "lab", not(feature = "convert")))]
        Command::Verify(args) => crate::verify::run(&args),
        #[cfg(feature = "convert")]
        Command::Import(args) => crate::networks::import::run(&args),
        #[cfg(feature = "convert")]
        Command::Run(args) => crate::networks::run::run(&args),
        #[cfg(feature = "convert")]
        Command::Inspect(args) => crate::networks::inspect::run(&args),
        #[cfg(feature = "convert")]
        Command::Plan(args) => crate::networks::plan::run(&args),
        #[cfg(feature = "lab")]
        Command::Evaluate(args) => crate::evaluate::run(&args),
        #[cfg(feature = "lab")]
        Command::Bench(args) => crate::bench::run(&args),
        Command::Predict(args) => crate::predict::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => crate::serve::run(&args),
        #[cfg(feature = "serve")]
        Command::Site(args) => crate::site::run(&args),
        #[cfg(feature = "device")]
        Command::Device(args) => crate::device::run(&args),
    }
}
