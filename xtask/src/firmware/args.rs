//! What `cargo xtask firmware` is asked for.

use std::path::PathBuf;

/// Arguments of `cargo xtask firmware`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Boards to build and run (default: all); `none`: the Pico 2 alone.
    #[arg(long = "board", value_name = "NAME", value_delimiter = ',')]
    pub boards: Vec<String>,
    /// Model to embed (default: models/default.cxr).
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Golden fixture of that model (default: tests/golden/NAME.json).
    #[arg(long, value_name = "FILE")]
    pub fixture: Option<PathBuf>,
    /// Limit of RAM in KiB, stack included; the linker keeps it.
    #[arg(long, value_name = "KIB", default_value_t = 64)]
    pub ram: u32,
    /// Limit of code and constants, without the model, in KiB; the linker keeps it.
    #[arg(long, value_name = "KIB", default_value_t = 80)]
    pub flash: u32,
    /// Faults to inject on a board's serial line.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub faults: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Write the table into firmware/README.md.
    #[arg(long)]
    pub readme: bool,
}

impl Default for Args {
    fn default() -> Self {
        let (boards, model, fixture) = (Vec::new(), None, None);
        Self { boards, model, fixture, ram: 64, flash: 80, faults: 0, json: false, readme: false }
    }
}
