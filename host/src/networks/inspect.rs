//! `host inspect`: what an imported network takes and how it runs.

use super::File;
use anyhow::Result;
use rownet_convert::inspect::{Inspection, inspect};
use std::path::PathBuf;

/// Arguments of `host inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The imported network, NAME.cxr.
    pub network: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// A damaged file.
pub fn run(args: &Args) -> Result<()> {
    let file = File::read(&args.network)?;
    let inspection = inspect(&file.network()?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&inspection)?);
    } else {
        print(&inspection);
    }
    Ok(())
}

fn print(inspection: &Inspection) {
    println!("imported from {}, {} arithmetic", inspection.source, inspection.arithmetic);
    println!(
        "arena {} bytes, weights {} bytes, {} multiply-accumulates",
        inspection.arena_bytes, inspection.weights_bytes, inspection.macs
    );
    for (which, ports) in [("input", &inspection.inputs), ("output", &inspection.outputs)] {
        for port in ports {
            println!("{which} {}: {} {:?}", port.name, port.element, port.shape);
        }
    }
    println!(
        "\n{:>4} {:<16} {:>14} {:>12} {:>10} {:>8} {:>5}  name",
        "", "operator", "output", "macs", "weights", "segment", "rows"
    );
    for layer in &inspection.layers {
        let shape = layer.shape.map(|extent| extent.to_string()).join("x");
        println!(
            "{:>4} {:<16} {shape:>14} {:>12} {:>10} {:>8} {:>5}  {}",
            layer.index, layer.operator, layer.macs, layer.weights_bytes, layer.segment, layer.rows_kept, layer.name
        );
    }
}
