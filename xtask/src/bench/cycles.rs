//! An estimate of a network's cycles, layer by layer, from the blocks that ran.

use super::board::Board;
use super::network::Network;
use super::trace::Trace;
use super::{cortex_m4, mca};
use crate::shell::Workspace;
use anyhow::{Result, bail};
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

/// Runs a network under the plugin and estimates.
pub fn estimate(workspace: &Workspace, network: &Network, board: Board, image: &Path) -> Result<Estimate> {
    let model = match board {
        Board::Mps2An386 => "Cortex-M4 technical reference manual, no wait states",
        Board::Mps2An500 | Board::Mps3An547 => "llvm-mca, no wait states, jumps predicted",
        Board::Mps2An505 => "llvm-mca (LLVM has the Cortex-M4's model for it), no wait states, one cycle a taken jump",
        Board::Mps2An385 | Board::Riscv32 => bail!("{}: no model of its cycles", board.name()),
    };
    let trace = Trace::take(workspace, network, board, image)?;
    let mut layers: BTreeMap<u16, f64> = BTreeMap::new();
    if let Board::Mps2An386 = board {
        for block in &trace.blocks {
            let (straight, refill) = (cortex_m4::straight(&block.code), cortex_m4::refill(&block.code));
            let entry = cortex_m4::entry(&block.code);
            for (layer, ran) in &block.ran {
                let cycles = ran.times * straight + ran.jumps * refill + ran.entries * entry;
                *layers.entry(*layer).or_default() += cycles as f64;
            }
        }
        for (layer, cycles) in &trace.unaligned {
            *layers.entry(*layer).or_default() += *cycles as f64;
        }
    } else {
        let jump = if let Board::Mps2An505 = board { 1.0 } else { 0.0 };
        let cycles = mca::cycles(workspace, board.cpu(), &trace.blocks)?;
        for (block, cycles) in trace.blocks.iter().zip(cycles) {
            for (layer, ran) in &block.ran {
                *layers.entry(*layer).or_default() += ran.times as f64 * cycles + ran.jumps as f64 * jump;
            }
        }
    }
    Ok(Estimate { layers, model, instructions: trace.instructions() })
}
