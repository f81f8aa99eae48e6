//! `host manual`: pages of the manual and completions of shells, for packages; from the same declarations that parse the command line.

use anyhow::{Context, Result};
use clap::{Command, ValueEnum};
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;

/// Arguments of `host manual`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for `man/` and `completions/`.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Runs the command, for a command line.
///
/// # Errors
/// A folder that cannot be written.
pub fn run(args: &Args, mut command: Command) -> Result<()> {
    let (man, completions) = (args.out.join("man"), args.out.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    clap_mangen::generate_to(command.clone(), &man).with_context(|| man.display().to_string())?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command, "host", &completions)
            .with_context(|| completions.display().to_string())?;
    }
    println!("{}: manual and completions", args.out.display());
    Ok(())
}
