//! The C interface: its header, and the example program on this machine and on a Cortex-M4.

use crate::bare_metal::{self, CORTEX_M4F};
use crate::shell::{Workspace, output, run};
use crate::{install, no_panic, sanitizer};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The model that the example runs.
const MODEL: &str = "models/default.cxr";
/// What onnxruntime makes of the example's image.
const FIXTURE: &str = "tests/golden/default.json";
/// The generated header.
const HEADER: &str = "core/capi/include/cxr.h";

/// Objects of the caller, whose sizes are macros.
const OBJECTS: [&str; 3] = ["MODEL", "SESSION", "RESIZER"];

/// Warnings of C are errors too.
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
/// Any read or write beyond a buffer, any undefined operation ends the program.
const SANITIZE: [&str; 3] = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
/// The machine of `thumbv7em-none-eabihf`.
const CORTEX_M4F_C: [&str; 4] = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"];

/// The header as it should be.
fn generate(root: &Path) -> Result<String> {
    let crate_folder = root.join("core/capi");
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    let of_bits = |bits: u32| OBJECTS.map(|name| format!("#define CXR_{name}_BYTES CXR_{name}_BYTES_{bits}\n")).concat();
    let words = OBJECTS.map(|name| format!("#define CXR_{name}_WORDS (CXR_{name}_BYTES / 8)\n")).concat();
    let sizes = format!("\n#if UINTPTR_MAX <= 0xFFFFFFFFu\n{}#else\n{}#endif\n{}", of_bits(32), of_bits(64), words.trim_end());
    // It follows the modules.
    let builder =
        cbindgen::Builder::new().with_config(config).with_after_include(sizes).with_src(crate_folder.join("src/lib.rs"));
    let mut text = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut text);
    // cbindgen prefixes a constant with the name of its type; CXR_OK says as much.
    let text = String::from_utf8(text)?.replace("CXR_STATUS_", "CXR_");
    // The trailer, inline functions, belongs inside the guard.
    let guard = "#endif  /* CXR_H */\n";
    let (header, inline) = text.split_once(guard).context("cbindgen's include guard")?;
    Ok([header, inline.trim_start(), "\n", guard].concat())
}

/// Writes the header.
pub fn write_header(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join(HEADER);
    let beside = path.with_extension("h.new");
    fs::write(&beside, generate(&workspace.root)?).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
    println!("wrote {HEADER}");
    Ok(())
}

/// The committed header is the generated one.
pub fn check_header(root: &Path) -> Result<()> {
    let path = root.join(HEADER);
    let found = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(found == generate(root)?, "{HEADER} is not what the sources say: run `cargo xtask header` and commit it");
    Ok(())
}

/// Header, library and example: compiled by gcc as C and as C++, run plain and under the sanitizers, then under QEMU.
pub fn test(workspace: &Workspace) -> Result<()> {
    check_header(&workspace.root)?;
    let gcc_packages = ["gcc", "g++", "libc6-dev"];
    install::debian(workspace, &gcc_packages, || ["gcc", "g++"].iter().all(|program| crate::shell::have(program)))?;
    let folder = workspace.target.join("c");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let expected = expected_bits(workspace)?;

    let mut cpp = workspace.command("g++");
    // Twice: it is guarded.
    cpp.args(["-x", "c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-include", HEADER, HEADER]);
    run(cpp)?;

    run(workspace.cargo("build --release --package cxr-capi"))?;
    let library = workspace.target.join("release/libcxr.a");
    for (name, options) in [("predict", &[][..]), ("predict-short-enums", &["-fshort-enums"]), ("predict-sanitized", &SANITIZE)] {
        check_program(example(workspace, &folder.join(name), options, &library)?, &expected)?;
    }
    sanitized(workspace, &expected)?;

    let arm = || crate::shell::have("arm-none-eabi-gcc") && Path::new("/usr/lib/arm-none-eabi/newlib").is_dir();
    install::debian(workspace, &["gcc-arm-none-eabi", "libnewlib-arm-none-eabi"], arm)?;
    install::qemu(workspace)?;
    let library = bare_metal::build(workspace, "cxr-capi", CORTEX_M4F, &[])?.join("libcxr.a");
    let board = "core/capi/examples/mps2-an386";
    // The default of this compiler is short.
    for enums in ["-fshort-enums", "-fno-short-enums"] {
        let program = folder.join(format!("predict-mps2-an386{enums}.elf"));
        let options: Vec<&str> = CORTEX_M4F_C.into_iter().chain([enums]).collect();
        let mut gcc = compile(workspace, "arm-none-eabi-gcc", &options, &program);
        gcc.arg(format!("{board}/startup.c")).arg(&library);
        gcc.args(["--specs=rdimon.specs", "-nostartfiles", "-T"]).arg(format!("{board}/link.ld"));
        // newlib has long enums; the program hands it none.
        gcc.arg("-Wl,--gc-sections,-z,noexecstack,--no-enum-size-warning");
        run(gcc)?;
        let mut qemu = workspace.command("timeout");
        qemu.args(["300", "qemu-system-arm", "-M", "mps2-an386", "-nographic"]);
        qemu.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(&program);
        check_program(qemu, &expected)?;
    }

    // All that the library exports, and nothing beside it: what it needs it has, no allocator among it, and no panic.
    let freestanding = folder.join("freestanding.elf");
    let mut gcc = workspace.command("arm-none-eabi-gcc");
    gcc.args(CORTEX_M4F_C).args(["-nostdlib", "-Wl,--gc-sections,-e,cxr_session_init"]);
    for name in exported(&fs::read_to_string(workspace.root.join(HEADER))?) {
        gcc.arg(format!("-Wl,-u,{name}"));
    }
    gcc.arg(&library).arg("-o").arg(&freestanding);
    run(gcc)?;
    no_panic::check_image(&freestanding)
}

