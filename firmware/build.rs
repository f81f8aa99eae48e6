//! Hands the linker the memory map, and the firmware its model and the self-test that belongs to it.
//!
//! `CXR_MODEL` names the model (default `models/default.cxr`), `CXR_FIXTURE` its golden fixture
//! (default `tests/golden/NAME.json`, by the model's name). Both are checked here: an image whose
//! self-test belongs to another model does not build.

use anyhow::{Context, Result, ensure};
use cxr_core::format::Model;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={error:#}");
    }
}

fn run() -> Result<()> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = package.parent().context("firmware/ lies in the workspace")?;

    // riscv-rt 0.12 leaves the memory map to the command line, cortex-m-rt includes it.
    if env::var("CARGO_CFG_TARGET_ARCH")? == "riscv32" {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");

    let model = named("CXR_MODEL", || root.join("models/default.cxr"))?;
    let bytes = fs::read(&model)
        .with_context(|| format!("{}: no model; write one with `host export`, or set CXR_MODEL", model.display()))?;
    println!("cargo::rustc-env=CXR_MODEL_PATH={}", model.display());

    let name = model.file_stem().context("the model file has no name")?;
    let fixture = named("CXR_FIXTURE", || root.join("tests/golden").join(name).with_extension("json"))?;
    let remedy = || format!("{}: write it with scripts/make_golden.py, or set CXR_FIXTURE", fixture.display());
    let text = fs::read_to_string(&fixture).with_context(remedy)?;
    let golden: Value = serde_json::from_str(&text).with_context(remedy)?;
    ensure!(
        golden["model_sha256"].as_str() == Some(&hex(&Sha256::digest(&bytes))),
        "{}: made from another {}; write it again with scripts/make_golden.py",
        fixture.display(),
        model.display(),
    );
    let mut source = constants(&golden).with_context(remedy)?;
    identity(&mut source, &bytes, name).with_context(|| model.display().to_string())?;
    fs::write(out.join("golden.rs"), source)?;
    Ok(())
}

/// A file named by an environment variable, absolute; the build follows both.
fn named(variable: &str, default: impl FnOnce() -> PathBuf) -> Result<PathBuf> {
    println!("cargo::rerun-if-env-changed={variable}");
    let path = env::var_os(variable).map_or_else(default, PathBuf::from);
    // Cargo runs build scripts in the package folder; a missing file keeps its name for the error.
    let path = fs::canonicalize(&path).unwrap_or(path);
    println!("cargo::rerun-if-changed={}", Path::new(&path).display());
    Ok(path)
}

/// The fixture as constants of the firmware.
fn constants(golden: &Value) -> Result<String> {
    ensure!(golden["input"]["kind"] == "lcg", "input.kind is not `lcg`");
    let seed = word(&golden["input"]["seed"]).context("input.seed")?;
    let layers = golden["layers"].as_array().context("layers")?;
    let logits = golden["logits_bits"].as_array().context("logits_bits")?;

    let mut source = String::new();
    writeln!(source, "/// First state of the generated input.\npub const SEED: u32 = {seed};")?;
    writeln!(source, "/// CRC-32 of each int8 layer.\npub const LAYERS: [u32; {}] = [", layers.len())?;
    for layer in layers {
        writeln!(source, "    {:#010x},", word(&layer["crc32"]).context("layers[].crc32")?)?;
    }
    writeln!(source, "];\n/// Bits of the logits.\npub const LOGITS_BITS: [u32; {}] = [", logits.len())?;
    for bits in logits {
        writeln!(source, "    {:#010x},", word(bits).context("logits_bits[]")?)?;
    }
    source.push_str("];\n");
    Ok(source)
}

/// Who the model is, as constants of the firmware.
fn identity(source: &mut String, bytes: &[u8], name: &OsStr) -> Result<()> {
    let model = Model::parse(bytes)?;
    let classes: Vec<&str> = (0..model.class_count()).map(|class| model.class_name(class)).collect();
    writeln!(source, "/// Name of the model.\npub const MODEL_NAME: &str = {:?};", name.to_string_lossy())?;
    writeln!(source, "/// Class names, one a line.\npub const CLASSES: &str = {:?};", classes.join("\n"))?;
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    writeln!(source, "/// SHA-256 of the model file.\npub const MODEL_SHA256: [u8; 32] = {digest:?};")?;
    Ok(())
}

fn word(value: &Value) -> Result<u32> {
    Ok(u32::try_from(value.as_u64().context("not a whole number")?)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
