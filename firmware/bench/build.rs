//! The linker script of the target's runtime, and the network: `CXR_MODEL`, by default `models/default.cxr`.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CXR_MODEL");
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let model = env::var_os("CXR_MODEL").map_or_else(|| package.join("../../models/default.cxr"), PathBuf::from);
    match fs::canonicalize(&model) {
        Ok(model) => {
            println!("cargo::rerun-if-changed={}", model.display());
            println!("cargo::rustc-env=CXR_MODEL_PATH={}", model.display());
        }
        Err(error) => println!("cargo::error={}: {error}; write it with `host export`, or set CXR_MODEL", model.display()),
    }
    if env::var_os("CARGO_FEATURE_BOARD").is_some() {
        // riscv-rt 0.12 leaves the memory map to the command line, cortex-m-rt includes it.
        if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "riscv32") {
            println!("cargo::rustc-link-arg-bins=-Tmemory.x");
        }
        println!("cargo::rustc-link-arg-bins=-Tlink.x");
    }
}
