//! The public interfaces of cxr-core and of rownet have no panic in them: an image that calls all of one does not link the panic
//! handler.

use crate::bare_metal::{self, CORTEX_M4F, Toolchain};
use crate::shell::{Workspace, run};
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The package of the images (core/no_panic), and that of cxr-core's.
const PACKAGE: &str = "cxr-no-panic";
/// rownet's image.
const ROWNET: &str = "rownet-no-panic";
/// Where rownet must be without a panic: each has kernels of its own, or compiles others.
const TARGETS: [&str; 5] =
    [CORTEX_M4F, "thumbv8m.main-none-eabihf", "thumbv7m-none-eabi", "thumbv6m-none-eabi", "riscv32imc-unknown-none-elf"];
/// Every panic of Rust ends in the panic handler, which the compiler calls this.
const HANDLER: &str = "rust_begin_unwind";
/// Parts of the names of what leads there, for the report.
const PANICS: [&str; 6] = [HANDLER, "panicking", "index_fail", "unwrap_failed", "expect_failed", "mismatch_fail"];

/// Symbols of an image that panic or lead to one.
fn panics(image: &Path) -> Result<BTreeSet<String>> {
    let data = fs::read(image).with_context(|| image.display().to_string())?;
    let file = object::File::parse(&*data).with_context(|| image.display().to_string())?;
    let names: Vec<&str> = file.symbols().filter_map(|symbol| symbol.name().ok()).collect();
    ensure!(names.len() > 20, "{}: without symbols nothing is shown", image.display());
    let panicking = names.into_iter().filter(|name| PANICS.iter().any(|part| name.contains(part)));
    Ok(panicking.map(str::to_owned).collect())
}

/// Fails if an image can panic, and names what it links.
pub fn check_image(image: &Path) -> Result<()> {
    let found = panics(image)?;
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    ensure!(
        found.is_empty(),
        "{}: panics are linked: {}; `arm-none-eabi-objdump -dC` shows who calls them",
        image.display(),
        names.join(", ")
    );
    println!("no panic in {}", image.display());
    Ok(())
}

/// Builds the images, and the same with a panic in them, which must be found.
pub fn test(workspace: &Workspace) -> Result<()> {
    let folder = bare_metal::build(workspace, PACKAGE, CORTEX_M4F, &["control"])?;
    for image in [PACKAGE, ROWNET] {
        ensure!(panics(&folder.join(image))?.iter().any(|name| name.contains(HANDLER)), "the control's panic is not found");
    }
    check_image(&bare_metal::build(workspace, PACKAGE, CORTEX_M4F, &[])?.join(PACKAGE))?;
    for target in TARGETS {
        let toolchain = Toolchain::find(workspace, target)?;
        let mut cargo = toolchain.cargo(workspace, "build", PACKAGE, target);
        cargo.args(["--bin", ROWNET]);
        run(cargo)?;
        check_image(&toolchain.folder(workspace).join(target).join("release").join(ROWNET))?;
    }
    Ok(())
}
