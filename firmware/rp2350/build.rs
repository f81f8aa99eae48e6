//! Hands the linker the memory map; `CXR_FLASH` and `CXR_RAM` set its limits, 64K each by default.

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=memory.x");
    let mut map = fs::read_to_string("memory.x").context("memory.x")?;
    for (mark, variable) in [("@FLASH@", "CXR_FLASH"), ("@RAM@", "CXR_RAM")] {
        println!("cargo::rerun-if-env-changed={variable}");
        map = map.replace(mark, &env::var(variable).unwrap_or_else(|_| "64K".into()));
    }
    fs::write(out.join("memory.x"), map)?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    Ok(())
}
