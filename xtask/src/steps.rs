//! The steps of `cargo xtask test`.
//!
//! Burn and tract take most of the time: they are compiled once, for release, with the host's crates alone. Cargo unites
//! the features that all selected packages ask of a dependency, so tools for tests beside them would compile Burn again;
//! clippy needs their metadata only. cxr-core is also tested with overflow checks.

use crate::lanes::{Beside, End, Outcome};
use crate::shell::{Workspace, have, run};
use crate::{
    bare_metal, bench, book, capi, container, crates, examples, firmware, fuzz, install, layers, mutants, no_panic, packages,
    pages, sanitizer, site, targets, wheel,
};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

/// The host's packages: always together, so that Burn's features stay the same.
const HOST: &str = "--package cxr-host --package cxr-app --package cxr-study --package rownet-convert";

/// The packages beside the host's that have tests.
const OTHERS: &str = "--package cxr-capi --package cxr-core --package cxr-protocol --package cxr-testkit --package cxr-tests --package cxr-wasm --package xtask";

/// A step, in running order: what is quick and likely to fail comes first. Some run beside the others (`is_beside`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// `cargo fmt --check`.
    Format,
    /// Imports go one way: no circle between the files of a crate, no arrow up between crates; files are short.
    Layers,
    /// Tests of cxr-core with overflow checks and debug assertions.
    Core,
    /// The engine for any network against its plain reference, and the converter against TFLite Micro.
    Networks,
    /// cxr-core builds for targets without a standard library.
    NoStd,
    /// The firmware of every board: lints, budget, self-test, verdicts and faults over a serial line under QEMU.
    Firmware,
    /// NEON, sdot and WebAssembly's kernels, tested under QEMU and in node: the same bytes and verdict as here.
    Targets,
    /// Every kernel against the definition, on the boards that QEMU emulates.
    Kernels,
    /// Instruction counts there have not grown beyond tests/instructions.json.
    Instructions,
    /// Small networks in rownet on the boards: the host's bytes, and exactly the instructions of tests/network_instructions.json.
    Boards,
    /// Examples on boards: two networks in one arena, a network in external flash, a signed update.
    Examples,
    /// The C interface: its header is current, its example gives onnxruntime's bits here, sanitized, and under QEMU.
    C,
    /// The C packages for seven cores, built by CMake, SCons and the sketch's flags, run under QEMU; only where it is named.
    Packages,
    /// The Rust and C blocks of README and docs/linking.md compile.
    Pages,
    /// No public function of cxr-core (Cortex-M4) and of rownet (every bare-metal target) links a panic.
    NoPanic,
    /// cxr-core's kernels and sessions under AddressSanitizer; without vectors, and the C interface, in Miri where it can be had.
    Memory,
    /// Two minutes of fuzzing the parser, the session, the kernels, the resizer, the importers and the decoders of image files.
    Fuzz,
    /// The exported ONNX models pass onnx.checker and run in onnxruntime.
    Onnx,
    /// The description of the server's interface is valid OpenAPI 3.1.
    Openapi,
    /// The container image, built and run by podman; unasked only where podman is installed.
    Container,
    /// Clippy, warnings are errors.
    Clippy,
    /// The release build, `host` among it.
    Build,
    /// Unit tests.
    Unit,
    /// Tests that drive the built `host`, beside Orthanc too.
    Integration,
    /// The book: every command of its three ways, every link.
    Book,
    /// Documentation tests.
    Doc,
    /// The crates as they would be published: metadata, archives that build without the workspace, documentation without a warning.
    Crates,
    /// The Python wheel in a clean environment: types, documentation, an archive classified by two workers.
    Wheel,
    /// An eighth of the changes that cargo-mutants makes in the core: a quick test must notice each; weekly, only where it is named.
    Mutants,
    /// Licences, duplicates, advisories, public interfaces against the commit before, cxr-host's archive with Burn; only where it is named.
    Weekly,
}

impl Step {
    /// True for what needs neither Burn nor tract nor the host: it runs beside the other steps where all run.
    const fn is_beside(self) -> bool {
        use Step::{Boards, Core, Firmware, Fuzz, Instructions, Kernels, Memory, NoPanic, NoStd, Targets};
        matches!(self, Core | NoStd | Firmware | Targets | Kernels | Instructions | Boards | NoPanic | Memory | Fuzz)
    }

