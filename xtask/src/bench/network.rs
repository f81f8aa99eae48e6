//! `cargo xtask bench --network`: any network on the boards, instructions layer by layer, outputs compared with the host's.

use super::board::Board;
use super::cycles::{self, Estimate};
use super::symbols::symbol;
use crate::shell::{Workspace, output};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use cxr_bench::NoCounter;
use cxr_bench::engine::{self, ARENA, OPERATORS, ROW};
use rownet::kernels::Kernel;
use rownet::model::Model;
use rownet::model::desc::Op;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of network file that every board has memory for.
const LARGEST: usize = 2 << 20;

/// A network in the engine's format, and what the host makes of the inputs.
struct Network {
    /// Its file's name without the ending.
    name: String,
    /// The engine's file.
    path: PathBuf,
    file: Vec<u8>,
    hashes: (u64, u64),
}

/// Hash of the outputs' bytes that a network gives for the generated input.
pub fn output_hash(workspace: &Workspace, path: &Path) -> Result<u64> {
    Ok(Network::read(workspace, path)?.hashes.0)
}

impl Network {
    /// Reads a network, imported if it is not in the engine's format, and runs it here.
    fn read(workspace: &Workspace, path: &Path) -> Result<Self> {
        let name = path.file_stem().context("a file name")?.to_string_lossy().into_owned();
        let given = fs::read(path).with_context(|| path.display().to_string())?;
        let path = if given.starts_with(b"RNET") { fs::canonicalize(path)? } else { import(workspace, path, &name)? };
        let file = fs::read(&path).with_context(|| path.display().to_string())?;
        let model = parse(&path, &file)?;
        let (mut arena, mut row) = (vec![0; model.arena_bytes()], vec![0; model.shape(0).row_len()]);
        let buffers = (&mut arena[..], &mut row[..]);
        let report = engine::run(&model, Kernel::PORTABLE, buffers, &NoCounter, &mut [], &(), &mut || ());
        let report = report.map_err(|error| anyhow::anyhow!("{name}: the host's run: {error}"))?;
        Ok(Self { name, path, file, hashes: (report.output_hash, report.values_hash) })
    }

    /// The parsed file.
    fn model(&self) -> Result<Model<'_>> {
        parse(&self.path, &self.file)
    }

    /// Fails, naming what is too large, where the board's image has no room for it.
    fn fits(&self, board: Board) -> Result<()> {
        let model = self.model()?;
        let needs = [
            ("file", self.file.len(), LARGEST),
            ("arena", model.arena_bytes(), ARENA),
            ("input row", model.shape(0).row_len(), ROW),
        ];
        for (what, needed, given) in needs {
            let (name, board) = (&self.name, board.name());
            ensure!(needed <= given, "{name} is too large for {board}: {what} of {needed} bytes, there are {given}");
        }
        let operators = model.operator_count();
        ensure!(operators <= OPERATORS, "{}: {operators} operators, {OPERATORS} are counted", self.name);
        Ok(())
    }

    /// Runs it on a board; with an estimate of the cycles, if wanted and there is a model.
    fn measure(&self, workspace: &Workspace, board: Board, image: &Path, wants_cycles: bool) -> Result<Value> {
        self.fits(board)?;
        let mut qemu = board.qemu(workspace, image)?;
        qemu.arg("-device").arg(self.loader(image)?);
        let printed = output(qemu).with_context(|| format!("{} on {}", self.name, board.name()))?;
        let model = self.model()?;
        let number = |text: &str| text.parse::<u64>().with_context(|| format!("{}: {text}", board.name()));
        let (mut object, mut layers) = (None, Vec::new());
        for line in printed.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["network", kernel, instructions, outputs, values, stack] => {
                    let wanted = (format!("{:016x}", self.hashes.0), format!("{:016x}", self.hashes.1));
                    let agrees = (outputs, values) == (&wanted.0[..], &wanted.1[..]);
                    ensure!(
                        agrees,
                        "{} on {}: outputs {outputs}, values {values}; the host's {wanted:?}",
                        self.name,
                        board.name()
                    );
                    let (instructions, macs) = (number(instructions)?, macs(&model));
                    object = Some(json!({
                        "network": self.name, "board": board.name(), "kernel": kernel, "instructions": instructions, "macs": macs,
                        "instructions_per_mac": per_mac(instructions, macs), "arena_bytes": model.arena_bytes(),
                        "weights_bytes": model.constant_bytes(), "stack_bytes": number(stack)?, "output_hash": outputs,
                    }));
                }
                ["layer", i, instructions] => layers.push(layer(&model, number(i)? as u16, number(instructions)?)),
                _ => bail!("{} on {}: unexpected line: {line}", self.name, board.name()),
            }
        }
        let mut object = object.with_context(|| format!("{} on {}: no counts", self.name, board.name()))?;
        if wants_cycles && let Some(estimate) = cycles::estimate(workspace, board, image, Some(&self.loader(image)?))? {
            add_cycles(&mut object, &mut layers, &estimate);
        }
        object["layers"] = json!(layers);
        Ok(object)
    }

    /// QEMU's loader puts the file where the image looks for it.
    fn loader(&self, image: &Path) -> Result<String> {
        Ok(format!("loader,file={},addr={:#x},force-raw=on", self.path.display(), symbol(image, "__model")?))
    }
}

