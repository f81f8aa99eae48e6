//! Faults on a board's serial line: whatever is lost, repeated, damaged, late or cut off, no verdict is wrong.

use super::args::Args;
use super::board::Board;
use super::line::{Emulator, Line};
use crate::shell::Workspace;
use anyhow::{Context, Result, anyhow, bail, ensure};
use cxr_core::format::{Model, Op};
use cxr_core::session::Session;
use cxr_protocol::client::{Client, Error};
use cxr_protocol::frame::crc32;
use cxr_protocol::message::{Format, Window};
use cxr_protocol::testing::{self, Failure, Faulty, HARMS, Image, WIDTH};
use cxr_testkit::Lcg;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The board in question.
const BOARD: &str = "mps2-an386";
/// Milliseconds that the host waits for a reply. Where the machine is busy and that is too short, the reply is a late one.
const TIMEOUT: u32 = 120;
/// Nothing may take longer.
const HANG: Duration = Duration::from_secs(60);
/// The first state of the fixture's image.
const SEED: u32 = 1;

/// Injects at least `wanted` faults and returns the figures.
///
/// # Errors
/// A wrong verdict, a hang, or a board that does not answer afterwards.
pub fn faults(workspace: &Workspace, wanted: u64) -> Result<Value> {
    let board = Board::named(BOARD)?;
    let (model, fixture) = write_model(&workspace.target.join("boards"))?;
    let file = fs::read(&model)?;
    let args = Args { model: Some(model), fixture: Some(fixture), ..Args::default() };
    // In a folder of its own, so that the image with the other model stays as it is.
    let apart = Workspace { root: workspace.root.clone(), target: workspace.target.join("boards/faults") };
    let image = board.build(&apart, &args)?;
    let model = Model::parse(&file)?;
    let images: Vec<(Image, Vec<u32>)> = (0..12)
        .map(|i| {
            let format = [Format::Gray8, Format::Rgb8, Format::Gray16, Format::Rgb16][i % 4];
            let image = Image::new(3 + i as u16, 14 - i as u16, format, Window::FULL_16, 24, i as u64);
            let expected = image.expected::<WIDTH>(&model).0;
            (image, expected)
        })
        .collect();

    let emulator = Emulator::start(workspace, board, &image, false)?;
    let started = Instant::now();
    let mut line = Faulty::new(emulator.line.again()?, wanted);
    let (mut right, mut attempts, mut panics, mut slowest) = (0u64, 0u32, 0u32, Duration::ZERO);
    while line.total() < wanted {
        line.one_in = [3, 8, 20, 60][attempts as usize / 20 % 4];
        let (image, expected) = &images[attempts as usize % images.len()];
        attempts += 1;
        let begun = Instant::now();
        let mut client = Client::new(line, TIMEOUT);
        match client.classify(&image.numbered(attempts), &image.pixels, image.chunk, |_| ()) {
            Ok(verdict) => {
                let bits: Vec<u32> = verdict.scores.iter().map(|score| score.logit.to_bits()).collect();
                ensure!(bits == *expected, "a wrong verdict after {} faults", client.transport().total());
                right += 1;
            }
            Err(Error::Line(Failure::HostReset)) => (),
            Err(error) if error.is_passing() => (),
            Err(error) => bail!("{error:?}"),
        }
        slowest = slowest.max(begun.elapsed());
        ensure!(slowest < HANG, "a hang after {} faults", client.transport().total());
        line = client.into_transport();
        if attempts.is_multiple_of(100) {
            panics += u32::from(attempts.is_multiple_of(500));
            line = recover(line, attempts.is_multiple_of(500))?;
        }
    }
    // Undisturbed again, the board gives every verdict.
    line = recover(line, false)?;
    let mut client = Client::new(line, 10_000);
    for (number, (image, expected)) in (attempts + 1..).zip(&images) {
        let verdict = client.classify(&image.numbered(number), &image.pixels, image.chunk, |_| ());
        let verdict = verdict.map_err(|error| anyhow!("after the faults: {error:?}"))?;
        ensure!(verdict.scores.iter().map(|score| score.logit.to_bits()).eq(expected.iter().copied()), "a wrong verdict");
    }
    let line = client.into_transport();
    let kinds: serde_json::Map<String, Value> =
        HARMS.iter().zip(line.done).map(|(harm, count)| (format!("{harm:?}"), json!(count))).collect();
    Ok(json!({
        "board": BOARD,
        "faults": line.total(),
        "kinds": kinds,
        "images": attempts,
        "right_verdicts": right,
        "wrong_verdicts": 0,
        "hangs": 0,
        "panic_drills": panics,
        "slowest_seconds": slowest.as_secs_f64(),
        "seconds": started.elapsed().as_secs_f64(),
    }))
}

/// An undisturbed hello, within a few tries since late replies may still be on their way; optionally a panic before.
fn recover(mut line: Faulty<Line>, drill: bool) -> Result<Faulty<Line>> {
    line.calm();
    let mut client = Client::new(line, 10_000);
    client.hello(|_| ()).map_err(|error| anyhow!("the board does not recover: {error:?}"))?;
    if drill {
        client.drill().map_err(|error| anyhow!("the board does not restart: {error:?}"))?;
    }
    Ok(client.into_transport())
}

/// Writes the small test model and its fixture, made by `cxr-core`: here the line is tested, not the arithmetic.
fn write_model(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let file = testing::MODEL;
    let model = Model::parse(file)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;
    let layers = (0..model.layer_count()).filter_map(|i| model.layer(i)).filter(|layer| layer.op != Op::Dense);
    let mut sums: Vec<_> = layers.map(|_| crc32()).collect();
    let mut pixels = Lcg(SEED);
    for _ in 0..model.input().height {
        let row: Vec<u8> = pixels.by_ref().take(model.input().row_len()).collect();
        session.push_row_observed(&row, &mut |layer, _, values| {
            values.iter().for_each(|value| sums[layer].update(&value.to_le_bytes()));
        })?;
    }
    let verdict = session.finish()?;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(file);
    let fixture = json!({
        "model_sha256": digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "input": { "kind": "lcg", "seed": SEED },
        "layers": sums.into_iter().map(|sum| json!({ "crc32": sum.finalize() })).collect::<Vec<_>>(),
        "logits_bits": verdict.logits().iter().map(|logit| logit.to_bits()).collect::<Vec<_>>(),
    });
    let (model, json) = (folder.join("faults.cxr"), folder.join("faults.json"));
    fs::write(&model, file)?;
    fs::write(&json, fixture.to_string())?;
    Ok((model, json))
}
