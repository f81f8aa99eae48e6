//! `host export`: a training run to NAME.cxr, NAME.onnx, NAME.int8.onnx and NAME.json.

mod confidence;
mod data;
mod doubt;
mod operating;
mod search;
mod trained;

use crate::bundle::Bundle;
use anyhow::Result;
use cxr_app::classes::DISCLAIMER;
use cxr_app::files;
use rownet_convert::chain::random;
use std::path::{Path, PathBuf};

/// Arguments of `host export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Training run: the folder given to `host train --out`.
    #[arg(required_unless_present = "random")]
    pub run: Option<PathBuf>,
    /// Prefix of the files to write, e.g. models/default.
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// Where the images are.
    #[command(flatten)]
    pub data: data::Folders,
    /// The run's recipe as it is today: thresholds that are fitted after training are by it (data.covid_doubted).
    #[arg(long, value_name = "FILE", conflicts_with = "random")]
    pub recipe: Option<PathBuf>,
    /// Training images to calibrate on.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub calibration_images: usize,
    /// Export a network of random weights instead (fixtures, benchmarks).
    #[arg(long, hide = true, value_name = "SEED", conflicts_with = "run")]
    pub random: Option<u64>,
    /// Input height and width of the random network.
    #[arg(long, hide = true, value_name = "PIXELS", default_value_t = 256)]
    pub random_size: usize,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let prefix = files::prefix(&args.out);
    let bundle = match (&args.run, args.random) {
        (_, Some(seed)) => {
            Bundle::random(random::network(seed, [args.random_size, args.random_size, 3], &random::FIXTURE), seed)?
        }
        (Some(run), None) => trained::bundle(run, args.recipe.as_deref(), &args.data, args.calibration_images)?,
        (None, None) => anyhow::bail!("no training run given; name the folder that `host train --out` wrote"),
    };
    bundle.write(&prefix)?;
    print(&bundle, &prefix);
    Ok(())
}

fn print(bundle: &Bundle, prefix: &Path) {
    println!(
        "{:<18} {:<11} {:>12} {:>12} {:>12} {:>10} {:>10} {:>9} {:>10}",
        "layer", "operator", "input", "output", "MACs", "parameters", "arena [B]", "SQNR [dB]", "max error"
    );
    let shape = |s: [usize; 3]| s.map(|extent| extent.to_string()).join("x");
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    for l in &bundle.layers {
        println!(
            "{:<18} {:<11} {:>12} {:>12} {:>12} {:>10} {:>10} {:>9} {:>10}",
            l.name,
            l.op,
            shape(l.input),
            shape(l.output),
            l.macs,
            l.parameters,
            l.arena_bytes,
            figure(l.sqnr_db, 1),
            figure(l.max_abs_error, 4)
        );
    }
    let r = &bundle.report;
    println!(
        "\narena: {} bytes of rows that layers keep, {} of channel sums for the refusal score, {} + {} of rows on their way",
        r["arena"]["rows"], r["arena"]["features"], r["arena"]["scratch"][0], r["arena"]["scratch"][1]
    );
    println!(
        "{} MACs, {} parameters, {} weight bytes, arena {} bytes, temperature {:.3}, abstains below {:.3}",
        r["macs"],
        r["parameters"],
        r["weights_bytes"],
        r["arena_bytes"],
        r["temperature"].as_f64().unwrap_or(1.0),
        r["abstain_below"].as_f64().unwrap_or(0.0)
    );
    if let Some(above) = r["doubt"]["above"].as_f64() {
        let [withheld, right] = ["withheld", "right"].map(|key| &r["doubt"][key]);
        println!(
            "COVID-19 is not named above a distance of {above:.3}: {withheld} of {right} right ones of validation are withheld"
        );
    }
    if let Some(v) = r.pointer("/metrics/validation") {
        println!(
            "validation: {} images, accuracy float {:.2} %, int8 {:.2} %, agreement {:.2} %, log-loss, weighed as for the temperature, {:.4} (calibrated {:.4})",
            v["n"],
            100.0 * v["accuracy_float"].as_f64().unwrap_or(0.0),
            100.0 * v["accuracy_int8"].as_f64().unwrap_or(0.0),
            100.0 * v["float_against_int8"]["argmax_agreement"].as_f64().unwrap_or(0.0),
            v["log_loss"].as_f64().unwrap_or(0.0),
            v["log_loss_at_temperature"].as_f64().unwrap_or(0.0),
        );
    }
    for suffix in ["cxr", "onnx", "int8.onnx", "json"] {
        println!("wrote {}", files::with_suffix(prefix, suffix).display());
    }
    println!("{DISCLAIMER}");
}