fn parse<'f>(path: &Path, file: &'f [u8]) -> Result<Model<'f>> {
    Model::parse(file).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// Imports it with rownet-convert; the engine's file.
fn import(workspace: &Workspace, path: &Path, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("boards/networks");
    fs::create_dir_all(&folder)?;
    let out = folder.join(format!("{name}.cxr"));
    let mut convert = workspace.cargo("run --quiet --release --package rownet-convert --example import --");
    convert.arg(fs::canonicalize(path)?).arg(&out);
    output(convert)?;
    Ok(out)
}

/// Multiply-accumulates of convolutions and dense layers; pools and additions multiply nothing.
fn macs(model: &Model<'_>) -> u64 {
    (0..model.operator_count() as u16).map(|i| layer_macs(model, i)).sum()
}

fn layer_macs(model: &Model<'_>, i: u16) -> u64 {
    match model.operator(i) {
        Some(operator) if matches!(operator.op, Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::Dense { .. }) => {
            operator.op.macs(model.shape(operator.a), model.shape(i + 1))
        }
        _ => 0,
    }
}

fn layer(model: &Model<'_>, i: u16, instructions: u64) -> Value {
    let macs = layer_macs(model, i);
    json!({
        "name": layer_name(model, i), "instructions": instructions, "macs": macs,
        "instructions_per_mac": if macs == 0 { Value::Null } else { json!(per_mac(instructions, macs)) },
    })
}

/// Operator, window and shapes, as in `conv 3x3/2 48x48x8 -> 16`.
fn layer_name(model: &Model<'_>, i: u16) -> String {
    let Some(operator) = model.operator(i) else { return String::new() };
    let (from, to) = (model.shape(operator.a), model.shape(i + 1));
    let kind = match operator.op {
        Op::Conv2d { window, .. } => format!("conv {}x{}/{}", window.kernel[0], window.kernel[1], window.stride[0]),
        Op::DepthwiseConv2d { window } => format!("depthwise {}x{}/{}", window.kernel[0], window.kernel[1], window.stride[0]),
        op => {
            let name = format!("{op:?}").to_lowercase();
            name.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
        }
    };
    format!("{i} {kind} {}x{}x{} -> {}", from.height, from.width, from.channels, to.channels)
}

/// The run under the plugin has instructions of its own, which mark the layers: cycles are in proportion to those counted without.
pub fn add_cycles(object: &mut Value, layers: &mut [Value], estimate: &Estimate) {
    let (mut total, mut ran) = (0.0, 0);
    for (i, layer) in (0u16..).zip(layers) {
        let cycles = estimate.layers.get(&i).copied().unwrap_or_default();
        let instructions = estimate.instructions.get(&i).copied().unwrap_or_default();
        let counted = layer["instructions"].as_f64().unwrap_or_default();
        let scaled = cycles * counted / instructions.max(1) as f64;
        layer["cycles_estimate"] = json!(scaled.round() as u64);
        (total, ran) = (total + cycles, ran + instructions);
    }
    let scaled = (total * object["instructions"].as_f64().unwrap_or_default() / ran.max(1) as f64).round() as u64;
    object["cycles_estimate"] = json!(scaled);
    object["cycles_per_mac_estimate"] = json!(per_mac(scaled, object["macs"].as_u64().unwrap_or_default()));
    object["cycles_model"] = json!(estimate.model);
}

