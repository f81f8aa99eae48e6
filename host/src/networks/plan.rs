//! `host plan`: what a network needs, and how it is cut.

use anyhow::{Context, Result, bail};
use cxr_app::files;
use rownet_convert::{package, plan};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `host plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network: .tflite, quantised to int8.
    pub network: PathBuf,
    /// Bytes of arena that the network may take.
    #[arg(long, value_name = "BYTES")]
    pub ram: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Refuses a budget that the plan does not meet.
///
/// # Errors
/// The plan takes more.
pub fn check_ram(network: &str, bytes: usize, ram: Option<usize>) -> Result<()> {
    match ram {
        Some(ram) if bytes > ram => bail!(
            "{network}: {bytes} bytes are the least without computing anything twice, {ram} were asked for; allow {bytes}, or make the network smaller"
        ),
        _ => Ok(()),
    }
}

/// Runs the command.
///
/// # Errors
/// What cannot run; a budget that is not met.
pub fn run(args: &Args) -> Result<()> {
    let named = args.network.display().to_string();
    let prepared = package::prepare(&files::read(&args.network)?).with_context(|| named.clone())?;
    let plan = plan::plan(&prepared.graph, &prepared.lowered).with_context(|| named.clone())?;
    check_ram(&named, plan.bytes, args.ram)?;
    let starts = std::iter::once(0).chain(plan.segments.iter().copied());
    let name = |i: u16| &prepared.graph.nodes[prepared.lowered.operators[usize::from(i)].node].name;
    let segments: Vec<_> = starts
        .zip(&plan.segments)
        .map(|(first, &end)| json!({ "first": first, "last": end - 1, "from": name(first), "to": name(end - 1) }))
        .collect();
    if args.json {
        let point = json!({ "bytes": plan.bytes, "macs": plan.macs, "chosen": true });
        println!("{}", serde_json::to_string_pretty(&json!({ "points": [point], "segments": segments }))?);
        return Ok(());
    }
    println!("{named}: {} bytes of arena, {} multiply-accumulates, none repeated", plan.bytes, plan.macs);
    for (number, segment) in segments.iter().enumerate() {
        println!("segment {number}: operators {} to {}", segment["first"], segment["last"]);
    }
    Ok(())
}
