//! `host import`: a .tflite or .onnx file to NAME.cxr and NAME.json; of a float network also NAME.onnx, its int8 form.

use anyhow::{Context, Result, bail, ensure};
use cxr_app::{decode, files};
use rownet_convert::imported::{Calibration, Request, imported};
use rownet_convert::ir::{Element, Graph};
use rownet_convert::reference::{Data, Tensor};
use rownet_convert::{calibrate, picture};
use std::path::{Path, PathBuf};

/// Arguments of `host import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network: .tflite or .onnx, of int8 or of floats.
    pub network: PathBuf,
    /// Prefix of what is written, e.g. models/vww: .cxr and .json; of a float network also .onnx.
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// Inputs to calibrate a float network with, [n, h, w, c] or [n, values].
    #[arg(long, value_name = "X.npy", conflicts_with = "images")]
    pub inputs: Option<PathBuf>,
    /// Images to calibrate a float network with; `--mean` and `--std` say what it is fed.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Taken off each gray level, 0 to 255, of an image: one number, or one for each channel.
    #[arg(long, value_name = "M,...", value_delimiter = ',', default_value = "0", requires = "images")]
    pub mean: Vec<f32>,
    /// What each gray level is divided by then; 255 gives 0 to 1.
    #[arg(long, value_name = "S,...", value_delimiter = ',', default_value = "255", requires = "images")]
    pub std: Vec<f32>,
    /// Classes of the inputs, whole numbers as uint8 or int8: accuracy before and after is printed.
    #[arg(long, value_name = "Y.npy", requires = "inputs")]
    pub targets: Option<PathBuf>,
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
    let file = files::read(&args.network)?;
    let labels = match &args.labels {
        Some(path) => String::from_utf8(files::read(path)?).with_context(|| format!("{}: not UTF-8", path.display()))?,
        None => String::new(),
    };
    let prefix = files::prefix(&args.out);
    let [cxr, about, onnx] = ["cxr", "json", "onnx"].map(|suffix| files::with_suffix(&prefix, suffix));
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (source, onnx_name) = (name(&args.network), name(&onnx));
    refuse_inputs(args, &[&cxr, &about])?;
    let request = Request { source: &source, onnx: &onnx_name, labels: &labels, ram: args.ram, sha256: files::sha256 };
    let calibration = |network: &Graph| {
        // Of floats alone an int8 form is written.
        if calibrate::is_float(network) {
            refuse_inputs(args, &[&onnx])?;
        }
        calibration(args, network)
    };
    let imported = imported(&file, &request, calibration).with_context(|| named)?;
    if let Some(report) = &imported.calibration {
        print!("{report}");
    }
    if let Some(accuracy) = &imported.accuracy {
        println!("{accuracy}");
    }
    for note in &imported.notes {
        println!("note: {note}");
    }
    let inspection = &imported.inspection;
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
    let text = imported.json()?;
    let written = [(cxr, imported.cxr), (about, text)];
    files::write_all(&written.into_iter().chain(imported.onnx.map(|file| (onnx, file))).collect::<Vec<_>>())
}

/// What is read is never written over.
fn refuse_inputs(args: &Args, written: &[&Path]) -> Result<()> {
    let read = [Some(&args.network), args.inputs.as_ref(), args.targets.as_ref(), args.labels.as_ref()];
    for input in read.into_iter().flatten() {
        for output in written {
            // By whatever name: a link, or another case of the letters where that is the same file.
            let is_same = output.canonicalize().is_ok_and(|output| input.canonicalize().is_ok_and(|input| input == output));
            ensure!(!is_same, "{}: would be written over {}; give another --out", output.display(), input.display());
        }
    }
    Ok(())
}

/// What calibrates a network, of floats alone.
fn calibration(args: &Args, network: &Graph) -> Result<Option<Calibration>> {
    match (calibrate::is_float(network), args.inputs.as_ref().or(args.images.as_ref())) {
        (true, _) => {
            let targets = args.targets.as_deref().map(super::array).transpose()?;
            Ok(Some(Calibration { inputs: inputs(args, network)?, targets }))
        }
        (false, None) => Ok(None),
        (false, Some(path)) => bail!("{}: the network is quantised already and keeps its scales; leave this out", path.display()),
    }
}

