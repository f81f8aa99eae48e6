//! `host verify` of an imported network; of a trained one where the file is such a one.

use super::File;
use anyhow::{Context, Result, bail};
use cxr_app::fail::CheckFailed;
use cxr_app::files;
use rownet_convert::verify::{Report, verify};
use std::path::PathBuf;

/// Arguments of `host verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The imported network, NAME.cxr, or the prefix of a trained model.
    pub model: PathBuf,
    /// The file that it was imported from.
    #[arg(long, value_name = "NET")]
    pub against: Option<PathBuf>,
    /// Inputs of an imported network, [n, ...]; generated ones if absent.
    #[arg(long, value_name = "X.npy", requires = "against")]
    pub inputs: Option<PathBuf>,
    /// Folder of images for a trained model, searched recursively; generated images if absent.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// At most this many images, evenly spread over the folder.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CheckFailed`] naming the first difference; otherwise unreadable input.
pub fn run(args: &Args) -> Result<()> {
    let Some(against) = &args.against else { return trained(args) };
    if let Some(folder) = &args.images {
        bail!("{}: imported networks are compared on arrays; give --inputs X.npy, or neither", folder.display());
    }
    let file = File::read(&args.model)?;
    let network = file.network()?;
    let sha256 = files::sha256(&files::read(against)?);
    if network.metadata.source_sha256 != sha256 {
        bail!("{}: not the file that {} was imported from; import it again", against.display(), file.path.display());
    }
    let inputs = args.inputs.as_deref().map(super::array).transpose()?;
    let report =
        verify(&file.path.display().to_string(), &network, against, inputs).with_context(|| against.display().to_string())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    match &report.first_difference {
        Some(d) => Err(CheckFailed(format!(
            "{}: {} values differ; first input {}, value {}, element {}: engine {}, {} {}",
            report.model, report.differing, d.input, d.value, d.element, d.engine, d.from, d.other
        ))
        .into()),
        None => Ok(()),
    }
}

#[cfg(feature = "lab")]
fn trained(args: &Args) -> Result<()> {
    let path = files::with_suffix(&files::prefix(&args.model), "cxr");
    if std::fs::read(&path).is_ok_and(|file| file.starts_with(b"RNET")) {
        bail!("{}: an imported network; name the file that it came from with --against", path.display());
    }
    cxr_study::verify::run(&cxr_study::verify::Args {
        model: args.model.clone(),
        images: args.images.clone(),
        limit: args.limit,
        json: args.json,
    })
}

#[cfg(not(feature = "lab"))]
fn trained(args: &Args) -> Result<()> {
    bail!(
        "{}: name the file that it was imported from with --against; trained models are verified by a build with the feature lab",
        args.model.display()
    );
}

fn print(report: &Report) {
    println!("{} against {} on {} inputs\n", report.model, report.against, report.inputs);
    println!("{:<44} {:>14} {:>10}", "value, against the interpreter", "compared", "differing");
    for count in &report.values {
        println!("{:<44} {:>14} {:>10}", end(&count.name), count.compared, count.differing);
    }
    match (&report.referee, &report.referee_missing) {
        (Some(referee), _) => {
            println!("\n{:<44} {:>14} {:>10}", format!("output, against {referee}"), "compared", "differing");
            for count in &report.outputs {
                println!("{:<44} {:>14} {:>10}", end(&count.name), count.compared, count.differing);
            }
        }
        (None, Some(why)) => println!("\nno referee: {why}"),
        (None, None) => {}
    }
}

fn end(name: &str) -> String {
    name.chars().skip(name.chars().count().saturating_sub(44)).collect()
}
