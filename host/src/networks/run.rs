//! `host run`: arrays through an imported network.

use super::File;
use anyhow::{Context, Result};
use cxr_app::files;
use rownet_convert::npy;
use std::path::{Path, PathBuf};

/// Arguments of `host run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The imported network, NAME.cxr.
    pub network: PathBuf,
    /// Inputs, [n, h, w, c] or [n, values], of the network's input type.
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Where the outputs go, [n, ...]; of several, Y.0.npy, Y.1.npy and so on.
    #[arg(long, value_name = "Y.npy")]
    pub output: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A damaged file; inputs that do not fit.
pub fn run(args: &Args) -> Result<()> {
    let file = File::read(&args.network)?;
    let network = file.network()?;
    let outputs = network.run(&super::array(&args.input)?).with_context(|| args.input.display().to_string())?;
    let several = outputs.len() > 1;
    let written = outputs
        .iter()
        .enumerate()
        .map(|(i, output)| Ok((if several { numbered(&args.output, i) } else { args.output.clone() }, npy::write(output)?)));
    files::write_all(&written.collect::<Result<Vec<_>>>()?)
}

/// `y.npy` to `y.1.npy`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let text = path.to_string_lossy();
    let stem = text.strip_suffix(".npy").unwrap_or(&text);
    PathBuf::from(format!("{stem}.{number}.npy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_outputs_are_numbered() {
        assert_eq!(numbered(Path::new("a/y.npy"), 1), Path::new("a/y.1.npy"));
        assert_eq!(numbered(Path::new("a.b/y"), 0), Path::new("a.b/y.0.npy"));
    }
}
