//! `cargo xtask`: installs what a bare machine lacks, then builds and tests everything.

mod archive;
mod bare_metal;
mod bench;
mod book;
mod capi;
mod check;
mod container;
mod copies;
mod crates;
mod examples;
mod firmware;
mod fuzz;
mod install;
mod lanes;
mod layers;
mod mutants;
mod no_panic;
mod packages;
mod pages;
mod release;
mod sanitizer;
mod shell;
mod site;
mod steps;
mod targets;
mod wheel;

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
    /// Format, clippy and unit tests of the packages that were touched: what to run after a change.
    Check {
        /// Changes since this commit count, committed or not.
        #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
        base: String,
    },
    /// Fail on imports that go in a circle or up.
    Layers,
    /// Fuzz the parser, the session, the kernels, the resizer, the importers and the decoders of image files.
    Fuzz {
        /// Time for each of the seven.
        #[arg(long, default_value_t = 600)]
        seconds: u32,
    },
    /// Count instructions on the boards that QEMU emulates: layers, the default network; every hash must be the host's.
    Bench(bench::Options),
    /// Write the page without a server: the classifier for browsers, built with and without vectors, and all around it.
    Site {
        /// Folder for the site: a new or empty one, or that of an earlier site.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Model file; models/default.cxr if absent.
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
    },
    /// Write core/capi/include/cxr.h and rownet.h from the sources of the C interface.
    Header,
    /// Bring the copies up to date that crates have of files elsewhere: licences, the shipped model, patients, referees.
    Copies,
    /// Write the book as a folder of pages.
    Book {
        /// Folder for the pages.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Run the examples of firmware/examples under QEMU and compare with what the host computes.
    Examples,
    /// Write the C interface as packages: CMake, Zephyr, ESP-IDF and PlatformIO in one archive, Arduino in another.
    Packages {
        /// Folder for the archives.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Build all that a release consists of: programs, packages, crates, bill of materials, checksums.
    Release(release::Options),
    /// Build the firmware of every board, run those that QEMU emulates, report what they take; fails over budget.
    Firmware(firmware::Args),
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
        Task::Check { base } => check::check(&workspace, &base),
        Task::Layers => layers::test(&workspace),
        Task::Fuzz { seconds } => fuzz::test(&workspace, seconds),
        Task::Bench(options) => bench::bench(&workspace, &options),
        Task::Header => capi::write_headers(&workspace),
        Task::Copies => copies::write(&workspace),
        Task::Site { out, model } => site::site(&workspace, &out, model.as_deref()),
        Task::Book { out } => book::book(&workspace, &out),
        Task::Examples => examples::test(&workspace),
        Task::Packages { out } => packages::packages(&workspace, &out),
        Task::Release(options) => release::release(&workspace, &options),
        Task::Firmware(args) => firmware::firmware(&workspace, &args),
    }
}