    fn run(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Format => {
                install::component(workspace, "rustfmt", "fmt")?;
                run(workspace.cargo("fmt --all --check"))
            }
            Self::Layers => layers::test(workspace),
            Self::Core => {
                let mut core = workspace.cargo("test --package cxr-core");
                core.env("CXR_EXPECT_KERNELS", targets::kernels_of_this_machine().join(","));
                run(core)
            }
            Self::Networks => {
                run(workspace.cargo("test --package rownet"))?;
                // With the wheel beside it, tract gets the features that it has there, and is not compiled for the wheel again.
                let mut convert = workspace.cargo("test --release --package rownet-convert --package cxr-python");
                convert.env("CXR_PYTHON", install::python(workspace)?);
                run(convert)
            }
            Self::NoStd => bare_metal::no_std(workspace),
            Self::Firmware => firmware::test(workspace),
            Self::Targets => targets::test(workspace),
            Self::Kernels => bench::kernels(workspace),
            Self::Instructions => bench::gate(workspace),
            Self::Boards => bench::networks(workspace),
            Self::Examples => examples::test(workspace),
            Self::C => capi::test(workspace),
            Self::Packages => packages::test(workspace),
            Self::Pages => pages::test(workspace),
            Self::NoPanic => no_panic::test(workspace),
            Self::Memory => sanitizer::memory(workspace),
            Self::Fuzz => fuzz::test(workspace, 15),
            Self::Onnx => onnx(workspace),
            Self::Openapi => {
                let mut check = workspace.command(install::python(workspace)?);
                check.args(["scripts/check_openapi.py", "host/app/assets/openapi.json"]);
                run(check)
            }
            Self::Container => container::test(workspace),
            Self::Clippy => {
                install::component(workspace, "clippy", "clippy")?;
                run(workspace.cargo("clippy --release --all-targets -- -D warnings"))
            }
            Self::Build => run(workspace.cargo("build --release --package cxr-host")),
            Self::Unit => {
                let mut host = workspace.cargo(&format!("test --release --no-fail-fast {HOST} --lib --bins --test *"));
                host.env("CXR_PYTHON", install::python(workspace)?);
                run(host)?;
                run(workspace.cargo(&format!("test --release --no-fail-fast --lib --bins {OTHERS}")))?;
                run(workspace.cargo("test --release --no-fail-fast --package cxr-dicom"))
            }
            Self::Doc => {
                run(workspace.cargo(&format!("test --release {HOST} --doc")))?;
                run(workspace.cargo("test --release --package cxr-core --package cxr-protocol --doc"))
            }
            Self::Integration => {
                run(workspace.cargo("build --release --package cxr-host"))?;
                let boards = firmware::images(workspace, &["mps2-an386", "rv32-virt"])?;
                let mut tests = workspace.cargo(&format!("test --release --no-fail-fast --test * {OTHERS}"));
                tests.env("CXR_HOST", workspace.target.join("release/host")).env("CXR_BOARDS", boards);
                tests.env("CXR_WASM", site::modules(workspace)?);
                // Geckodriver is compiled: a machine without Firefox is spared that unless its user asks for it.
                if std::env::var_os("CXR_FIREFOX").is_some() || have("firefox-esr") {
                    tests.env("CXR_GECKODRIVER", install::firefox(workspace)?);
                }
                install::debian(workspace, &["nodejs"], || have("node"))?;
                tests.env("CXR_ORTHANC", install::orthanc(workspace)?).env("CXR_PYTHON", install::python(workspace)?);
                tests.env("CXR_AXE", install::browser(workspace)?).env("CXR_SCREENSHOTS", workspace.target.join("screenshots"));
                run(tests)
            }
            Self::Book => book::test(workspace),
            Self::Crates => crates::test(workspace),
            Self::Wheel => wheel::test(workspace),
            Self::Mutants => mutants::test(workspace),
            Self::Weekly => {
                crates::deny(workspace)?;
                crates::semver(workspace)?;
                crates::heavy(workspace)
            }
        }
    }
}

