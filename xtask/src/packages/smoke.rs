//! Each package built as its user would, for every core, and run under QEMU: onnxruntime's bits.
//!
//! CMake, SCons (which PlatformIO is), PlatformIO's and ESP-IDF's packers and Zephyr's Kconfig are the real ones. The trees of Zephyr and
//! ESP-IDF, PlatformIO's boards and Arduino's cores are in no registry that tests reach: `shim.cmake` stands in for the few functions
//! that the package calls, and sketches are compiled by their flags.

use super::cores::{CORES, Core};
use super::make::{Packages, TEMPLATES, make};
use crate::capi::{check_program, expected_bits};
use crate::install;
use crate::shell::{Workspace, have, output, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tools of the packages' build systems, from PyPI.
const LIST: &str = "scripts/requirements-packages.txt";

/// How a program reaches its board.
struct Start {
    sources: Vec<PathBuf>,
    link: Vec<String>,
}

/// The step.
pub fn test(workspace: &Workspace) -> Result<()> {
    install::debian(workspace, &["cmake", "ninja-build"], || have("cmake") && have("ninja"))?;
    install::qemu(workspace)?;
    let python = install::environment(workspace, "packages-tools", LIST)?;
    let made = make(workspace)?;
    let expected = expected_bits(workspace)?;
    let folder = workspace.target.join("packages/smoke");
    fs::create_dir_all(&folder)?;
    for core in &CORES {
        let smoke = Smoke { workspace, core, made: &made, folder: folder.join(core.name) };
        let start = smoke.start()?;
        println!("--- {}: CMake", core.name);
        check_program(smoke.qemu(&smoke.find_package(&start)?), &expected)?;
        println!("--- {}: PlatformIO's script in SCons", core.name);
        let program = smoke.scons(&python, &start)?;
        // ESP-IDF has no core but this; the same library and program are not run twice.
        if core.is_riscv() {
            println!("--- {}: ESP-IDF's component", core.name);
            check_program(smoke.qemu(&smoke.shimmed(&python, &start, "idf")?), &expected)?;
            check_program(smoke.qemu(&program), &expected)?;
        } else {
            println!("--- {}: Zephyr's module", core.name);
            smoke.shimmed(&python, &start, "zephyr")?;
        }
        println!("--- {}: Arduino", core.name);
        smoke.sketch(&start, &expected)?;
    }
    let refused = refused(workspace, &made, &folder)?;
    ensure!(refused.contains("no library for this core"), "a core without a library: {refused}");
    packers(workspace, &python, &made, &folder)
}

/// One core's programs.
struct Smoke<'a> {
    workspace: &'a Workspace,
    core: &'a Core,
    made: &'a Packages,
    folder: PathBuf,
}

