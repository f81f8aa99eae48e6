//! Writes the inputs that cargo-fuzz starts from: `seed_corpus [FOLDER]` (default `corpus`).

use cxr_fuzz::{TARGETS, Target};
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".into()));
    for Target { name, seeds, .. } in TARGETS {
        let (folder, inputs) = (folder.join(name), seeds());
        std::fs::create_dir_all(&folder)?;
        for (i, input) in inputs.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), input)?;
        }
        println!("{}: {} inputs", folder.display(), inputs.len());
    }
    Ok(())
}
