//! The C interface: its headers, and the example programs on this machine and on a Cortex-M4.

use crate::bare_metal::{self, CORTEX_M4F};
use crate::shell::{Workspace, output, run};
use crate::{bench, install, no_panic, sanitizer};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What onnxruntime makes of the first example's image.
const FIXTURE: &str = "tests/golden/default.json";

/// A generated header.
struct Header {
    path: &'static str,
    config: &'static str,
    /// The file whose modules it follows.
    source: &'static str,
    prefix: &'static str,
    /// Objects of the caller, whose sizes are macros.
    objects: &'static [&'static str],
}

const HEADERS: [Header; 2] = [
    Header {
        path: "core/capi/include/cxr.h",
        config: "cbindgen.toml",
        source: "src/lib.rs",
        prefix: "CXR",
        objects: &["MODEL", "SESSION", "RESIZER"],
    },
    Header {
        path: "core/capi/include/rownet.h",
        config: "cbindgen-rownet.toml",
        source: "src/network/mod.rs",
        prefix: "ROWNET",
        objects: &["MODEL", "SESSION"],
    },
];

/// An example program: its name, and the file that it runs.
const EXAMPLES: [(&str, &str); 2] = [("predict", "models/default.cxr"), ("network", "core/engine/tests/every.rnet")];

/// Warnings of C are errors too.
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
/// Any read or write beyond a buffer, any undefined operation ends the program.
const SANITIZE: [&str; 3] = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
/// The machine of `thumbv7em-none-eabihf`.
const CORTEX_M4F_C: [&str; 4] = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"];

impl Header {
    /// The header as it should be.
    fn generate(&self, root: &Path) -> Result<String> {
        let (folder, prefix) = (root.join("core/capi"), self.prefix);
        let config = cbindgen::Config::from_file(folder.join(self.config)).map_err(anyhow::Error::msg)?;
        let of_all = |line: &dyn Fn(&str) -> String| self.objects.iter().map(|name| line(name)).collect::<String>();
        let of_bits = |bits: u32| of_all(&|name| format!("#define {prefix}_{name}_BYTES {prefix}_{name}_BYTES_{bits}\n"));
        let words = of_all(&|name| format!("#define {prefix}_{name}_WORDS ({prefix}_{name}_BYTES / 8)\n"));
        let sizes =
            format!("\n#if UINTPTR_MAX <= 0xFFFFFFFFu\n{}#else\n{}#endif\n{}", of_bits(32), of_bits(64), words.trim_end());
        // It follows the modules.
        let builder = cbindgen::Builder::new().with_config(config).with_after_include(sizes).with_src(folder.join(self.source));
        let mut text = Vec::new();
        builder.generate().context("cbindgen")?.write(&mut text);
        // cbindgen prefixes a constant with the name of its type; CXR_OK says as much.
        let text = String::from_utf8(text)?.replace(&format!("{prefix}_STATUS_"), &format!("{prefix}_"));
        // The trailer, inline functions, belongs inside the guard.
        let guard = format!("#endif  /* {prefix}_H */\n");
        let (header, inline) = text.split_once(&guard).context("cbindgen's include guard")?;
        Ok([header, inline.trim_start(), "\n", &guard].concat())
    }
}

/// Writes the headers.
pub fn write_headers(workspace: &Workspace) -> Result<()> {
    for header in &HEADERS {
        let path = workspace.root.join(header.path);
        let beside = path.with_extension("h.new");
        fs::write(&beside, header.generate(&workspace.root)?).with_context(|| beside.display().to_string())?;
        fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
        println!("wrote {}", header.path);
    }
    Ok(())
}

/// The committed headers are the generated ones.
pub fn check_headers(root: &Path) -> Result<()> {
    for header in &HEADERS {
        let path = root.join(header.path);
        let found = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(
            found == header.generate(root)?,
            "{} is not what the sources say: run `cargo xtask header` and commit it",
            header.path
        );
    }
    Ok(())
}

