//! Writes the generated pictures that ship in `data/samples`, one a class:
//! `cargo run --release -p cxr-study --example samples`.

use anyhow::{Context, Result};
use cxr_app::classes::CLASSES;
use cxr_study::synthetic;
use image::GrayImage;
use std::path::Path;

/// One file a class, in class order.
const FILES: [&str; CLASSES.len()] = ["normal.png", "pneumonia.png", "covid-19.png"];

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/samples");
    std::fs::create_dir_all(&folder)?;
    for (class, file) in FILES.iter().enumerate() {
        let side = synthetic::SIDE as u32;
        let picture = GrayImage::from_raw(side, side, synthetic::image(class, 0)).context("a generated picture is square")?;
        let path = folder.join(file);
        picture.save(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
