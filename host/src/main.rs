//! The `host` binary: parses, dispatches, maps errors to exit codes.

use clap::Parser;
use std::process::ExitCode;

// Training allocates and frees large tensors every step; glibc returns their pages to the system each time.
#[cfg(feature = "lab")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cxr_host::cli::Cli::parse();
    match cxr_host::cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(cxr_host::fail::exit_code(&error))
        }
    }
}
