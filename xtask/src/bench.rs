//! `cargo xtask bench`: exact instruction counts on the boards that QEMU emulates, and the gate on them.

mod board;
mod cortex_m;
mod cycles;
mod exact;
mod mca;
mod network;
mod symbols;
mod table;
mod trace;

use crate::shell::{Workspace, output, run};
use anyhow::{Context, Result, bail, ensure};
use board::Board;
use clap::Args;
use cxr_bench::{Buffers, LAYERS, NoCounter, network};
use cxr_core::format::{Model, Op};
use cxr_core::kernels::Kernel;
use network::Task;
pub use network::output_hash;
use object::{Object, ObjectSegment};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The boards that the committed counts of cxr-core are of.
const COUNTED: [Board; 6] =
    [Board::Mps2An385, Board::Mps2An386, Board::Mps2An500, Board::Mps2An505, Board::Mps3An547, Board::Riscv32];
/// The committed counts.
const TABLE: &str = "tests/instructions.json";
/// Growth of a count that the gate lets pass.
const TOLERANCE: f64 = 1.005;

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    /// Boards (default: all).
    #[arg(long = "board", value_name = "BOARD", value_enum, value_delimiter = ',')]
    boards: Vec<Board>,
    /// Count a network (.tflite, .onnx, .cxr), or each of a folder, instead of `default`; with --check and --update exactly, in
    /// tests/network_instructions.json.
    #[arg(long, value_name = "FILE|FOLDER")]
    network: Option<PathBuf>,
    /// Estimate the cycles of an image that marks its parts as firmware/board's `mark` does: for a look at the model itself.
    #[arg(long, value_name = "ELF", conflicts_with = "network")]
    image: Option<PathBuf>,
    /// Estimate cycles, too: of the Cortex-M4 by its manual, of the M7, M33 and M55 by llvm-mca.
    #[arg(long)]
    cycles: bool,
    /// Write the table of docs/networks.md.
    #[arg(long, requires = "network")]
    docs: bool,
    /// Print one JSON object a board, a line each.
    #[arg(long)]
    json: bool,
    /// Compare with tests/instructions.json and fail where a count has grown by over 0.5 %.
    #[arg(long)]
    check: bool,
    /// Rewrite tests/instructions.json.
    #[arg(long, conflicts_with = "check")]
    update: bool,
}

/// Runs the images; what they print becomes one object.
fn measure(board: Board, workspace: &Workspace, model: &Model<'_>, hashes: &Hashes, wants_cycles: bool) -> Result<Value> {
    let folder = board.build(workspace, &["bench", "infer"])?;
    let printed = output(board.qemu(workspace, &folder.join("bench"))?)?;
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    let number = |text: &str| text.parse::<u64>().with_context(|| format!("{}: {text}", board.name()));
    let (mut totals, mut stack, mut per_layer, mut peers, mut others) = (None, 0, vec![], vec![], vec![]);
    for line in &lines {
        match line[..] {
            ["network", kernel, colour, gray, hash] => totals = Some((kernel, number(colour)?, number(gray)?, hash)),
            ["network_layer", i, count] => {
                let layer = model.layer(number(i)? as usize).context("more layers than the model has")?;
                per_layer.push(counted(json!({ "layer": number(i)?, "op": op(layer.op) }), number(count)?, layer.macs()));
            }
            ["stack", bytes] => stack = number(bytes)?,
            ["layer", kernel, i, count, hash] => {
                let i = number(i)? as usize;
                let layer = LAYERS.get(i).context("more layers than cxr_bench::LAYERS")?;
                ensure!(hash == hashes.layers[i], "{}, {kernel}, {}: not the host's bytes", board.name(), layer.name);
                let fields = json!({ "layer": layer.name, "kernel": kernel, "hash": hash });
                let first = peers.first().is_none_or(|peer: &Value| peer["kernel"] == kernel);
                if first { &mut peers } else { &mut others }.push(counted(fields, number(count)?, layer.macs()));
            }
            _ => bail!("{}: unexpected line: {}", board.name(), line.join(" ")),
        }
    }
    let (kernel, instructions, gray, hash) = totals.with_context(|| format!("{}: no counts", board.name()))?;
    ensure!(hash == hashes.network, "{}: verdict hash {hash}, the host's is {}", board.name(), hashes.network);
    let mut object = counted(json!({ "board": board.name(), "kernel": kernel }), instructions, model.macs());
    object["gray_instructions"] = json!(gray);
    object["per_layer"] = json!(per_layer);
    if wants_cycles && let Some(estimate) = cycles::estimate(workspace, board, &folder.join("bench"), None)? {
        network::add_cycles(&mut json!({}), &mut peers, &estimate);
    }
    object["peer_layers"] = json!(peers);
    object["other_kernels"] = json!(others);
    object["arena_bytes"] = json!(model.arena_bytes());
    object["flash_bytes"] = json!(flash_bytes(&folder.join("infer"))?);
    object["stack_bytes"] = json!(stack);
    object["verdict_hash"] = json!(hash);
    Ok(object)
}

