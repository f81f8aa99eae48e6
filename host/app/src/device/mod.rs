//! `host device`: a verdict for each image, from a board on a serial line.
//!
//! The board resizes and classifies; this end decodes the file, sends its pixels and prints what comes back, in the
//! form of `host predict` and with the same bits. `docs/serial-protocol.md` describes the line.

mod board;
mod pixels;
pub use pixels::Pixels;
mod port;

use crate::classes::DISCLAIMER;
use crate::fail::CheckFailed;
use crate::fail::failures;
use crate::heatmap::Heatmaps;
use crate::lungs::{Finder, Frame, SIDE};
use crate::predict::inputs::{Input, NoImage};
use crate::predict::{CAUTION, Inputs};
use crate::prediction::{Prediction, likeliest};
use crate::{decode, heatmap, shipped, unseen};
use anyhow::{Context, Result, ensure};
use board::Board;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Arguments of `host device`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial port of the board: a tty such as /dev/ttyACM0, or tcp:HOST:PORT (QEMU's serial socket).
    #[arg(long, value_name = "PORT")]
    pub port: String,
    /// Images, as for `predict`.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Model that the board should hold; the shipped models/default.cxr if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// One JSON object per image and line.
    #[arg(long)]
    pub json: bool,
    /// Writes DIR/IMAGE.HASH.heatmap.png for each image, as `predict` does, from the board's map.
    #[arg(long, value_name = "DIR")]
    pub heatmap: Option<PathBuf>,
    /// Run the board's self-test first; exit 1 if it fails.
    #[arg(long)]
    pub self_test: bool,
    /// Bits a second of a tty; USB ignores them.
    #[arg(long, value_name = "RATE", default_value_t = 115_200)]
    pub baud: u32,
    /// Seconds of silence after which the board is given up; a reply may take thirty times as long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub timeout: u16,
}

/// Runs the command; every image is tried.
pub fn run(args: &Args) -> Result<()> {
    // A self-test wants no image.
    let inputs = if args.self_test && args.inputs.images.is_empty() { Vec::new() } else { args.inputs.expand()? };
    let port = port::Port::open(&args.port, args.baud)?;
    let mut board = Board::connect(port, &args.port, Duration::from_secs(args.timeout.into()))?;
    let finder = compare(&mut board, args.model.as_deref())?;
    if args.self_test {
        self_test(&mut board, args.json)?;
    }
    let heatmaps = args.heatmap.as_deref().map(Heatmaps::new);
    let (mut answered, mut failed) = (0, 0);
    for input in &inputs {
        match classify(&mut board, finder, input, heatmaps.as_ref()) {
            Ok(prediction) => {
                answered += 1;
                match args.json {
                    true => println!("{}", prediction.to_json(&board.about.source)),
                    false => println!("{}", prediction.text(&board.about.source)),
                }
            }
            Err(error) if error.is::<NoImage>() => eprintln!("passed over: {}: {error}", input.name()),
            Err(error) => {
                eprintln!("error: {error:#}");
                failed += 1;
            }
        }
    }
    if !args.json {
        println!("{}", board.describe());
        if answered > 0 {
            println!("{CAUTION}");
        }
        println!("{DISCLAIMER}");
    }
    failures(failed, answered + failed)
}

/// Says when the board's model is not the host's; of one that is, gets the figures and what finds lungs for it.
fn compare(board: &mut Board, model: Option<&Path>) -> Result<Option<Finder>> {
    let (file, report) = shipped::find(model)?;
    if file.sha256 != board.about.source.sha256 {
        eprintln!(
            "warning: the board's model {} (sha256 {}) is not {} (sha256 {}): its verdicts are its own, and pictures are sent whole",
            board.about.source.model,
            &board.about.source.sha256[..16],
            file.name,
            &file.sha256[..16]
        );
        return Ok(None);
    }
    if let Some(report) = report {
        board.about.source.unseen = unseen::sentence(&report["unseen"]);
    }
    Ok(file.engine()?.finder)
}

fn self_test(board: &mut Board, is_json: bool) -> Result<()> {
    let result = board.self_test()?;
    let passed = result.differences == 0;
    if is_json {
        println!(
            "{}",
            json!({
                "board": board.about.name,
                "firmware": board.about.firmware,
                "kernel": board.about.kernel,
                "model": board.about.source.model,
                "model_sha256": board.about.source.sha256,
                "arena_bytes": board.about.arena,
                "passed": passed,
                "layers": result.layers,
                "differences": result.differences,
                "verdict_crc32": format!("{:08x}", result.verdict_crc),
                "instructions": result.instructions,
                "stack_bytes": result.stack,
            })
        );
    } else {
        println!(
            "self-test {}: {} layers and the logits against onnxruntime, {} differences, logits' CRC-32 {:08x}",
            if passed { "passed" } else { "FAILED" },
            result.layers,
            result.differences,
            result.verdict_crc
        );
    }
    ensure!(passed, CheckFailed(format!("{}: the self-test failed: flash the firmware again", board.about.name)));
    Ok(())
}

fn classify(board: &mut Board, finder: Option<Finder>, input: &Input, heatmaps: Option<&Heatmaps>) -> Result<Prediction> {
    let started = Instant::now();
    let image = input.name();
    let bytes = input.read()?;
    let decoded = decode::Image::decode(&bytes, &image).map_err(|error| input.judge(error))?;
    let (pixels, frame) = match finder {
        None => (Pixels::new(&decoded)?, Frame::Whole),
        Some(finder) => {
            let (cut, frame) = finder.cut(&decoded.gray(SIDE, SIDE)?)?;
            (Pixels::of_gray(&cut), frame)
        }
    };
    let bar = ProgressBar::new(pixels.bytes.len() as u64).with_message(image.clone());
    bar.set_style(
        ProgressStyle::with_template("{msg} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")?.progress_chars("=> "),
    );
    let answer = board.classify(&pixels, |sent| bar.set_position(sent as u64));
    bar.finish_and_clear();
    let (mut answer, number) = answer.with_context(|| image.clone())?;
    answer.frame = frame;
    let mut prediction = Prediction::new(&image, &bytes, &decoded, answer);
    prediction.milliseconds = 1e3 * started.elapsed().as_secs_f64();
    if let Some(heatmaps) = heatmaps {
        let map = board.map(number, likeliest(&prediction.answer.probabilities)).with_context(|| image.clone())?;
        let [height, width] = board.about.input;
        let picture = heatmap::overlay(&decoded.gray(width, height)?, width, height, &map, frame);
        prediction.heatmap = Some(heatmaps.write(input.path(), &prediction.sha256, &picture)?);
    }
    Ok(prediction)
}
