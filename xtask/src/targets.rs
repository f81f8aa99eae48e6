//! The kernels of processors that this machine is not: their tests and the whole model under QEMU and in node.

use crate::install;
use crate::shell::{Workspace, have, output};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::process::Command;

const AARCH64: &str = "aarch64-unknown-linux-musl";
const WASM: &str = "wasm32-wasip1";

/// A way to run the tests: target, program that runs them, flags of the compiler, kernel that must be among those tested.
struct Place {
    target: &'static str,
    runner: String,
    flags: &'static str,
    kernel: &'static str,
    tests: &'static str,
}

/// Runs the tests here and in every place, and compares the verdict hashes.
pub fn test(workspace: &Workspace) -> Result<()> {
    let whole = "test --release --package cxr-core --test verdict";
    let all = "test --release --package rownet --package cxr-core --lib --test hostile --test verdict";
    let expected = hashes(workspace.cargo(whole))?;
    ensure!(expected.len() == 1, "the kernels of this machine disagree: {expected:?}");
    install::debian(workspace, &["qemu-user"], || have("qemu-aarch64"))?;
    install::debian(workspace, &["nodejs"], || have("node"))?;
    let node = format!("node --no-warnings {}", workspace.root.join("scripts/wasi.mjs").display());
    let lld = "-C linker=rust-lld";
    let places = [
        Place { target: AARCH64, runner: "qemu-aarch64 -cpu max".to_owned(), flags: lld, kernel: "neon-dotprod", tests: all },
        // Without sdot; the kernel itself has passed its test above.
        Place { target: AARCH64, runner: "qemu-aarch64 -cpu cortex-a53".to_owned(), flags: lld, kernel: "neon", tests: whole },
        Place {
            target: WASM,
            runner: node,
            flags: "-C target-feature=+simd128 -C link-arg=-zstack-size=33554432",
            kernel: "simd128",
            tests: all,
        },
    ];
    for place in places {
        if !install::target(workspace, place.target)? {
            println!("not run: {} ({}): rustup cannot fetch the target's standard library", place.kernel, place.target);
            continue;
        }
        let mut cargo = workspace.cargo(place.tests);
        let variable = |name: &str| format!("CARGO_TARGET_{}_{name}", place.target.to_uppercase().replace('-', "_"));
        cargo.args(["--target", place.target]).env(variable("RUNNER"), &place.runner).env(variable("RUSTFLAGS"), place.flags);
        let found = hashes_of(cargo, Some(place.kernel))?;
        ensure!(found == expected, "{}: verdict hash {found:?}, here {expected:?}", place.kernel);
    }
    Ok(())
}

/// The x86-64 kernels that must be offered here, by what Linux says of the processor; the others are not tested on this machine.
pub fn kernels_of_this_machine() -> Vec<&'static str> {
    const KERNELS: [(&str, &[&str]); 3] = [
        ("avx2", &["avx2"]),
        ("avx-vnni", &["avx2", "avx_vnni"]),
        ("avx512-vnni", &["avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni"]),
    ];
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags: BTreeSet<&str> =
        cpuinfo.lines().find(|line| line.starts_with("flags")).into_iter().flat_map(str::split_whitespace).collect();
    let (here, missing): (Vec<_>, Vec<_>) =
        KERNELS.into_iter().partition(|(_, needed)| needed.iter().all(|flag| flags.contains(flag)));
    for (name, needed) in missing.iter().filter(|_| cfg!(target_arch = "x86_64")) {
        println!("not run: kernel {name}: this processor lacks one of {}", needed.join(", "));
    }
    here.into_iter().map(|(name, _)| name).collect()
}

fn hashes(cargo: Command) -> Result<BTreeSet<String>> {
    hashes_of(cargo, None)
}

/// Runs the tests; the hashes that they print, `kernel`'s among them.
fn hashes_of(mut cargo: Command, kernel: Option<&str>) -> Result<BTreeSet<String>> {
    cargo.args(["--", "--nocapture"]);
    let text = output(cargo)?;
    let mut found = BTreeSet::new();
    let mut is_tested = kernel.is_none();
    for line in text.lines().filter(|line| line.contains("verdict hash ")) {
        println!("{line}");
        let mut words = line.split_once("verdict hash ").map_or("", |(_, rest)| rest).split_whitespace();
        found.insert(words.next().context("no hash in the line")?.to_owned());
        is_tested |= words.next_back() == kernel;
    }
    ensure!(is_tested, "{}: not among the kernels tested:\n{text}", kernel.unwrap_or_default());
    Ok(found)
}