/// What a float network is calibrated with.
fn inputs(args: &Args, network: &Graph) -> Result<Tensor> {
    let value = network.value(network.inputs[0]);
    let shape = &value.shape;
    match (&args.inputs, &args.images) {
        (Some(path), _) => {
            let mut given = super::array(path)?;
            if let (Data::U8(bytes), Element::F32) = (&given.data, value.element) {
                given.data = Data::F32(bytes.iter().map(|&b| b.into()).collect());
            }
            Ok(given)
        }
        (None, Some(folder)) => pictures(args, folder, shape),
        (None, None) => bail!(
            "a float network: calibrate it with --inputs X.npy, [n, {}], or --images DIR",
            shape[1..].iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Images of a folder as the network takes them.
fn pictures(args: &Args, folder: &Path, shape: &[usize]) -> Result<Tensor> {
    let &[1, height, width, channels @ (1 | 3)] = shape else {
        bail!("{}: the network takes {shape:?}, not one image; give --inputs X.npy", folder.display());
    };
    let per_channel = |all: &[f32], c: usize| all[c % all.len().max(1)];
    ensure!(
        [&args.mean, &args.std].iter().all(|all| [1, channels].contains(&all.len())) && args.std.iter().all(|s| *s != 0.0),
        "--mean and --std: give one number, or {channels}; no deviation of 0"
    );
    let (mut all, mut count) = (Vec::new(), 0);
    let paths = files::images(folder)?;
    // As many as calibration takes, evenly spread.
    for path in paths.iter().step_by(paths.len().div_ceil(160).max(1)) {
        let name = path.display().to_string();
        let bytes = decode::read(path)?;
        let decoded = decode::Image::decode(&bytes, &name)?;
        let rgb = decoded.raw().0.to_rgb8();
        let size = [rgb.width() as usize, rgb.height() as usize];
        let pixels = picture::resized(rgb.as_raw(), size, [width, height], channels).with_context(|| name.clone())?;
        let real =
            |(i, &p): (usize, &u8)| (f32::from(p) - per_channel(&args.mean, i % channels)) / per_channel(&args.std, i % channels);
        all.extend(pixels.iter().enumerate().map(real));
        count += 1;
    }
    ensure!(count > 0, "{}: there is no image; check the path", folder.display());
    Ok(Tensor { shape: vec![count, height, width, channels], data: Data::F32(all) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// `host import`'s arguments, in a folder.
    fn import(folder: &Path, network: &str, others: &[&str]) -> Result<()> {
        let [network, out] = [network, "net"].map(|name| folder.join(name).display().to_string());
        let line = ["import", &network, "--out", &out].into_iter().chain(others.iter().copied());
        run(&Line::try_parse_from(line)?.args)
    }

    #[test]
    fn what_is_read_is_never_written_over() -> Result<()> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("convert/tests/fixtures");
        let folder = tempfile::tempdir()?;
        let float = folder.path().join("net.onnx");
        std::fs::copy(fixtures.join("vectors_float.onnx"), &float)?;
        let before = std::fs::read(&float)?;
        let refusal = format!("{:#}", import(folder.path(), "net.onnx", &[]).unwrap_err());
        assert_eq!(refusal.matches("net.onnx").count(), 3, "{refusal}");
        assert!(refusal.contains("give another --out"), "{refusal}");
        assert_eq!(std::fs::read(&float)?, before);
        assert!(!folder.path().join("net.cxr").exists());

        // Of an int8 network no .onnx is written: the same names are allowed. Its labels are safe all the same.
        std::fs::copy(fixtures.join("vectors_qop_s8s8.onnx"), &float)?;
        import(folder.path(), "net.onnx", &[])?;
        let labels = folder.path().join("net.json").display().to_string();
        let refusal = format!("{:#}", import(folder.path(), "net.onnx", &["--labels", &labels]).unwrap_err());
        assert_eq!(refusal.matches("net.json").count(), 2, "{refusal}");
        Ok(())
    }
}
