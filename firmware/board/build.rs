//! Hands the linker the board's memory map.
//!
//! `CXR_FLASH` and `CXR_RAM` (for example `256K`) move the limits of code and of RAM, 64K each by default: an image
//! that needs more does not link.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={error:#}");
    }
}

fn run() -> Result<()> {
    println!("cargo::rerun-if-changed=memory");
    println!("cargo::rustc-check-cfg=cfg(board)");
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut map = None;
    for entry in fs::read_dir(package.join("memory"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).context("a file name in memory/")?;
        if env::var_os(format!("CARGO_FEATURE_{}", name.replace('-', "_").to_uppercase())).is_some()
            && map.replace(path.clone()).is_some()
        {
            bail!("several boards: choose one feature");
        }
    }
    let Some(map) = map else { return Ok(()) };
    let mut text = fs::read_to_string(&map).with_context(|| map.display().to_string())?;
    for (mark, variable) in [("@FLASH@", "CXR_FLASH"), ("@RAM@", "CXR_RAM")] {
        println!("cargo::rerun-if-env-changed={variable}");
        text = text.replace(mark, &env::var(variable).unwrap_or_else(|_| "64K".into()));
    }
    // Where QEMU's loader may put a file: `loaded`.
    text.push_str("PROVIDE(__model = ORIGIN(MODEL));\n");
    println!("cargo::rustc-cfg=board");
    fs::write(out.join("memory.x"), text)?;
    println!("cargo::rustc-link-search={}", out.display());
    Ok(())
}