impl Smoke<'_> {
    fn compiler(&self) -> &'static str {
        if self.core.is_riscv() { "riscv64-unknown-elf-gcc" } else { "arm-none-eabi-gcc" }
    }

    /// Flags of the compiler: the core's, and those of its C library.
    fn flags(&self) -> String {
        let library = if self.core.is_riscv() { " --specs=picolibc.specs" } else { "" };
        format!("{}{library}", self.core.flags.join(" "))
    }

    /// Start-up and memory of the core's board.
    fn start(&self) -> Result<Start> {
        fs::create_dir_all(&self.folder)?;
        let [flash, model, ram] = self.core.board.memory;
        let strings = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        if self.core.is_riscv() {
            // picolibc brings both; the model lies with the code.
            let at = |memory: &str| memory.split(',').next().unwrap_or_default().to_owned();
            let mut link = strings(&["--crt0=hosted", "--oslib=semihost", "-Wl,--gc-sections"]);
            let symbols = [("flash", at(flash), "4M"), ("ram", at(ram), "4M")];
            link.extend(symbols.iter().flat_map(|(name, start, size)| {
                let bytes = if *size == "4M" { 4 << 20 } else { 0 };
                [format!("-Wl,--defsym=__{name}={start}"), format!("-Wl,--defsym=__{name}_size={bytes}")]
            }));
            return Ok(Start { sources: Vec::new(), link });
        }
        let path = self.workspace.root.join(TEMPLATES).join("smoke/link.ld");
        let script = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let script = script.replace("@FLASH@", flash).replace("@MODEL@", model).replace("@RAM@", ram);
        let file = self.folder.join("link.ld");
        fs::write(&file, script)?;
        let mut link =
            strings(&["--specs=rdimon.specs", "-nostartfiles", "-Wl,--gc-sections,-z,noexecstack,--no-enum-size-warning", "-T"]);
        link.push(file.display().to_string());
        Ok(Start { sources: vec![self.workspace.root.join("core/capi/examples/mps2-an386/startup.c")], link })
    }

    /// CMake's call for the core, with what programs need.
    fn cmake(&self, source: &Path, build: &Path, start: &Start) -> Command {
        let mut cmake = self.workspace.command("cmake");
        cmake.args([
            "-G",
            "Ninja",
            "-DCMAKE_SYSTEM_NAME=Generic",
            "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
            "-DCMAKE_BUILD_TYPE=Release",
        ]);
        cmake.args([format!("-DCMAKE_C_COMPILER={}", self.compiler()), format!("-DCMAKE_ASM_COMPILER={}", self.compiler())]);
        cmake.args([format!("-DCMAKE_C_FLAGS={}", self.flags()), format!("-DCMAKE_ASM_FLAGS={}", self.flags())]);
        let sources = start.sources.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(";");
        cmake.arg(format!("-DSMOKE_STARTUP={sources}")).arg(format!("-DSMOKE_LINK={}", start.link.join(";")));
        cmake.arg("-S").arg(source).arg("-B").arg(build);
        cmake
    }

    /// The program of a user of `find_package`.
    fn find_package(&self, start: &Start) -> Result<PathBuf> {
        let (source, build) = (self.folder.join("source"), self.folder.join("cmake"));
        fs::create_dir_all(&source)?;
        let text = fs::read_to_string(self.workspace.root.join(TEMPLATES).join("smoke/CMakeLists.txt"))?;
        fs::write(source.join("CMakeLists.txt"), text.replace("@VERSION@", &self.workspace.version()?))?;
        let mut cmake = self.cmake(&source, &build, start);
        cmake.arg(format!("-Dcxr_DIR={}", self.made.common.join("lib/cmake/cxr").display()));
        run_quietly(cmake)?;
        run_quietly(self.build(&build))?;
        Ok(build.join("predict"))
    }

    /// The program that the package's own CMakeLists.txt makes of Zephyr's or ESP-IDF's sample.
    fn shimmed(&self, python: &Path, start: &Start, kind: &str) -> Result<PathBuf> {
        let build = self.folder.join(kind);
        let mut cmake = self.cmake(&self.workspace.root.join(TEMPLATES).join("smoke/shimmed"), &build, start);
        cmake.arg(format!("-DCXR_PACKAGE={}", self.made.common.display())).arg(format!("-DSMOKE_KIND={kind}"));
        if kind == "zephyr" {
            let mut kconfig = self.workspace.command(python);
            kconfig.arg("scripts/check_kconfig.py").arg(self.made.common.join("zephyr/Kconfig")).args(self.zephyr_symbols());
            let chosen = output(kconfig)?.trim().to_owned();
            ensure!(chosen == self.core.name, "Kconfig chooses `{chosen}` for {}", self.core.name);
            cmake.arg(format!("-DCONFIG_CXR_CORE={chosen}"));
        }
        run_quietly(cmake)?;
        run_quietly(self.build(&build))?;
        Ok(build.join("app"))
    }

    /// What Zephyr sets for a processor of this kind: the first of each choice.
    fn zephyr_symbols(&self) -> Vec<String> {
        let first = self.core.zephyr.split("||").next().unwrap_or_default();
        first
            .split("&&")
            .map(|word| word.trim().trim_matches(['(', ')']).to_owned())
            .filter(|word| !word.starts_with('!'))
            .collect()
    }

    fn build(&self, build: &Path) -> Command {
        let mut cmake = self.workspace.command("cmake");
        cmake.arg("--build").arg(build);
        cmake
    }

    /// The program that SCons makes with PlatformIO's script.
    fn scons(&self, python: &Path, start: &Start) -> Result<PathBuf> {
        let folder = self.folder.join("scons");
        fs::create_dir_all(&folder)?;
        fs::copy(self.workspace.root.join(TEMPLATES).join("smoke/SConstruct"), folder.join("SConstruct"))?;
        let mut scons = self.workspace.command(python);
        scons.args(["-m", "SCons", "-Q", "-s", "-C"]).arg(&folder);
        let startup = start.sources.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        scons.env("SMOKE_PACKAGE", &self.made.common).env("SMOKE_FLAGS", self.flags()).env("SMOKE_CC", self.compiler());
        scons.env("SMOKE_STARTUP", startup).env("SMOKE_LINK", start.link.join(" "));
        run_quietly(scons)?;
        Ok(folder.join("predict.elf"))
    }

    /// The sketch, compiled as C++ with the flags of every folder of the Arduino library that the core has, and linked with what lies
    /// there; on a Cortex-M4 it is run, with both ways to pass floating-point numbers.
    fn sketch(&self, start: &Start, expected: &str) -> Result<()> {
        let stub = self.folder.join("Arduino.h");
        fs::write(&stub, ARDUINO)?;
        for place in self.core.arduino {
            let library = self.made.arduino.join("src").join(place);
            ensure!(library.join("libcxr.a").is_file(), "{}: no library", library.display());
            let flags = match place.split_once('/') {
                // The unit's name may have dashes, the convention of calls has none.
                Some((cpu, unit)) => {
                    let (unit, abi) = unit.rsplit_once('-').context("FPU-ABI")?;
                    format!("-mcpu={cpu} -mthumb -mfpu={unit} -mfloat-abi={abi}")
                }
                None => self.flags(),
            };
            let object = |name: &str| self.folder.join(name);
            let mut sketch = self.workspace.command(self.compiler().replace("gcc", "g++"));
            sketch.args(flags.split_whitespace()).args(["-std=gnu++17", "-O2", "-fno-exceptions", "-fno-rtti", "-include"]);
            sketch.arg(&stub).arg("-I").arg(self.made.arduino.join("src")).args(["-x", "c++", "-c"]);
            sketch.arg(self.made.arduino.join("examples/Predict/Predict.ino")).arg("-o").arg(object("sketch.o"));
            run_quietly(sketch)?;
            let mut link = self.workspace.command(self.compiler());
            link.args(flags.split_whitespace()).arg(object("sketch.o")).args(&start.sources).args(&start.link);
            link.arg("-L").arg(&library).args(["-lcxr", "-o"]).arg(object("sketch.elf"));
            run_quietly(link)?;
            if place.starts_with("cortex-m4/") {
                let on_m4 = CORES.iter().find(|core| core.name == "cortex-m4f").context("cortex-m4f")?;
                check_program(Smoke { core: on_m4, folder: self.folder.clone(), ..*self }.qemu(&object("sketch.elf")), expected)?;
            }
        }
        Ok(())
    }

    /// The board.
    fn qemu(&self, program: &Path) -> Command {
        let mut qemu = self.workspace.command("timeout");
        let board = &self.core.board;
        if self.core.is_riscv() {
            // picolibc writes characters, which QEMU would print as errors.
            qemu.args(["600", "qemu-system-riscv32", "-bios", "none", "-serial", "none", "-monitor", "none", "-display", "none"]);
            qemu.args(["-chardev", "stdio,id=console", "-semihosting-config", "enable=on,target=native,chardev=console"]);
        } else {
            qemu.args(["600", "qemu-system-arm", "-nographic", "-semihosting-config", "enable=on,target=native"]);
        }
        qemu.args(["-M", board.machine, "-kernel"]).arg(program);
        qemu
    }
}

