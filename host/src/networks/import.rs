//! `host import`: a .tflite file to NAME.cxr and NAME.json.

use anyhow::{Context, Result, bail};
use cxr_app::files;
use rownet_convert::{inspect, package};
use std::path::PathBuf;

/// Arguments of `host import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network: .tflite, quantised to int8.
    pub network: PathBuf,
    /// Prefix of what is written, e.g. models/vww: .cxr and .json.
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// Inputs to calibrate a float network with, [n, h, w, c] or [n, values].
    #[arg(long, value_name = "X.npy", conflicts_with = "images")]
    pub inputs: Option<PathBuf>,
    /// Images to calibrate a float network with.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Bytes of arena that the network may take.
    #[arg(long, value_name = "BYTES")]
    pub ram: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// What cannot run: the node, its operator, the attribute, why, and what to change. Nothing is written then.
pub fn run(args: &Args) -> Result<()> {
    let named = args.network.display().to_string();
    if let Some(path) = args.inputs.as_ref().or(args.images.as_ref()) {
        bail!(
            "{}: float networks are not calibrated yet; quantise the network to int8 (full integer quantisation) and leave this out",
            path.display()
        );
    }
    let file = files::read(&args.network)?;
    let labels = match &args.labels {
        Some(path) => String::from_utf8(files::read(path)?).with_context(|| format!("{}: not UTF-8", path.display()))?,
        None => String::new(),
    };
    let source = args.network.file_name().map_or_else(|| named.clone(), |name| name.to_string_lossy().into_owned());
    let package = package::import(&file, &source, &files::sha256(&file), &labels, args.ram).with_context(|| named.clone())?;
    let prefix = files::prefix(&args.out);
    let (cxr, json) = (files::with_suffix(&prefix, "cxr"), files::with_suffix(&prefix, "json"));
    let network = rownet_convert::execute::Network::parse(&package.file)?;
    let inspection = inspect::inspect(&network);
    let mut text = serde_json::to_vec_pretty(&inspection)?;
    text.push(b'\n');
    println!(
        "{}: {} bytes of arena, {} of weights, {} multiply-accumulates, {} operators in {} segments, {} arithmetic",
        cxr.display(),
        inspection.arena_bytes,
        inspection.weights_bytes,
        inspection.macs,
        inspection.layers.len(),
        inspection.plan.len(),
        inspection.arithmetic
    );
    files::write_all(&[(cxr, package.file.clone()), (json, text)])
}