/// To four places.
fn per_mac(count: u64, macs: u64) -> f64 {
    (count as f64 / macs.max(1) as f64 * 1e4).round() / 1e4
}

/// The networks of a folder, or the one.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| ["tflite", "onnx", "cxr", "rnet"].iter().any(|known| end == *known)) {
            files.push(file);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{}: no .tflite, .onnx, .cxr or .rnet", path.display());
    Ok(files)
}

/// What is measured, and what is done with it.
pub struct Task<'a> {
    /// A network, or a folder of them.
    pub path: &'a Path,
    /// Boards; none: all.
    pub boards: &'a [Board],
    /// Estimate cycles where there is a model.
    pub wants_cycles: bool,
    /// Print JSON.
    pub is_json: bool,
}

/// Builds a board's image and puts it where another board of the same target does not overwrite it.
fn image(workspace: &Workspace, board: Board) -> Result<PathBuf> {
    let built = board.build(workspace, &["rownet"])?.join("rownet");
    let folder = workspace.target.join("boards");
    fs::create_dir_all(&folder)?;
    let image = folder.join(format!("rownet-{}.elf", board.name()));
    fs::copy(&built, &image).with_context(|| built.display().to_string())?;
    Ok(image)
}

/// Measures every network on every board and prints.
pub fn bench(workspace: &Workspace, task: &Task<'_>) -> Result<Vec<Value>> {
    let boards = if task.boards.is_empty() { Board::value_variants() } else { task.boards };
    let (files, mut refused, mut measured) = (files(task.path)?, Vec::new(), Vec::new());
    let mut images = Vec::new();
    for board in boards {
        images.push((*board, image(workspace, *board)?));
    }
    for file in &files {
        let network = match Network::read(workspace, file) {
            Ok(network) => network,
            // Of a folder, those that can be imported run.
            Err(error) if files.len() > 1 && file.extension().is_some_and(|end| end == "tflite" || end == "onnx") => {
                eprintln!("not run: {}: {error:#}", file.display());
                continue;
            }
            Err(error) => return Err(error),
        };
        for (board, image) in &images {
            match network.measure(workspace, *board, image, task.wants_cycles) {
                Ok(result) => {
                    if task.is_json {
                        println!("{result}");
                    } else {
                        print(&result);
                    }
                    measured.push(result);
                }
                Err(error) => {
                    eprintln!("error: {error:#}");
                    refused.push(format!("{} on {}", network.name, board.name()));
                }
            }
        }
    }
    ensure!(refused.is_empty(), "not measured: {}", refused.join(", "));
    ensure!(!measured.is_empty(), "{}: no network ran", task.path.display());
    Ok(measured)
}

fn print(result: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = |key: &str| text(&result[key]);
    println!("{} on {}: {}, output hash {}", key("network"), key("board"), key("kernel"), key("output_hash"));
    println!("  {:<44} {:>12} {:>12} {:>8} {:>12}", "", "instructions", "MACs", "per MAC", "cycles, est.");
    let line = |name: &str, row: &Value| {
        let per_mac = if row["macs"] == 0 { String::new() } else { text(&row["instructions_per_mac"]) };
        let cycles = if row["cycles_estimate"].is_null() { String::new() } else { text(&row["cycles_estimate"]) };
        println!("  {name:<44} {:>12} {:>12} {per_mac:>8} {cycles:>12}", text(&row["instructions"]), text(&row["macs"]));
    };
    for row in result["layers"].as_array().into_iter().flatten() {
        line(&text(&row["name"]), row);
    }
    line("network", result);
    println!("  bytes: arena {}, weights {}, stack {}", key("arena_bytes"), key("weights_bytes"), key("stack_bytes"));
}
