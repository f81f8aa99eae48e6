//! Anybody's network: `host import`, `run`, `inspect`, `plan`, and `verify` of what was imported. Arguments, files and
//! printing; the work is `rownet-convert`'s.

pub mod import;
pub mod inspect;
pub mod plan;
pub mod run;
pub mod verify;

use anyhow::{Context, Result};
use cxr_app::files;
use rownet_convert::execute::Network;
use std::path::{Path, PathBuf};

/// A file that was read, to be parsed.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    /// `NAME.cxr`, or NAME.
    fn read(path: &Path) -> Result<Self> {
        let path = files::with_suffix(&files::prefix(path), "cxr");
        Ok(Self { bytes: files::read(&path)?, path })
    }

    fn network(&self) -> Result<Network<'_>> {
        Network::parse(&self.bytes).with_context(|| format!("{}: not an imported network", self.path.display()))
    }
}

/// An array of a .npy file.
fn array(path: &Path) -> Result<rownet_convert::reference::Tensor> {
    rownet_convert::npy::read(&files::read(path)?).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rownet_convert::{npy, samples};

    const SMALL: &[u8] = include_bytes!("../convert/tests/fixtures/small.tflite");

    fn import(folder: &Path, file: &[u8], ram: Option<usize>) -> Result<PathBuf> {
        let network = folder.join("small.tflite");
        std::fs::write(&network, file)?;
        let out = folder.join("models/small");
        let arguments = import::Args {
            network,
            out: out.clone(),
            inputs: None,
            images: None,
            mean: vec![0.0],
            std: vec![255.0],
            targets: None,
            labels: None,
            ram,
        };
        import::run(&arguments)?;
        Ok(out)
    }

    #[test]
    fn a_network_is_imported_run_inspected_and_verified() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = import(folder.path(), SMALL, None).unwrap();
        let cxr = files::with_suffix(&prefix, "cxr");
        let said: serde_json::Value =
            serde_json::from_slice(&std::fs::read(files::with_suffix(&prefix, "json")).unwrap()).unwrap();
        for key in ["arena_bytes", "weights_bytes", "macs", "inputs", "outputs", "layers", "plan"] {
            assert!(!said[key].is_null(), "{key}");
        }
        let prepared = rownet_convert::package::prepare(SMALL).unwrap();
        let x = samples::generated(prepared.original.value(prepared.original.inputs[0]), 3, 2);
        let [input, output] = ["x.npy", "y.npy"].map(|name| folder.path().join(name));
        std::fs::write(&input, npy::write(&x).unwrap()).unwrap();
        run::run(&run::Args { network: cxr.clone(), input: input.clone(), output: output.clone() }).unwrap();
        let several = prepared.original.outputs.len() > 1;
        for i in 0..x.shape[0] {
            let expected = rownet_convert::reference::outputs(&prepared.original, &[samples::sample(&x, i)]).unwrap();
            for (number, expected) in expected.iter().enumerate() {
                let path = if several { folder.path().join(format!("y.{number}.npy")) } else { output.clone() };
                assert_eq!(samples::sample(&array(&path).unwrap(), i).data, expected.data);
            }
        }
        inspect::run(&inspect::Args { network: cxr.clone(), json: true }).unwrap();
        let against = Some(folder.path().join("small.tflite"));
        let arguments = verify::Args { model: cxr, against, inputs: Some(input), images: None, limit: None, json: false };
        verify::run(&arguments).unwrap();
    }

    #[test]
    fn nothing_is_written_for_what_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |file: &[u8], ram| {
            let error = import(folder.path(), file, ram).unwrap_err();
            assert_eq!(cxr_app::fail::exit_code(&error), 2);
            assert!(!folder.path().join("models").exists());
            format!("{error:#}")
        };
        assert!(refused(&SMALL[..SMALL.len() / 2], None).contains("small.tflite"));
        assert!(refused(b"text", None).contains("neither a .tflite nor a .onnx file"));
        assert!(refused(SMALL, Some(8)).contains("8 were asked for"));
    }
}
