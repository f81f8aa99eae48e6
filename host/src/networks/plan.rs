//! `host plan`: what a network needs, what fewer bytes cost, and how it is cut.

use anyhow::{Context, Result};
use cxr_app::files;
use rownet_convert::execute::Network;
use rownet_convert::inspect::{self, Layer};
use rownet_convert::metadata::Metadata;
use rownet_convert::package::{self, Prepared};
use rownet_convert::plan;
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

/// Runs the command.
///
/// # Errors
/// What cannot run; a budget that no plan meets.
pub fn run(args: &Args) -> Result<()> {
    let named = args.network.display().to_string();
    let prepared = package::prepare(&files::read(&args.network)?).with_context(|| named.clone())?;
    let points = plan::points(&prepared.graph, &prepared.lowered).with_context(|| named.clone())?;
    let chosen = plan::choose(&points, args.ram).with_context(|| named.clone())?;
    let operators = &prepared.lowered.operators;
    let name = |i: u16| &prepared.graph.nodes[operators[usize::from(i)].node].name;
    let starts = std::iter::once(0).chain(chosen.segments.iter().copied());
    let segments: Vec<_> = starts
        .zip(&chosen.segments)
        .map(|(first, &end)| {
            let made_anew = chosen.recomputed.iter().filter(|id| (first..end).contains(&(**id - 1)));
            let made_anew: Vec<_> = made_anew.map(|id| name(*id - 1)).collect();
            json!({ "first": first, "last": end - 1, "from": name(first), "to": name(end - 1), "recomputed": made_anew })
        })
        .collect();
    if args.json {
        let point = |point: &plan::Plan| json!({ "bytes": point.bytes, "macs": point.macs, "chosen": point == chosen });
        let points: Vec<_> = points.iter().map(point).collect();
        let layers = layers(&prepared, chosen)?;
        let all = json!({ "points": points, "segments": segments, "parts": chosen.parts, "layers": layers });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{named}: arena and multiply-accumulates of every plan that none beats in both; * is chosen\n");
    for point in &points {
        let times = point.macs as f64 / points[0].macs.max(1) as f64;
        let mark = if point == chosen { "*" } else { " " };
        println!("{mark} {:>9} bytes {:>12} multiply-accumulates, {times:.2} times the least", point.bytes, point.macs);
    }
    println!();
    if let Some(parts) = &chosen.parts {
        println!("segment 0 is made in {} parts: the caller gives the input as many times", parts.columns.len());
    }
    for (number, segment) in segments.iter().enumerate() {
        println!("segment {number}: operators {} to {}, recomputed {}", segment["first"], segment["last"], segment["recomputed"]);
    }
    Ok(())
}

/// How each operator runs.
fn layers(prepared: &Prepared, chosen: &plan::Plan) -> Result<Vec<Layer>> {
    let Prepared { original, graph, lowered } = prepared;
    let split = plan::applied(lowered, chosen.parts.as_ref())?;
    let metadata = serde_json::to_string(&Metadata::of(original, graph, &split.lowered, "", ""))?;
    let file = plan::encode(graph, lowered, chosen, "", &metadata)?;
    Ok(inspect::inspect(&Network::parse(&file)?).layers)
}
