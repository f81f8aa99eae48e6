//! Addresses in an image.

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol};
use std::fs;
use std::path::Path;

/// Address of a symbol.
pub fn symbol(image: &Path, name: &str) -> Result<u64> {
    let data = fs::read(image).with_context(|| image.display().to_string())?;
    let file = object::File::parse(&*data).with_context(|| image.display().to_string())?;
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    // Without the bit that says Thumb.
    Ok(found.with_context(|| format!("{}: no symbol {name}", image.display()))?.address() & !1)
}
