//! The `host` binary: parses, dispatches, maps errors to exit codes.
//!
//! Research software, **not a medical device**.

mod cli;
mod manual;
#[cfg(feature = "convert")]
mod networks;

use clap::Parser;
use std::process::ExitCode;

// Training allocates and frees large tensors every step; glibc returns their pages to the system each time.
#[cfg(feature = "lab")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(cxr_app::fail::exit_code(&error))
        }
    }
}
