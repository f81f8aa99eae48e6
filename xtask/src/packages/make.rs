//! Libraries and templates to packages.

use super::cores::{CORES, Core};
use crate::shell::{Workspace, run};
use crate::{bare_metal, install};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Templates, with `@NAME@` where something is filled in.
pub const TEMPLATES: &str = "core/capi/package";

/// What every package says of itself.
const DESCRIPTION: &str =
    "Classifies chest X-rays on microcontrollers, int8, row by row. Research software, not a medical device.";

/// Of the templates those that are in the package for all but Arduino, and where.
const FILES: [(&str, &str); 12] = [
    ("README.md", "README.md"),
    ("cmake/cxrConfig.cmake", "lib/cmake/cxr/cxrConfig.cmake"),
    ("cmake/cxrConfigVersion.cmake", "lib/cmake/cxr/cxrConfigVersion.cmake"),
    ("CMakeLists.txt", "CMakeLists.txt"),
    ("idf_component.yml", "idf_component.yml"),
    ("library.json", "library.json"),
    ("platformio/link.py", "platformio/link.py"),
    ("zephyr/module.yml", "zephyr/module.yml"),
    ("zephyr/Kconfig", "zephyr/Kconfig"),
    ("zephyr/CMakeLists.txt", "zephyr/CMakeLists.txt"),
    ("zephyr/sample/CMakeLists.txt", "zephyr/sample/CMakeLists.txt"),
    ("zephyr/sample/sample.yaml", "zephyr/sample/sample.yaml"),
];

/// Files of the project that go in as they are.
const COPIES: [(&str, &str); 9] = [
    ("core/capi/include/cxr.h", "include/cxr.h"),
    ("core/capi/include/rownet.h", "include/rownet.h"),
    ("core/capi/examples/predict.c", "share/cxr/predict.c"),
    ("core/capi/examples/network.c", "share/cxr/network.c"),
    ("core/capi/examples/model.S", "share/cxr/model.S"),
    ("models/default.cxr", "share/cxr/default.cxr"),
    ("core/capi/package/zephyr/sample/prj.conf", "zephyr/sample/prj.conf"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
];

/// Both packages, as folders.
pub struct Packages {
    /// For CMake, Zephyr, ESP-IDF and PlatformIO.
    pub common: PathBuf,
    /// For Arduino.
    pub arduino: PathBuf,
}

/// Builds the libraries and writes both packages.
pub fn make(workspace: &Workspace) -> Result<Packages> {
    install_compilers(workspace)?;
    let root = workspace.target.join("packages");
    if root.is_dir() {
        fs::remove_dir_all(&root).with_context(|| root.display().to_string())?;
    }
    let made = Packages { common: root.join("cxr"), arduino: root.join("arduino/cxr") };
    let fill = Fill::new(workspace)?;
    for (template, to) in FILES {
        fill.write(workspace, template, &made.common.join(to))?;
    }
    for (from, to) in COPIES {
        copy(&workspace.root.join(from), &made.common.join(to))?;
    }
    for core in &CORES {
        copy(&library(workspace, core)?, &made.common.join("lib").join(core.name).join("libcxr.a"))?;
    }
    arduino(workspace, &fill, &made)?;
    Ok(made)
}

/// The GNU compilers for both kinds of core, with their C libraries.
fn install_compilers(workspace: &Workspace) -> Result<()> {
    let have = crate::shell::have;
    let arm = || have("arm-none-eabi-gcc") && Path::new("/usr/lib/arm-none-eabi/newlib").is_dir();
    install::debian(workspace, &["gcc-arm-none-eabi", "libnewlib-arm-none-eabi"], arm)?;
    let riscv = || have("riscv64-unknown-elf-gcc") && Path::new("/usr/lib/picolibc/riscv64-unknown-elf").is_dir();
    install::debian(workspace, &["gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf"], riscv)
}

/// A core's library without debug information and bitcode, the same bytes wherever it is built.
fn library(workspace: &Workspace, core: &Core) -> Result<PathBuf> {
    let built = bare_metal::build_remapped(workspace, "cxr-capi", core.target)?.join("libcxr.a");
    let stripped = workspace.target.join("packages").join(format!("{}.a", core.target));
    if !stripped.is_file() {
        fs::create_dir_all(workspace.target.join("packages"))?;
        let tool = if core.is_riscv() { "riscv64-unknown-elf-strip" } else { "arm-none-eabi-strip" };
        let mut strip = workspace.command(tool);
        strip.args(["--strip-debug", "--enable-deterministic-archives"]);
        // The standard library brings its bitcode, two thirds of all.
        strip.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd", "-o"]).arg(&stripped).arg(&built);
        run(strip)?;
    }
    Ok(stripped)
}

/// The Arduino library: headers and libraries below `src/`, a folder for each kind of core.
fn arduino(workspace: &Workspace, fill: &Fill, made: &Packages) -> Result<()> {
    fill.write(workspace, "arduino/library.properties", &made.arduino.join("library.properties"))?;
    let example = "examples/Predict/Predict.ino";
    fill.write(workspace, &format!("arduino/{example}"), &made.arduino.join(example))?;
    for header in ["cxr.h", "rownet.h"] {
        copy(&made.common.join("include").join(header), &made.arduino.join("src").join(header))?;
    }
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&workspace.root.join(license), &made.arduino.join(license))?;
    }
    for core in &CORES {
        for folder in core.arduino {
            let library = made.common.join("lib").join(core.name).join("libcxr.a");
            copy(&library, &made.arduino.join("src").join(folder).join("libcxr.a"))?;
        }
    }
    // A sketch has no place for files: the model is an array.
    let bytes = fs::read(workspace.root.join("models/default.cxr"))?;
    let model = cxr_core::format::Model::parse(&bytes).map_err(|error| anyhow::anyhow!("models/default.cxr: {error}"))?;
    let mut text = format!(
        "// models/default.cxr. Research software, not a medical device. Made by `cargo xtask packages`.\n#include <stdint.h>\n\
         #define CXR_DEFAULT_ARENA {}\n#define CXR_DEFAULT_ROW {}\n\
         static const uint32_t cxr_default_model_len = {};\nalignas(16) static const uint8_t cxr_default_model[] = {{\n",
        model.arena_bytes(),
        usize::from(model.input().width) * usize::from(model.input().channels),
        bytes.len()
    );
    for line in bytes.chunks(32) {
        text.extend(line.iter().map(|byte| format!("{byte},")));
        text.push('\n');
    }
    fs::write(made.arduino.join("examples/Predict/model.h"), text + "};\n")?;
    Ok(())
}

