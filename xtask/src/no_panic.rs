//! The public interface of cxr-core has no panic in it: an image that calls all of it does not link the panic handler.

use crate::bare_metal::{self, CORTEX_M4F};
use crate::shell::Workspace;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The image (core/no_panic).
const PACKAGE: &str = "cxr-no-panic";
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

/// Builds the image, and the same with a panic in it, which must be found.
pub fn test(workspace: &Workspace) -> Result<()> {
    let image = bare_metal::build(workspace, PACKAGE, CORTEX_M4F, &["control"])?.join(PACKAGE);
    ensure!(panics(&image)?.iter().any(|name| name.contains(HANDLER)), "the control's panic is not found");
    let image = bare_metal::build(workspace, PACKAGE, CORTEX_M4F, &[])?.join(PACKAGE);
    check_image(&image)
}