/// What the host computes, with the definition.
struct Hashes {
    layers: Vec<String>,
    network: String,
}

impl Hashes {
    fn compute(model: &Model<'_>) -> Result<Self> {
        let mut buffers = Box::new(Buffers::new());
        let hex = |hash| format!("{hash:016x}");
        let layers = LAYERS.iter().map(|layer| hex(layer.run(&Kernel::SCALAR, &mut buffers, &NoCounter).1)).collect();
        let (mut arena, mut row) = (vec![0; model.arena_bytes()], vec![0; model.input().row_len()]);
        let report = network(model, Kernel::SCALAR, &mut arena, &mut row, &NoCounter, &mut || ());
        let report = report.map_err(|error| anyhow::anyhow!("the host's run: {error}"))?;
        Ok(Self { layers, network: hex(report.hash) })
    }
}

/// `fields` with a count and what it is per multiply-accumulate.
fn counted(mut fields: Value, instructions: u64, macs: u64) -> Value {
    fields["instructions"] = json!(instructions);
    fields["macs"] = json!(macs);
    fields["per_mac"] = json!((instructions as f64 / macs.max(1) as f64 * 1e4).round() / 1e4);
    fields
}

fn op(op: Op) -> &'static str {
    match op {
        Op::Conv2d(_) => "conv_2d",
        Op::DepthwiseConv2d(_) => "depthwise_conv_2d",
        Op::Dense => "dense",
        _ => "pool",
    }
}

/// What an image puts into flash: code, constants, the model.
fn flash_bytes(image: &Path) -> Result<u64> {
    let data = fs::read(image).with_context(|| image.display().to_string())?;
    let file = object::File::parse(&*data).with_context(|| image.display().to_string())?;
    Ok(file.segments().map(|segment| segment.file_range().1).sum())
}

/// Measures, and prints or compares.
pub fn bench(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(image) = &options.image {
        let [board] = options.boards[..] else { bail!("--image: name one --board") };
        return cycles::print(workspace, board, image);
    }
    if let Some(path) = &options.network {
        let task = Task { path, boards: &options.boards, wants_cycles: options.cycles, is_json: options.json };
        let measured = network::bench(workspace, &task)?;
        if options.docs {
            table::write(workspace, &measured)?;
        }
        if options.update {
            exact::update(workspace, &measured)?;
        }
        return if options.check { exact::check(workspace, &measured) } else { Ok(()) };
    }
    let path = workspace.root.join("models/default.cxr");
    let file = fs::read(&path).with_context(|| path.display().to_string())?;
    let model = Model::parse(&file).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let hashes = Hashes::compute(&model)?;
    let boards = if options.boards.is_empty() { &COUNTED[..] } else { &options.boards };
    let mut measured = Vec::new();
    for board in boards {
        let result = measure(*board, workspace, &model, &hashes, options.cycles)?;
        if options.json {
            println!("{result}");
        } else {
            print_table(&result);
        }
        measured.push(result);
    }
    if options.update {
        update(workspace, &measured)?;
    }
    if options.check { check(workspace, &measured) } else { Ok(()) }
}