/// The example on this machine, linked with a library.
fn example(workspace: &Workspace, program: &Path, options: &[&str], library: &Path) -> Result<Command> {
    let mut gcc = compile(workspace, "gcc", options, program);
    // What Rust's standard library asks for on Linux (rustc --print native-static-libs).
    gcc.arg(library).args(["-lpthread", "-lm", "-ldl"]);
    run(gcc)?;
    Ok(workspace.command(program))
}

/// AddressSanitizer on the Rust side: the tests of the interface, and the example with a library and a program that are both instrumented.
fn sanitized(workspace: &Workspace, expected: &str) -> Result<()> {
    sanitizer::test(workspace, "cxr-capi", "--lib --tests")?;
    let library = sanitizer::build(workspace, "cxr-capi")?.join("libcxr.a");
    let program = workspace.target.join("c/predict-both-sanitized");
    check_program(example(workspace, &program, &SANITIZE, &library)?, expected)
}

/// Names of the functions that the header declares.
fn exported(header: &str) -> Vec<&str> {
    let declarations = header.lines().filter(|line| !line.starts_with([' ', '*', '/', '#', '}']) && !line.starts_with("static "));
    let names = declarations.filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next());
    names.filter(|name| name.starts_with("cxr_")).collect()
}

/// A compiler call that makes the example, but for the library.
fn compile(workspace: &Workspace, compiler: &str, options: &[&str], program: &Path) -> Command {
    let mut gcc = workspace.command(compiler);
    gcc.args(options).args(STRICT).args(["-O2", "-I", "core/capi/include"]);
    gcc.arg(format!("-DCXR_MODEL_FILE=\"{MODEL}\"")).args(["core/capi/examples/predict.c", "core/capi/examples/model.S"]);
    gcc.arg("-o").arg(program);
    gcc
}

/// The line that the example must print.
pub fn expected_bits(workspace: &Workspace) -> Result<String> {
    let path: PathBuf = workspace.root.join(FIXTURE);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let fixture: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    ensure!(fixture["input"]["seed"] == 1, "{FIXTURE}: the example's image has seed 1");
    let bits = fixture["logits_bits"].as_array().context("logits_bits")?;
    let bits: Vec<String> = bits.iter().map(|bits| format!("{:08x}", bits.as_u64().unwrap_or_default())).collect();
    Ok(format!("logit bits: {}", bits.join(" ")))
}

/// Runs a program, which must print a line.
pub fn check_program(program: Command, expected: &str) -> Result<()> {
    let name = program.get_program().to_string_lossy().into_owned();
    let printed = output(program)?;
    println!("{}", printed.trim_end());
    ensure!(printed.lines().any(|line| line == expected), "{name}: onnxruntime has `{expected}`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found() {
        let header = "/* cxr_a( */\nstatic inline int cxr_f(int x) {\n#define X cxr_b(\nenum cxr_status cxr_c(struct cxr_model *model,\n  cxr_d(int));\nconst char *cxr_e(int x);";
        assert_eq!(exported(header), ["cxr_c", "cxr_e"]);
    }

    #[test]
    fn the_header_is_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        check_header(root).unwrap();
    }
}