/// What a sketch finds in Arduino's own headers, as far as ours uses it; the loop is run once.
const ARDUINO: &str = r#"#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
struct Port {
  void begin(long) {}
  void print(const char *text) { fputs(text, stdout); }
  void println(const char *text) { puts(text); }
};
static Port Serial;
void setup();
void loop();
int main() { setup(); loop(); return 0; }
"#;

/// What CMake says of a core without a library.
fn refused(workspace: &Workspace, made: &Packages, folder: &Path) -> Result<String> {
    let mut cmake = workspace.command("cmake");
    cmake.args(["-G", "Ninja", "-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]);
    cmake
        .args(["-DCMAKE_C_COMPILER=arm-none-eabi-gcc", "-DCMAKE_C_FLAGS=-mcpu=cortex-r5", "-S"])
        .arg(folder.join("cortex-m4f/source"));
    cmake.arg("-B").arg(folder.join("refused")).arg(format!("-Dcxr_DIR={}", made.common.join("lib/cmake/cxr").display()));
    let said = cmake.output().context("cmake")?;
    ensure!(!said.status.success(), "CMake takes a Cortex-R5");
    Ok(String::from_utf8_lossy(&said.stderr).into_owned())
}

/// PlatformIO and ESP-IDF pack what they would publish.
fn packers(workspace: &Workspace, python: &Path, made: &Packages, folder: &Path) -> Result<()> {
    let out = folder.join("packed");
    fs::create_dir_all(&out)?;
    let mut pio = workspace.command(python);
    pio.arg("scripts/pack_platformio.py").arg(&made.common).arg(&out);
    pio.env("PLATFORMIO_CORE_DIR", folder.join("platformio")).env("PLATFORMIO_SETTING_ENABLE_TELEMETRY", "no");
    run(pio)?;
    let mut idf = workspace.command(python.with_file_name("compote"));
    idf.args(["component", "pack", "--name", "cxr", "--project-dir"]).arg(&made.common).arg("--dest-dir").arg(&out);
    run(idf)
}

/// Runs a command whose output is of interest only where it fails.
fn run_quietly(command: Command) -> Result<()> {
    output(command).map(drop)
}
