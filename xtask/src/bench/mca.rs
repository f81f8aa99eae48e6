//! Cycles of blocks by LLVM's scheduling models: llvm-mca, each block by itself and repeated.
//!
//! Memory has no wait states, and repetitions of a block overlap, so that this is the least that a block takes. A taken jump
//! is not in these models. An instruction that a model lacks counts as one cycle.

use super::cortex_m::is_it;
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
    mca.args(["--instruction-info=0", "--resource-pressure=0"]);
    mca.args([&format!("--iterations={ITERATIONS}"), "--skip-unsupported-instructions=any"]).arg(&path);
    let ended = mca.output().context(MCA)?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "llvm-mca on {}: {errors}", path.display());
    parse(&String::from_utf8_lossy(&ended.stdout), blocks)
}

/// The blocks as regions of an assembler file.
fn source(blocks: &[Block]) -> String {
    let mut text = String::from(".syntax unified\n.thumb\n");
    for (i, block) in blocks.iter().enumerate() {
        let _ = writeln!(text, "# LLVM-MCA-BEGIN {i}");
        // A page may cut an IT block in two, so that the assembler puts them in anew.
        for instruction in block.code.iter().filter(|instruction| !is_it(&instruction.name)) {
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

fn parse(text: &str, blocks: &[Block]) -> Result<Vec<f64>> {
    let mut cycles: Vec<f64> = blocks.iter().map(|block| block.code.len() as f64).collect();
    let (mut current, mut missing) = (None, 0.0);
    for line in text.lines() {
        let number = |text: &str| text.trim().parse::<f64>().with_context(|| line.to_owned());
        if let Some((_, name)) = line.split_once("Code Region - ") {
            current = Some(name.trim().parse::<usize>().with_context(|| line.to_owned())?);
            continue;
        }
        let Some(i) = current else { continue };
        if let Some(count) = line.strip_prefix("Instructions:") {
            let block = blocks.get(i).with_context(|| line.to_owned())?;
            let wanted = block.code.iter().filter(|instruction| !is_it(&instruction.name)).count();
            missing = (wanted as f64 - number(count)? / f64::from(ITERATIONS)).max(0.0);
        } else if let Some(total) = line.strip_prefix("Total Cycles:") {
            *cycles.get_mut(i).with_context(|| line.to_owned())? = number(total)? / f64::from(ITERATIONS) + missing;
        }
    }
    Ok(cycles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &[(&str, &str)]) -> Block {
        let instruction =
            |(name, operands): &(&str, &str)| Instruction { at: 0, size: 4, name: (*name).into(), operands: (*operands).into() };
        Block { code: lines.iter().map(instruction).collect(), ran: Default::default() }
    }

    #[test]
    fn regions_are_read_back() {
        let blocks =
            [block(&[("it", "ne"), ("movne", "r0, #0x1"), ("bne", "0x100")]), block(&[("vmsr", "fpscr, r0"), ("nop", "")])];
        let text = source(&blocks);
        assert!(text.contains("# LLVM-MCA-BEGIN 0\n\tmovne r0, #0x1\n\tbne .\n# LLVM-MCA-END 0\n"), "{text}");
        let printed = "[0] Code Region - 0\n\nIterations: 100\nInstructions: 300\nTotal Cycles: 250\n\
                       [1] Code Region - 1\n\nInstructions:      100\nTotal Cycles:      150\n";
        assert_eq!(parse(printed, &blocks).unwrap(), [2.5, 1.5 + 1.0]);
        assert_eq!(parse("", &blocks).unwrap(), [3.0, 2.0]);
    }
}
