//! `host site`: the page without a server. A browser classifies, and no picture leaves its device.

use crate::classes::DISCLAIMER;
use crate::files::{self, sha256};
use crate::page::{self, Asset, Modules, Offered};
use crate::serve::model_info;
use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `host site`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "`cargo xtask site --out DIR` builds what is needed and runs this. docs/site.md says how to serve the folder."
)]
pub struct Args {
    /// Folder for the site: a new or empty one, or that of an earlier site.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Model file; models/default.cxr if found, else the one in this program.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Folder with cxr.simd128.wasm and cxr.wasm; cxr-wasm beside the program or above it if absent.
    #[arg(long, value_name = "DIR")]
    pub wasm: Option<PathBuf>,
}

/// Largest file that the page takes: as [`crate::decode::read`].
const MOST_BYTES: u64 = 256 << 20;
/// How the service worker of a site begins.
const MARK: &str = "// A site of `host site`.\n";

/// Runs the command.
///
/// # Errors
/// No module for browsers, a model that cannot be read, a folder with other files, a full disk.
pub fn run(args: &Args) -> Result<()> {
    let modules = Modules::find(args.wasm.as_deref())?
        .context("cxr-wasm: no module for browsers beside this program: run `cargo xtask site --out DIR`, which builds it, or name its folder with --wasm")?;
    free(&args.out)?;
    let limits = json!({ "body_bytes": MOST_BYTES, "files": null });
    let served = model_info::load(args.model.as_deref(), None, &limits)?;
    let file = |path, kind, bytes: Vec<u8>| Asset { path, kind, bytes: Cow::Owned(bytes) };
    let mut all = page::files(Offered::Device);
    all.extend(page::installable());
    all.extend(modules.assets());
    all.push(file("device/model.cxr", "application/octet-stream", served.file.as_bytes().to_vec()));
    all.push(file("model.json", "application/json", served.json.to_string().into_bytes()));
    let worker = service_worker(&all);
    let place = |path: &str| args.out.join(if path.is_empty() { "index.html" } else { path });
    let mut written: Vec<(PathBuf, Vec<u8>)> = all.iter().map(|asset| (place(asset.path), asset.bytes.to_vec())).collect();
    // Last: a site of two versions is one that its service worker does not keep.
    written.push((place("sw.js"), worker.into_bytes()));
    files::write_all(&written)?;
    print(&args.out, &all);
    Ok(())
}

/// Refuses a folder in which something else lies.
fn free(folder: &Path) -> Result<()> {
    let is_site = || std::fs::read(folder.join("sw.js")).is_ok_and(|worker| worker.starts_with(MARK.as_bytes()));
    let is_empty = || std::fs::read_dir(folder).map(|mut entries| entries.next().is_none());
    let name = folder.display();
    if folder.exists() {
        let is_free = is_site() || is_empty().with_context(|| format!("{name}: no folder: name another with --out"))?;
        ensure!(is_free, "{name}: other files lie there: name a new or empty folder with --out");
    }
    Ok(())
}

/// The script that keeps these files, of this version alone.
fn service_worker(all: &[Asset]) -> String {
    let hashes: Map<String, Value> = all.iter().map(|asset| (format!("./{}", asset.path), sha256(&asset.bytes).into())).collect();
    let hashes = Value::from(hashes).to_string();
    let version = sha256(hashes.as_bytes());
    let script = include_str!("../assets/sw.js");
    format!("{MARK}const VERSION = \"{}\";\nconst FILES = {hashes};\n{script}", &version[..16])
}

/// What a browser fetches: all files, of the two modules the larger.
fn print(folder: &Path, all: &[Asset]) {
    let compressed = |asset: &&Asset| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Memory takes it all.
        let _ = encoder.write_all(&asset.bytes);
        encoder.finish().map_or(0, |bytes| bytes.len())
    };
    let total = |is_counted: &dyn Fn(&Asset) -> bool| {
        let counted = all.iter().filter(|asset| is_counted(asset));
        counted.fold((0, 0), |(raw, packed), asset| (raw + asset.bytes.len(), packed + compressed(&asset)))
    };
    let (raw, packed) = total(&|asset| asset.path != "device/cxr.wasm");
    println!("{}: {} files", folder.display(), all.len() + 1);
    println!("a browser fetches {:.2} MB, {:.2} MB compressed by gzip", raw as f64 / 1e6, packed as f64 / 1e6);
    println!("serve the folder from any static host: docs/site.md\n{DISCLAIMER}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(folder: &Path) -> PathBuf {
        let wasm = folder.join("wasm");
        std::fs::create_dir(&wasm).unwrap();
        for name in ["cxr.simd128.wasm", "cxr.wasm"] {
            std::fs::write(wasm.join(name), b"\0asm\x01\0\0\0").unwrap();
        }
        wasm
    }

    #[test]
    fn a_site_is_whole_and_its_service_worker_names_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args { out: folder.path().join("site"), model: None, wasm: Some(modules(folder.path())) };
        run(&args).unwrap();
        let worker = std::fs::read_to_string(args.out.join("sw.js")).unwrap();
        let hashes = worker.lines().find_map(|line| line.strip_prefix("const FILES = ")?.strip_suffix(';')).unwrap();
        let hashes: Map<String, Value> = serde_json::from_str(hashes).unwrap();
        for (path, hash) in &hashes {
            let path = if path == "./" { "index.html" } else { path };
            let bytes = std::fs::read(args.out.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(*hash, sha256(&bytes), "{path}");
        }
        for needed in ["./", "./report.html", "./model.json", "./device/model.cxr", "./device/cxr.wasm", "./manifest.webmanifest"]
        {
            assert!(hashes.contains_key(needed), "{needed}");
        }
        let model: Value = serde_json::from_slice(&std::fs::read(args.out.join("model.json")).unwrap()).unwrap();
        assert_eq!(model["notice"], DISCLAIMER);
        // The same folder again is a newer site.
        run(&args).unwrap();
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args { out: folder.path().to_owned(), model: None, wasm: Some(modules(folder.path())) };
        let error = run(&args).unwrap_err().to_string();
        assert!(error.contains("other files lie there"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
