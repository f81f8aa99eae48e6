//! What an image takes: sections of its ELF file, and what the board measured.

use super::args::Args;
use super::board::Board;
use super::line::Measured;
use crate::shell::Workspace;
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, SectionFlags, elf};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Bytes of an image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Code, constants and initial values.
    pub flash: u64,
    /// The model.
    pub model: u64,
    /// Initialised statics.
    pub data: u64,
    /// Zeroed statics, arena, row and frames among them, and those left uninitialised.
    pub bss: u64,
}

impl Sizes {
    /// Reads an ELF file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*bytes).with_context(|| path.display().to_string())?;
        let mut sizes = Self::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if sh_flags.0 & elf::SHF_ALLOC.0 == 0 {
                continue;
            }
            let name = section.name()?;
            let is_stored = section.file_range().is_some();
            match name {
                ".model" => sizes.model += section.size(),
                // What the linker calls heap and stack is what is left.
                ".heap" | ".stack" | ".text.dummy" => (),
                _ if !is_stored => sizes.bss += section.size(),
                _ => {
                    sizes.flash += section.size();
                    if name.starts_with(".data") {
                        sizes.data += section.size();
                    }
                }
            }
        }
        Ok(sizes)
    }
}

/// A board's line of the report.
pub struct Row {
    /// The board.
    pub name: String,
    /// Its processor.
    pub cpu: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// Its images.
    pub files: Vec<PathBuf>,
    /// What they take.
    pub sizes: Sizes,
    /// What ran, if it did.
    pub measured: Option<Measured>,
}

impl Row {
    /// A board under QEMU.
    pub fn of(board: &Board, image: &Path, measured: Measured) -> Result<Self> {
        let sizes = Sizes::read(image)?;
        let files = vec![image.to_owned()];
        Ok(Self { name: board.name.into(), cpu: board.cpu, target: board.target, files, sizes, measured: Some(measured) })
    }

    /// All RAM: statics and the stack at its deepest.
    fn ram(&self) -> u64 {
        self.sizes.data + self.sizes.bss + self.measured.as_ref().map_or(0, |m| m.self_test.stack.into())
    }

    /// An object of the report.
    pub fn json(&self) -> Value {
        let Sizes { flash, model, data, bss } = self.sizes;
        let mut object = json!({
            "board": self.name,
            "cpu": self.cpu,
            "target": self.target,
            "files": self.files,
            "flash": flash,
            "model": model,
            "data": data,
            "bss": bss,
            "ram": self.ram(),
        });
        if let Some(Measured { self_test, arena, kernel }) = &self.measured {
            object["kernel"] = json!(kernel);
            object["arena"] = json!(arena);
            object["stack"] = json!(self_test.stack);
            object["instructions"] = json!(self_test.instructions);
            object["verdict_crc32"] = json!(format!("{:08x}", self_test.verdict_crc));
            object["self_test"] = json!(if self_test.differences == 0 { "passed" } else { "failed" });
        }
        object
    }
}

/// The report as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| board | CPU | kernel | flash without model | model | data + bss | of it arena | stack | RAM | instructions an image | logits CRC-32 |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let Sizes { flash, model, data, bss } = row.sizes;
        let (kernel, arena, stack, instructions, crc) = match &row.measured {
            Some(Measured { self_test, arena, kernel }) => (
                kernel.as_str(),
                arena.to_string(),
                self_test.stack.to_string(),
                self_test.instructions.to_string(),
                format!("`{:08x}`", self_test.verdict_crc),
            ),
            None => ("", String::new(), "not run".into(), "not run".into(), String::new()),
        };
        let (name, cpu, ram) = (&row.name, row.cpu, row.ram());
        let _ = writeln!(
            text,
            "| {name} | {cpu} | {kernel} | {flash} | {model} | {} | {arena} | {stack} | {ram} | {instructions} | {crc} |",
            data + bss
        );
    }
    text
}

/// Marks of the table in firmware/README.md.
const MARKS: [&str; 2] = ["<!-- cargo xtask firmware --readme -->\n", "<!-- end -->"];

/// Replaces the table of firmware/README.md.
pub fn write_readme(workspace: &Workspace, rows: &[Row]) -> Result<()> {
    let path = workspace.root.join("firmware/README.md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(MARKS[0]).context("firmware/README.md has no table")?;
    let (_, after) = rest.split_once(MARKS[1]).context("firmware/README.md: the table has no end")?;
    let beside = path.with_extension("md.new");
    std::fs::write(&beside, format!("{before}{}{}{}{after}", MARKS[0], table(rows), MARKS[1]))?;
    Ok(std::fs::rename(&beside, &path)?)
}

/// Holds the boards to the budget, and to each other.
pub fn check(rows: &[Row], args: &Args) -> Result<()> {
    let mut wrong = Vec::new();
    let mut crcs: Vec<u32> = Vec::new();
    for row in rows {
        for (what, used, limit) in [("RAM", row.ram(), args.ram), ("flash without the model", row.sizes.flash, args.flash)] {
            let limit = u64::from(limit) * 1024;
            if used > limit {
                wrong.push(format!("{}: {used} bytes of {what}, the budget is {limit}", row.name));
            }
        }
        if let Some(measured) = &row.measured {
            crcs.push(measured.self_test.verdict_crc);
            if measured.self_test.differences > 0 {
                wrong.push(format!("{}: the self-test found {} differences", row.name, measured.self_test.differences));
            }
        }
    }
    ensure!(crcs.windows(2).all(|pair| pair[0] == pair[1]), "boards differ in their logits: {crcs:08x?}");
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}
