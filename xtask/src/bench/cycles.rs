//! An estimate of a network's cycles, layer by layer, from the blocks that ran.

use super::board::Board;
use super::cortex_m::{self, Core};
use super::mca;
use super::trace::Trace;
use crate::shell::Workspace;
use anyhow::{Context, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Cycles by layer, and what they were estimated with.
pub struct Estimate {
    /// By operator, in proportion to the instructions counted there.
    pub layers: BTreeMap<u16, f64>,
    /// What they were estimated with.
    pub model: &'static str,
    /// Instructions of the run under the plugin, by operator: with what marks them.
    pub instructions: BTreeMap<u16, u64>,
}

/// Runs an image under the plugin and estimates; none where there is no model of the board's processor. `loader` is what QEMU's
/// loader puts into memory.
pub fn estimate(workspace: &Workspace, board: Board, image: &Path, loader: Option<&str>) -> Result<Option<Estimate>> {
    let (core, model) = match board {
        Board::Mps2An383 => (Some(Core::M0Plus), "Cortex-M0+ technical reference manual, no wait states"),
        Board::Mps2An385 => (Some(Core::M3), "Cortex-M3 technical reference manual, no wait states"),
        Board::Mps2An386 => (Some(Core::M4), "Cortex-M4 technical reference manual, no wait states"),
        Board::Mps2An500 | Board::Mps3An547 => (None, "llvm-mca, no wait states, jumps predicted"),
        Board::Mps2An505 => (None, "llvm-mca (LLVM has the Cortex-M4's model for it), no wait states, one cycle a taken jump"),
        Board::Riscv32 => return Ok(None),
    };
    let trace = Trace::take(workspace, board, image, loader)?;
    let mut layers: BTreeMap<u16, f64> = BTreeMap::new();
    let mut add = |layer: u16, cycles: f64| *layers.entry(layer).or_default() += cycles;
    if let Some(core) = core {
        for block in &trace.blocks {
            let [straight, refill, entry] =
                [cortex_m::straight, cortex_m::refill, cortex_m::entry].map(|of| of(core, &block.code));
            for (layer, ran) in &block.ran {
                add(*layer, (ran.times * straight + ran.jumps * refill + ran.entries * entry) as f64);
            }
        }
        for (layer, cycles) in &trace.unaligned {
            add(*layer, *cycles as f64);
        }
    } else {
        let jump = if let Board::Mps2An505 = board { 1.0 } else { 0.0 };
        let cycles = mca::cycles(workspace, board.cpu(), &trace.blocks)?;
        for (block, cycles) in trace.blocks.iter().zip(cycles) {
            for (layer, ran) in &block.ran {
                add(*layer, ran.times as f64 * cycles + ran.jumps as f64 * jump);
            }
        }
    }
    Ok(Some(Estimate { layers, model, instructions: trace.instructions() }))
}

/// Prints the estimate of an image, a JSON object a part.
pub fn print(workspace: &Workspace, board: Board, image: &Path) -> Result<()> {
    let estimate = estimate(workspace, board, image, None)?;
    let estimate = estimate.with_context(|| format!("{}: no model of its cycles", board.name()))?;
    for (part, cycles) in &estimate.layers {
        let instructions = estimate.instructions.get(part).copied().unwrap_or_default();
        println!("{}", json!({ "part": part, "instructions": instructions, "cycles_estimate": cycles.round() as u64 }));
    }
    Ok(())
}
