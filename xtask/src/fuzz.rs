//! Fuzzing: with cargo-fuzz where there is a nightly compiler, else the same targets driven without guidance; the decoders of
//! image files always so.

use crate::shell::{Workspace, output, run};
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// The fuzz targets (fuzz/src/lib.rs).
const TARGETS: [&str; 6] = ["parser", "session", "kernels", "resizer", "tflite", "onnx"];

/// `cargo` in fuzz/, whose artefacts lie apart: other flags, other compiler.
fn cargo(workspace: &Workspace, toolchain: &str, arguments: &str) -> Command {
    let mut cargo = workspace.command("cargo");
    cargo.args((!toolchain.is_empty()).then_some(toolchain)).args(arguments.split_whitespace());
    cargo.current_dir(workspace.root.join("fuzz")).env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    cargo
}

/// Fuzzes each target for so many seconds from the seeds of fuzz/src/seeds.rs; a crash is an error.
pub fn test(workspace: &Workspace, seconds: u32) -> Result<()> {
    run(cargo(workspace, "", "fmt --check"))?;
    run(cargo(workspace, "", "test --quiet --release --lib"))?;
    let corpus = workspace.target.join("fuzz/corpus");
    fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
    let mut seeds = cargo(workspace, "", "run --quiet --release --bin seed_corpus --");
    seeds.arg(&corpus);
    run(seeds)?;
    let guided = output(cargo(workspace, "+nightly", "fuzz --version")).is_ok();
    if !guided {
        println!("no nightly compiler with cargo-fuzz (cargo install cargo-fuzz): without guidance");
    }
    for target in TARGETS {
        if guided {
            let mut fuzz = cargo(workspace, "+nightly", "fuzz run --features libfuzzer");
            fuzz.arg(target).arg(corpus.join(target)).arg("--");
            fuzz.args([format!("-max_total_time={seconds}").as_str(), "-timeout=10", "-max_len=32768", "-print_final_stats=1"]);
            fuzz.arg("-verbosity=0");
            run(fuzz)?;
        } else {
            run(cargo(workspace, "", &format!("run --quiet --release --bin mutate -- {target} {seconds}")))?;
        }
    }
    // The decoders are of a crate that is built without fuzzing's flags.
    run(workspace.cargo(&format!("run --quiet --release --package cxr-app --example fuzz_decode -- {seconds} 1")))?;
    Ok(())
}