fn print_table(result: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    println!("{}: {}, verdict hash {}", text(&result["board"]), text(&result["kernel"]), text(&result["verdict_hash"]));
    println!("  {:<32} {:>12} {:>8} {:>12}", "", "instructions", "per MAC", "cycles, est.");
    let line = |name: &str, row: &Value| {
        let cycles = if row["cycles_estimate"].is_null() { String::new() } else { text(&row["cycles_estimate"]) };
        println!("  {name:<32} {:>12} {:>8} {cycles:>12}", text(&row["instructions"]), text(&row["per_mac"]));
    };
    for row in result["peer_layers"].as_array().into_iter().flatten() {
        line(&text(&row["layer"]), row);
    }
    line("default network", result);
    println!("  the same, rows of gray           {:>12}", text(&result["gray_instructions"]));
    for row in result["per_layer"].as_array().into_iter().flatten() {
        line(&format!("  layer {} {}", text(&row["layer"]), text(&row["op"])), row);
    }
    let bytes = ["arena_bytes", "flash_bytes", "stack_bytes"].map(|key| text(&result[key]));
    println!("  bytes: arena {}, flash {}, stack {}", bytes[0], bytes[1], bytes[2]);
}

/// The counts of a result by name.
fn counts(result: &Value) -> Vec<(String, u64)> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let mut counts = vec![
        ("network".to_owned(), count(&result["instructions"])),
        ("network, gray".to_owned(), count(&result["gray_instructions"])),
    ];
    for row in result["peer_layers"].as_array().into_iter().flatten() {
        counts.push((row["layer"].as_str().unwrap_or_default().to_owned(), count(&row["instructions"])));
    }
    counts
}

fn read_table(workspace: &Workspace) -> Result<Value> {
    let text = fs::read_to_string(workspace.root.join(TABLE)).context(TABLE)?;
    serde_json::from_str(&text).context(TABLE)
}

fn update(workspace: &Workspace, measured: &[Value]) -> Result<()> {
    let mut table = if workspace.root.join(TABLE).exists() { read_table(workspace)? } else { json!({}) };
    table["rustc"] = json!(exact::compiler(workspace)?);
    for result in measured {
        let name = result["board"].as_str().context("board")?;
        table["boards"][name] = counts(result).into_iter().map(|(name, count)| (name, json!(count))).collect();
    }
    let path = workspace.root.join(TABLE);
    let beside = path.with_extension("json.new");
    fs::write(&beside, format!("{table:#}\n")).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, &path).with_context(|| path.display().to_string())
}

/// Fails if a count has grown beyond the tolerance. Counts of another compiler do not compare.
fn check(workspace: &Workspace, measured: &[Value]) -> Result<()> {
    let table = read_table(workspace)?;
    let compiler = exact::compiler(workspace)?;
    if table["rustc"] != json!(compiler) {
        println!("{TABLE} was made with {}, this is {compiler}: counts not compared", table["rustc"]);
        return Ok(());
    }
    let mut grown = Vec::new();
    for result in measured {
        let board = result["board"].as_str().context("board")?;
        for (name, found) in counts(result) {
            let expected = table["boards"][board][&name].as_u64();
            let expected =
                expected.with_context(|| format!("{TABLE}: no {name} of {board}; run `cargo xtask bench --update`"))?;
            if found as f64 > expected as f64 * TOLERANCE {
                grown.push(format!("{board}, {name}: {expected} -> {found}"));
            } else if expected as f64 > found as f64 * TOLERANCE {
                println!("{board}, {name}: {expected} -> {found}; keep it with `cargo xtask bench --update`");
            }
        }
    }
    ensure!(grown.is_empty(), "instruction counts have grown: {}", grown.join("; "));
    println!("no instruction count has grown beyond {TABLE}");
    Ok(())
}

/// Every kernel of every board against the definition, on the board.
pub fn kernels(workspace: &Workspace) -> Result<()> {
    for board in COUNTED {
        let folder = board.build(workspace, &["kernels"])?;
        run(board.qemu(workspace, &folder.join("kernels"))?)?;
    }
    Ok(())
}

/// `bench --check` of every board.
pub fn gate(workspace: &Workspace) -> Result<()> {
    let all = Options {
        boards: vec![],
        network: None,
        image: None,
        cycles: false,
        docs: false,
        json: false,
        check: true,
        update: false,
    };
    bench(workspace, &all)
}

/// The engine's own networks on boards of four kinds: the host's bytes, and exactly the instructions of the table.
pub fn networks(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join("core/engine/tests");
    let boards = [Board::Mps2An386, Board::Mps3An547, Board::Mps2An385, Board::Riscv32];
    let task = Task { path: &path, boards: &boards, wants_cycles: false, is_json: true };
    exact::check(workspace, &network::bench(workspace, &task)?)
}