/// What the templates' names stand for.
struct Fill(Vec<(&'static str, String)>);

impl Fill {
    fn new(workspace: &Workspace) -> Result<Self> {
        let version = workspace.version()?;
        let series = version.rsplit_once('.').map_or(version.clone(), |(series, _)| format!("{series}.0"));
        let lines = |line: &dyn Fn(&Core) -> String| CORES.iter().map(line).collect::<Vec<_>>().join("\n");
        let table = lines(&|core| format!("| {} | `lib/{}/libcxr.a` | `{}` |", core.title, core.name, core.flags.join(" ")));
        let matches = |word: &&str| format!("_cxr_flags MATCHES \"(^| ){word}( |_|$)\"");
        let detect = lines(&|core| {
            let tell = core.tell.iter().map(matches).collect::<Vec<_>>().join(" AND ");
            format!("  if({tell})\n    set(CXR_CORE {})\n  endif()", core.name)
        });
        let python = lines(&|core| format!("    (\"{}\", {:?}),", core.name, core.tell));
        let any = CORES.iter().map(|core| format!("({})", core.zephyr)).collect::<Vec<_>>().join(" || ");
        let bits = crate::capi::expected_bits(workspace)?;
        Ok(Self(vec![
            ("VERSION", version),
            ("SERIES", series),
            ("DESCRIPTION", DESCRIPTION.to_owned()),
            ("TABLE", table),
            ("CORES", CORES.iter().map(|core| core.name).collect::<Vec<_>>().join(" ")),
            ("DETECT", detect),
            ("PYTHON", format!("[\n{python}\n]")),
            ("ZEPHYR_ANY", any),
            ("ZEPHYR_DEFAULTS", lines(&|core| format!("\tdefault \"{}\" if {}", core.name, core.zephyr))),
            ("BITS", bits.trim_start_matches("logit bits: ").to_owned()),
        ]))
    }

    /// Writes a template's text.
    fn write(&self, workspace: &Workspace, template: &str, to: &Path) -> Result<()> {
        let path = workspace.root.join(TEMPLATES).join(template);
        let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for (name, value) in &self.0 {
            text = text.replace(&format!("@{name}@"), value);
        }
        let left = text.split('@').find(|word| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        ensure!(left.is_none(), "{}: nothing stands for @{}@", path.display(), left.unwrap_or_default());
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::write(to, text).with_context(|| to.display().to_string())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
