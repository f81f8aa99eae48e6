//! `cargo xtask`: installs what a bare machine lacks, then builds and tests everything.

mod bare_metal;
mod bench;
mod capi;
mod install;
mod no_panic;
mod shell;
mod steps;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Development tasks of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, then run every check; ends with `N passed, N failed`.
    Test {
        /// Run these steps only, in the usual order.
        #[arg(long, value_name = "STEP", value_enum, value_delimiter = ',')]
        only: Vec<steps::Step>,
    },
    /// Count instructions on the boards that QEMU emulates: layers, the default network; every hash must be the host's.
    Bench(bench::Options),
    /// Write core/capi/include/cxr.h from the sources of the C interface.
    Header,
    /// Build the firmware, run it under QEMU on the mps2-an386 and check its self-test.
    Firmware {
        /// Model to embed (default: models/default.cxr).
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
        /// Golden fixture of that model (default: tests/golden/NAME.json).
        #[arg(long, value_name = "FILE")]
        fixture: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let cli = Cli::parse();
    let workspace = shell::Workspace::locate()?;
    match cli.task {
        Task::Test { only } => steps::test(&workspace, &only),
        Task::Bench(options) => bench::bench(&workspace, &options),
        Task::Header => capi::write_header(&workspace),
        Task::Firmware { model, fixture } => bare_metal::firmware(&workspace, model.as_deref(), fixture.as_deref()),
    }
}
