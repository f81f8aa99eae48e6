//! Cycles of blocks by LLVM's scheduling models: llvm-mca, each block by itself and repeated.
//!
//! Memory has no wait states, and repetitions of a block overlap, so that this is the least that a block takes. A taken jump
//! is not in these models.

use super::trace::{Block, Instruction, MCA, llvm};
use crate::shell::Workspace;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;

/// How often a block is repeated.
const ITERATIONS: u32 = 100;

/// Cycles of each block, by its number.
pub fn cycles(workspace: &Workspace, cpu: &str, blocks: &[Block]) -> Result<Vec<f64>> {
    llvm(workspace)?;
    let path = workspace.target.join("boards").join(format!("{cpu}.s"));
    fs::write(&path, source(blocks)).with_context(|| path.display().to_string())?;
    let mut mca = workspace.command(MCA);
    mca.args(["--mtriple=thumbv8.1m.main-none-eabihf", "--arm-implicit-it=always", &format!("--mcpu={cpu}")]);
    mca.args([&format!("--iterations={ITERATIONS}"), "--instruction-info=0", "--resource-pressure=0"]).arg(&path);
    let ended = mca.output().context(MCA)?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "llvm-mca on {}: {errors}", path.display());
    parse(&String::from_utf8_lossy(&ended.stdout), blocks.len())
}

/// The blocks as regions of an assembler file.
fn source(blocks: &[Block]) -> String {
    let mut text = String::from(".syntax unified\n.thumb\n");
    for (i, block) in blocks.iter().enumerate() {
        let _ = writeln!(text, "# LLVM-MCA-BEGIN {i}");
        for instruction in &block.code {
            let _ = writeln!(text, "\t{}", line(instruction));
        }
        let _ = writeln!(text, "# LLVM-MCA-END {i}");
    }
    text
}

/// An instruction for the assembler: jumps go to where they are.
fn line(instruction: &Instruction) -> String {
    let Instruction { name, operands, .. } = instruction;
    let before_target = operands.rfind("0x").filter(|_| !operands.contains(['[', '#']));
    match before_target {
        Some(at) if name.starts_with('b') || name.starts_with("cb") || name.starts_with("le") || name.starts_with('w') => {
            format!("{name} {}.", &operands[..at])
        }
        _ => format!("{name} {operands}"),
    }
}

fn parse(text: &str, count: usize) -> Result<Vec<f64>> {
    let (mut cycles, mut current) = (vec![None; count], None);
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("Code Region - ") {
            current = Some(name.trim().parse::<usize>().with_context(|| line.to_owned())?);
        } else if let (Some(total), Some(i)) = (line.strip_prefix("Total Cycles:"), current) {
            let total: f64 = total.trim().parse().with_context(|| line.to_owned())?;
            *cycles.get_mut(i).with_context(|| line.to_owned())? = Some(total / f64::from(ITERATIONS));
        }
    }
    cycles.into_iter().collect::<Option<Vec<f64>>>().context("llvm-mca left a block out")
}
