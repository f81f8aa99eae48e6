//! What ran on a board, block by block and layer by layer: QEMU under the plugin `blocks.c`, and the image's disassembly.

use super::board::Board;
use super::symbols::symbol;
use crate::install;
use crate::shell::{Workspace, have, output};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// LLVM 19 is the first of Debian 12 that has a model of the Cortex-M55.
const OBJDUMP: &str = "llvm-objdump-19";
pub const MCA: &str = "llvm-mca-19";

/// An instruction as llvm-objdump prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it lies.
    pub at: u64,
    /// Bytes.
    pub size: u64,
    /// Mnemonic without `.w` and `.n`, conditions included.
    pub name: String,
    /// Operands, without comments.
    pub operands: String,
}

/// How often a block ran in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Times.
    pub times: u64,
    /// Times that it was left by a jump.
    pub jumps: u64,
    /// Times that a jump led there.
    pub entries: u64,
}

/// Straight code that ran.
pub struct Block {
    /// Its instructions.
    pub code: Vec<Instruction>,
    /// By layer.
    pub ran: BTreeMap<u16, Ran>,
}

/// All that ran between the image's marks.
pub struct Trace {
    /// Every block.
    pub blocks: Vec<Block>,
    /// Cycles that unaligned loads add, by layer.
    pub unaligned: BTreeMap<u16, u64>,
}

impl Trace {
    /// Runs an image under the plugin; `loader` is what QEMU's loader puts into memory.
    pub fn take(workspace: &Workspace, board: Board, image: &Path, loader: Option<&str>) -> Result<Self> {
        let plugin = plugin(workspace)?;
        let out = workspace.target.join("boards").join(format!("{}.blocks", board.name()));
        let mut qemu = board.qemu(workspace, image)?;
        qemu.args(loader.into_iter().flat_map(|loader| ["-device", loader]));
        let marks = symbol(image, "cxr_marks")?;
        qemu.arg("-plugin").arg(format!("{},marks={marks:#x},out={}", plugin.display(), out.display()));
        output(qemu)?;
        let text = fs::read_to_string(&out).with_context(|| out.display().to_string())?;
        Self::parse(&text, &listing(workspace, board, image)?)
    }

    fn parse(text: &str, listing: &BTreeMap<u64, Instruction>) -> Result<Self> {
        let mut blocks: BTreeMap<(u64, u64), BTreeMap<u16, Ran>> = BTreeMap::new();
        let (mut unaligned, mut current) = (BTreeMap::new(), None);
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |i: usize| words.get(i).and_then(|word| word.parse::<u64>().ok()).with_context(|| line.to_owned());
            match words.first().copied() {
                Some("block") => current = Some((number(1)?, number(3)?)),
                Some("ran") => {
                    // A block that was translated twice is one.
                    let ran = blocks.entry(current.context("no block")?).or_default().entry(number(1)? as u16).or_default();
                    ran.times += number(2)?;
                    ran.jumps += number(3)?;
                    ran.entries += number(4)?;
                }
                Some("unaligned") => drop(unaligned.insert(number(1)? as u16, number(2)?)),
                _ => bail!("unexpected line of the plugin: {line}"),
            }
        }
        let mut found = Vec::new();
        for ((from, count), ran) in blocks {
            let code: Vec<Instruction> = listing.range(from..).take(count as usize).map(|(_, found)| found.clone()).collect();
            let is_whole = code.iter().zip(code.iter().skip(1)).all(|(one, next)| one.at + one.size == next.at);
            let is_there = code.len() as u64 == count && code.first().is_some_and(|first| first.at == from);
            ensure!(is_whole && is_there, "{count} instructions at {from:#x}: not in the disassembly");
            found.push(Block { code, ran });
        }
        Ok(Self { blocks: found, unaligned })
    }

    /// Instructions that ran, by layer.
    pub fn instructions(&self) -> BTreeMap<u16, u64> {
        let mut sums = BTreeMap::new();
        for block in &self.blocks {
            for (layer, ran) in &block.ran {
                *sums.entry(*layer).or_default() += ran.times * block.code.len() as u64;
            }
        }
        sums
    }
}

/// Compiles the plugin.
fn plugin(workspace: &Workspace) -> Result<PathBuf> {
    install::debian(workspace, &["gcc", "libc6-dev"], || have("cc"))?;
    let folder = workspace.target.join("boards");
    fs::create_dir_all(&folder)?;
    let library = folder.join("blocks.so");
    let mut cc = workspace.command("cc");
    cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o"]);
    run_quietly(cc.arg(&library).arg("xtask/src/bench/blocks.c"))?;
    Ok(library)
}

fn run_quietly(command: &mut std::process::Command) -> Result<()> {
    let ended = command.output()?;
    ensure!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

/// The image's instructions by address.
fn listing(workspace: &Workspace, board: Board, image: &Path) -> Result<BTreeMap<u64, Instruction>> {
    llvm(workspace)?;
    let mut objdump = workspace.command(OBJDUMP);
    objdump.args(["-d", "--no-show-raw-insn", &format!("--mcpu={}", board.cpu())]).arg(image);
    Ok(parse_listing(&output(objdump)?))
}

/// LLVM's tools, of Debian.
pub fn llvm(workspace: &Workspace) -> Result<()> {
    install::debian(workspace, &["llvm-19"], || have(OBJDUMP) && have(MCA))
}

fn parse_listing(text: &str) -> BTreeMap<u64, Instruction> {
    let mut listing = BTreeMap::new();
    let mut lines = text.lines().filter_map(|line| {
        let (at, rest) = line.split_once(':')?;
        let at = u64::from_str_radix(at.trim(), 16).ok()?;
        Some((at, rest.split('@').next().unwrap_or_default().trim().to_owned()))
    });
    let mut next = lines.next();
    while let Some((at, text)) = next {
        next = lines.next();
        let (name, operands) = text.split_once('\t').unwrap_or((&text, ""));
        let size = next.as_ref().map_or(4, |(following, _)| following.saturating_sub(at)).clamp(2, 4);
        let name = name.trim_end_matches(".w").trim_end_matches(".n").to_owned();
        let operands = operands.split('<').next().unwrap_or_default().trim().to_owned();
        listing.insert(at, Instruction { at, size, name, operands });
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "
     ed4:      \tldr\tr0, [sp, #4]
     ed6:      \tldrb.w\tr0, [sp, #1]
     eda:      \tbne\t0xed4 <f+0x8> @ imm = #-36
     edc:      \tbx\tlr
";

    #[test]
    fn blocks_meet_their_instructions() {
        let listing = parse_listing(LISTING);
        assert_eq!(listing[&0xed6].size, 4);
        assert_eq!(listing[&0xed6].name, "ldrb");
        assert_eq!(listing[&0xeda].operands, "0xed4");
        let text = "block 3796 8 3\nran 2 10 9 8\nblock 3796 8 3\nran 2 1 0 0\nran 3 1 1 0\nunaligned 2 5\n";
        let trace = Trace::parse(text, &listing).unwrap();
        assert_eq!(trace.blocks[0].ran[&2], Ran { times: 11, jumps: 9, entries: 8 });
        assert_eq!(trace.instructions(), BTreeMap::from([(2, 33), (3, 3)]));
        assert_eq!(trace.unaligned[&2], 5);
        assert!(Trace::parse("block 100 8 3\nran 2 10 9 8\n", &listing).is_err());
    }
}