/// Headers, library and examples: compiled by gcc as C and as C++, run plain and under the sanitizers, then under QEMU.
pub fn test(workspace: &Workspace) -> Result<()> {
    check_headers(&workspace.root)?;
    let gcc_packages = ["gcc", "g++", "libc6-dev"];
    install::debian(workspace, &gcc_packages, || ["gcc", "g++"].iter().all(|program| crate::shell::have(program)))?;
    let folder = workspace.target.join("c");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;

    let mut cpp = workspace.command("g++");
    cpp.args(["-x", "c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
    // Twice, and both in one program: they are guarded, and share no name.
    for header in &HEADERS {
        cpp.args(["-include", header.path]);
    }
    cpp.arg(HEADERS[0].path).arg(HEADERS[1].path);
    run(cpp)?;

    run(workspace.cargo("build --release --package cxr-capi"))?;
    // AddressSanitizer on the Rust side too: the tests of the interface, then a library beside programs that are instrumented.
    sanitizer::test(workspace, "cxr-capi", "--lib --tests")?;
    let instrumented = sanitizer::build(workspace, "cxr-capi")?.join("libcxr.a");
    let library = workspace.target.join("release/libcxr.a");
    for example in EXAMPLES {
        let expected = expected(workspace, example)?;
        let ways: [(&str, &[&str], &Path); 4] = [
            ("", &[], &library),
            ("-short-enums", &["-fshort-enums"], &library),
            ("-sanitized", &SANITIZE, &library),
            ("-both-sanitized", &SANITIZE, &instrumented),
        ];
        for (way, options, library) in ways {
            let program = folder.join(format!("{}{way}", example.0));
            let mut gcc = compile(workspace, "gcc", example, options, &program);
            // What Rust's standard library asks for on Linux (rustc --print native-static-libs).
            gcc.arg(library).args(["-lpthread", "-lm", "-ldl"]);
            run(gcc)?;
            check_program(workspace.command(&program), &expected)?;
        }
    }
    on_a_board(workspace, &folder)
}

/// The same programs on a Cortex-M4, and all that the library exports linked without anything else.
fn on_a_board(workspace: &Workspace, folder: &Path) -> Result<()> {
    let arm = || crate::shell::have("arm-none-eabi-gcc") && Path::new("/usr/lib/arm-none-eabi/newlib").is_dir();
    install::debian(workspace, &["gcc-arm-none-eabi", "libnewlib-arm-none-eabi"], arm)?;
    install::qemu(workspace)?;
    let library = bare_metal::build(workspace, "cxr-capi", CORTEX_M4F, &[])?.join("libcxr.a");
    let board = "core/capi/examples/mps2-an386";
    for example in EXAMPLES {
        let expected = expected(workspace, example)?;
        // The default of this compiler is short.
        for enums in ["-fshort-enums", "-fno-short-enums"] {
            let program = folder.join(format!("{}-mps2-an386{enums}.elf", example.0));
            let options: Vec<&str> = CORTEX_M4F_C.into_iter().chain([enums]).collect();
            let mut gcc = compile(workspace, "arm-none-eabi-gcc", example, &options, &program);
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
    }

    // All that the library exports, and nothing beside it: what it needs it has, no allocator among it, and no panic.
    let freestanding = folder.join("freestanding.elf");
    let mut gcc = workspace.command("arm-none-eabi-gcc");
    gcc.args(CORTEX_M4F_C).args(["-nostdlib", "-Wl,--gc-sections,-e,cxr_session_init_sized"]);
    for header in &HEADERS {
        for name in exported(&fs::read_to_string(workspace.root.join(header.path))?) {
            gcc.arg(format!("-Wl,-u,{name}"));
        }
    }
    gcc.arg(&library).arg("-o").arg(&freestanding);
    run(gcc)?;
    no_panic::check_image(&freestanding)
}

/// Names of the functions that a header declares.
fn exported(header: &str) -> Vec<&str> {
    let declarations = header.lines().filter(|line| !line.starts_with([' ', '*', '/', '#', '}']) && !line.starts_with("static "));
    let names = declarations.filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next());
    names.filter(|name| name.starts_with("cxr_") || name.starts_with("rownet_")).collect()
}

/// A compiler call that makes an example, but for the library.
fn compile(workspace: &Workspace, compiler: &str, (name, model): (&str, &str), options: &[&str], program: &Path) -> Command {
    let mut gcc = workspace.command(compiler);
    gcc.args(options).args(STRICT).args(["-O2", "-I", "core/capi/include"]);
    gcc.arg(format!("-DCXR_MODEL_FILE=\"{model}\""))
        .arg(format!("core/capi/examples/{name}.c"))
        .arg("core/capi/examples/model.S");
    gcc.arg("-o").arg(program);
    gcc
}

/// The line that an example must print.
fn expected(workspace: &Workspace, (name, model): (&str, &str)) -> Result<String> {
    if name == "predict" {
        expected_bits(workspace)
    } else {
        Ok(format!("output hash: {:016x}", bench::output_hash(workspace, &workspace.root.join(model))?))
    }
}

/// The line that the first example must print: onnxruntime's logits.
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
    ensure!(printed.lines().any(|line| line == expected), "{name}: should print `{expected}`");
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
    fn the_headers_are_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        check_headers(root).unwrap();
    }
}