/// Runs the selected steps one after the other; all of them, in two lanes, if none is. Goes on to the end even if one fails.
pub fn test(workspace: &Workspace, only: &[Step]) -> Result<()> {
    // Podman and a second, static build are five minutes that a bare machine is spared.
    let unasked = |step: &Step| match step {
        Step::Container => only.is_empty() && have("podman"),
        // An hour.
        Step::Mutants => false,
        // A second compiler, and eighteen programs under QEMU.
        Step::Packages => false,
        // Tools that are compiled, and Burn once more.
        Step::Weekly => false,
        _ => only.is_empty(),
    };
    let selected: Vec<Step> =
        Step::value_variants().iter().copied().filter(|step| unasked(step) || only.contains(step)).collect();
    let beside: Vec<String> =
        selected.iter().filter(|step| only.is_empty() && step.is_beside()).map(|step| describe(*step).0).collect();
    let lane = if beside.is_empty() { None } else { Some(Beside::start(workspace, &beside)?) };
    let until = until()?;
    let mut results = Vec::new();
    for step in selected {
        let (name, help) = describe(step);
        if beside.contains(&name) {
            continue;
        }
        if until.is_some_and(|until| SystemTime::now() > until) {
            println!("=== {name}: SKIPPED, {NO_TIME}");
            results.push(Outcome { name, time: NO_TIME.to_owned(), end: End::Skipped });
            continue;
        }
        println!("\n=== {name}: {help}");
        let start = Instant::now();
        let result = step.run(workspace);
        let time = seconds(start.elapsed());
        match &result {
            Ok(()) => println!("=== {name}: passed in {time}"),
            Err(error) => println!("=== {name}: FAILED after {time}: {error:#}"),
        }
        results.push(Outcome { name, time, end: if result.is_ok() { End::Passed } else { End::Failed } });
    }
    if let Some(lane) = lane {
        let ended = lane.finish()?;
        // A step without an end failed, whatever stopped it.
        let lost = beside.into_iter().filter(|name| ended.iter().all(|outcome| outcome.name != *name));
        let lost: Vec<Outcome> = lost.map(|name| Outcome { name, time: "no end".to_owned(), end: End::Failed }).collect();
        results.extend(ended);
        results.extend(lost);
    }

    println!("\n=== summary");
    for Outcome { name, time, end } in &results {
        let end = match end {
            End::Passed => "passed",
            End::Failed => "FAILED",
            End::Skipped => "SKIPPED",
        };
        println!("{name:<12} {time:>9}  {end}");
    }
    let [passed, failed, skipped] =
        [End::Passed, End::Failed, End::Skipped].map(|end| results.iter().filter(|outcome| outcome.end == end).count());
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {failed} failed{skipped}");
    if failed > 0 {
        bail!("{failed} of {} steps failed", results.len());
    }
    Ok(())
}

/// What is said of a step that was not begun.
const NO_TIME: &str = "no time";

/// When no further step begins: `CXR_TEST_UNTIL`, seconds since 1970. Whoever has to end at a time gets what was tested until then, and is
/// told what was not.
fn until() -> Result<Option<SystemTime>> {
    let Some(given) = std::env::var_os("CXR_TEST_UNTIL") else { return Ok(None) };
    let seconds = given.to_str().and_then(|text| text.parse().ok()).context("CXR_TEST_UNTIL must be seconds since 1970")?;
    Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// Command-line name and help of a step.
fn describe(step: Step) -> (String, String) {
    step.to_possible_value().map_or_else(Default::default, |value| {
        (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default())
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Checks every exported model with tools that are not ours.
fn onnx(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("models");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".int8.onnx")) {
            names.insert(name.to_owned());
        }
    }
    ensure!(!names.is_empty(), "{}: no *.int8.onnx; write one with `host export`", folder.display());
    let python = install::python(workspace)?;
    for name in names {
        let mut check = workspace.command(&python);
        check.arg("scripts/check_onnx.py").arg(name);
        run(check)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_and_says_what_it_does() {
        for &step in Step::value_variants() {
            let (name, help) = describe(step);
            assert!(!name.is_empty() && !help.is_empty(), "{step:?}");
        }
    }
}
