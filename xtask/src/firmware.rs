//! `cargo xtask firmware`: builds the image of every board, runs those that QEMU emulates, reports what they take.

mod args;
mod board;
mod faults;
mod line;
mod report;
mod rp2350;

pub use args::Args;
use board::BOARDS;
pub use board::Board;
pub use line::{Emulator, Line};
use report::Row;

use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Builds, runs and reports; an error where a board fails or is over budget.
pub fn firmware(workspace: &Workspace, args: &Args) -> Result<()> {
    let names: Vec<&str> = BOARDS.iter().map(|board| board.name).chain(["rp2350", "none"]).collect();
    for name in &args.boards {
        ensure!(names.contains(&name.as_str()), "{name}: no such board; there are {}", names.join(", "));
    }
    let wanted = |name: &str| args.boards.is_empty() || args.boards.iter().any(|board| board == name);
    install::qemu(workspace)?;
    let mut rows = Vec::new();
    for board in BOARDS.iter().filter(|board| wanted(board.name)) {
        let image = board.build(workspace, args)?;
        rows.push(Row::of(board, &image, line::measure(workspace, board, &image)?)?);
    }
    if wanted("rp2350") || wanted("none") {
        rows.push(rp2350::build(workspace, args)?);
    }
    let faults = if args.faults > 0 { Some(faults::faults(workspace, args.faults)?) } else { None };
    if args.json {
        let boards: Vec<Value> = rows.iter().map(Row::json).collect();
        let budget = json!({ "ram": args.ram * 1024, "flash": args.flash * 1024 });
        println!("{}", serde_json::to_string_pretty(&json!({ "budget": budget, "boards": boards, "faults": faults }))?);
    } else {
        println!("{}", report::table(&rows));
    }
    if args.readme {
        report::write_readme(workspace, &rows)?;
    }
    report::check(&rows, args)
}

/// Builds the images of some boards for tests that drive `host device`; returns their folder.
pub fn images(workspace: &Workspace, names: &[&str]) -> Result<PathBuf> {
    install::qemu(workspace)?;
    for name in names {
        Board::named(name)?.build(workspace, &Args::default())?;
    }
    Ok(workspace.target.join("boards"))
}

/// The CI step: lints, both ends over memory, all boards under QEMU, faults on a serial line.
pub fn test(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo("test --release --package cxr-protocol --features testing"))?;
    install::qemu(workspace)?;
    for board in &BOARDS {
        board.lint(workspace)?;
    }
    rp2350::lint(workspace)?;
    firmware(workspace, &Args { faults: 300, ..Args::default() })
}
