//! The Raspberry Pi Pico 2: an ELF file for a debugger, a UF2 file for its boot loader.

use super::args::Args;
use super::board::environment;
use super::report::{Row, Sizes};
use crate::bare_metal::Toolchain;
use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result, ensure};
use elf2flash_core::{NoProgress, boards::RP2350, elf2uf2};
use object::{Object, ObjectSegment};
use std::fs;
use std::process::Stdio;

const PACKAGE: &str = "cxr-rp2350";
const TARGET: &str = "thumbv8m.main-none-eabihf";

/// Builds `target/boards/rp2350.elf` and `.uf2`.
pub fn build(workspace: &Workspace, args: &Args) -> Result<Row> {
    let toolchain = Toolchain::find(workspace, TARGET)?;
    let mut cargo = toolchain.cargo(workspace, "build --profile firmware", PACKAGE, TARGET);
    environment(&mut cargo, args)?;
    cargo.stdout(Stdio::null());
    run(cargo)?;
    let folder = workspace.target.join("boards");
    fs::create_dir_all(&folder)?;
    let (elf, uf2) = (folder.join("rp2350.elf"), folder.join("rp2350.uf2"));
    let bytes = fs::read(toolchain.folder(workspace).join(TARGET).join("firmware").join(PACKAGE))?;
    let mut blocks = Vec::new();
    elf2uf2(&bytes, &mut blocks, &RP2350, NoProgress).context("the image as UF2")?;
    check(&bytes, &blocks)?;
    fs::write(&elf, &bytes)?;
    fs::write(&uf2, &blocks)?;
    let sizes = Sizes::read(&elf)?;
    Ok(Row { name: "rp2350".into(), cpu: "Cortex-M33", target: TARGET, files: vec![elf, uf2], sizes, measured: None })
}

/// Clippy, where it knows the target.
pub fn lint(workspace: &Workspace) -> Result<()> {
    install::component(workspace, "clippy", "clippy")?;
    let toolchain = Toolchain::find(workspace, TARGET)?;
    if let Toolchain::Debian = toolchain {
        return Ok(());
    }
    let mut cargo = toolchain.cargo(workspace, "clippy --profile firmware", PACKAGE, TARGET);
    environment(&mut cargo, &Args::default())?;
    cargo.args(["--", "-D", "warnings"]);
    run(cargo)
}

/// Reads the UF2 file back: every stored byte of the ELF file must be in it, at its address, for this chip.
fn check(elf: &[u8], uf2: &[u8]) -> Result<()> {
    const BLOCK: usize = 512;
    const FAMILY_RP2350_ARM_S: u32 = 0xE48B_FF59;
    ensure!(!uf2.is_empty() && uf2.len().is_multiple_of(BLOCK), "UF2: not whole blocks");
    let mut memory = std::collections::BTreeMap::new();
    for block in uf2.chunks_exact(BLOCK) {
        let word = |at: usize| block.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        ensure!([word(0), word(4), word(508)] == [0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30], "UF2: wrong magic");
        ensure!(word(28) == FAMILY_RP2350_ARM_S, "UF2: another chip");
        let (address, len) = (word(12), word(16) as usize);
        for (at, byte) in (address..).zip(&block[32..32 + len]) {
            memory.insert(at, *byte);
        }
    }
    let file = object::File::parse(elf)?;
    let mut stored = 0;
    for segment in file.segments() {
        let object::SegmentFlags::Elf { .. } = segment.flags() else { continue };
        let start = segment.address() as u32;
        // Initial values of statics are stored in flash; there are none in this firmware.
        for (at, byte) in (start..).zip(segment.data()?) {
            ensure!(memory.get(&at) == Some(byte), "UF2: wrong byte at {at:#010x}");
            stored += 1;
        }
    }
    ensure!(stored > 300_000, "UF2: the model is missing");
    Ok(())
}
