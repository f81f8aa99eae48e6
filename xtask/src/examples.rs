//! The examples of `firmware/examples` under QEMU: what they print and answer is what the same code computes here.

use crate::bare_metal::Toolchain;
use crate::firmware::{Board, Emulator, Line};
use crate::install;
use crate::shell::{Workspace, output, run};
use anyhow::{Context, Result, anyhow, ensure};
use cxr_examples::camera::{Buffers, HEIGHT, Vision, WIDTH, row};
use cxr_examples::infer;
use cxr_examples::update::{CHUNK, Refusal, Reply, Request, sign_over};
use cxr_protocol::client::Transport;
use cxr_protocol::frame::{Decoder, encode};
use ed25519_dalek::{Signer, SigningKey};
use rownet::model::Model;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Boards that run all of them.
const BOARDS: [&str; 2] = ["mps2-an386", "rv32-virt"];

/// Where QEMU's loader puts a file: the region MODEL of the board's map.
const LOADED: [&str; 2] = ["0x00200000", "0x80200000"];

/// Tests on the host, then each example on each board.
pub fn test(workspace: &Workspace) -> Result<()> {
    install::qemu(workspace)?;
    run(workspace.cargo("test --release --package cxr-examples --lib"))?;
    let read = |name: &str| {
        let path = workspace.root.join("core/engine/tests").join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let networks = [read("mobile.rnet")?, read("residual.rnet")?];
    for (name, address) in BOARDS.into_iter().zip(LOADED) {
        let board = Board::named(name)?;
        let built = build(workspace, board, board.name)?;
        shared_arena(board.qemu(workspace, &built.join("shared_arena"), false), name, &networks)?;
        let mut qemu = board.qemu(workspace, &built.join("external_flash"), false);
        let file = workspace.root.join("core/engine/tests/residual.rnet");
        qemu.args(["-device", &format!("loader,file={},addr={address},force-raw=on", file.display())]);
        external_flash(qemu, name, &networks[1])?;
        let emulator = Emulator::start(workspace, board, &built.join("signed_update"), false)?;
        signed_update(emulator.line.again()?, name, &networks)?;
    }
    camera(workspace)?;
    pico(workspace)
}

/// A camera's rows under embassy, on the Cortex-M4: MLPerf Tiny's network for persons, where it lies beside the checkout.
fn camera(workspace: &Workspace) -> Result<()> {
    let network = workspace.root.join("../shared/networks/vww_96_int8.tflite");
    if !network.is_file() {
        println!("skipped: camera: {} is not there", network.display());
        return Ok(());
    }
    let imported = workspace.target.join("vww.cxr");
    let mut import = workspace.cargo("run --quiet --release --package rownet-convert --example import --");
    import.arg(&network).arg(&imported);
    output(import)?;
    let board = Board::named(BOARDS[0])?;
    let built = build(workspace, board, "embassy")?;
    // Instructions are counted: the camera's clock is the board's, however busy this machine is.
    let mut qemu = board.qemu(workspace, &built.join("camera"), true);
    qemu.args(["-serial", "none", "-device"]).arg(format!("loader,file={},addr={},force-raw=on", imported.display(), LOADED[0]));
    let printed = output(qemu)?;

    let file = fs::read(&imported)?;
    let model = Model::parse(&file).map_err(|error| anyhow!("{error}"))?;
    let (mut arena, mut buffers) = (vec![0; model.arena_bytes()], Buffers::new());
    let expected = (|| {
        let mut vision = Vision::new(&model, &mut arena, &mut buffers)?;
        for y in 0..HEIGHT {
            let mut pixels = [0; WIDTH];
            row(y as u32, &mut pixels);
            vision.push(&pixels)?;
        }
        let (scores, crc) = vision.finish()?;
        Ok(format!("{crc:08x}\n{scores:?}\n"))
    })()
    .map_err(|error: rownet::error::Error| anyhow!("{error}"))?;
    ensure!(printed == expected, "camera: printed\n{printed}expected\n{expected}");
    println!(
        "camera, {}: {HEIGHT} rows of {WIDTH} pixels by interrupt, {} bytes of arena, no frame buffer",
        BOARDS[0],
        model.arena_bytes()
    );
    Ok(())
}

/// The same task on a Raspberry Pi Pico 2, its rows by PIO and DMA: built, since nothing here emulates an RP2350.
fn pico(workspace: &Workspace) -> Result<()> {
    let target = "thumbv8m.main-none-eabihf";
    let mut cargo = Toolchain::find(workspace, target)?.cargo(workspace, "build", "cxr-rp2350", target);
    cargo.args(["--features", "camera", "--bin", "cxr-rp2350-camera"]).env("CXR_FLASH", "512K").env("CXR_RAM", "256K");
    run(cargo)?;
    println!("camera, rp2350: built, not run");
    Ok(())
}

fn build(workspace: &Workspace, board: &Board, features: &str) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, board.target)?;
    let mut cargo = toolchain.cargo(workspace, "build", "cxr-examples", board.target);
    cargo.args(["--features", features]).env("CXR_FLASH", "512K").env("CXR_RAM", "256K");
    run(cargo)?;
    Ok(toolchain.folder(workspace).join(board.target).join("release"))
}

/// CRC-32 of a network's output here, and the bytes of its arena.
fn expected(file: &[u8], seed: u32) -> Result<(u32, usize)> {
    let model = Model::parse(file).map_err(|error| anyhow!("{error}"))?;
    let mut arena = vec![0; model.arena_bytes()];
    let crc = infer(&model, &mut arena, seed).map_err(|error| anyhow!("{error}"))?;
    Ok((crc, arena.len()))
}

fn shared_arena(mut qemu: Command, board: &str, networks: &[Vec<u8>; 2]) -> Result<()> {
    qemu.args(["-serial", "none"]);
    let printed = output(qemu)?;
    let sizes = [expected(&networks[0], 1)?.1, expected(&networks[1], 1)?.1];
    let mut lines = vec![format!("arena {}", sizes[0].max(sizes[1]))];
    for seed in 1..=3 {
        for network in networks {
            lines.push(format!("{:08x}", expected(network, seed)?.0));
        }
    }
    ensure!(printed.lines().eq(lines.iter()), "shared_arena, {board}: printed\n{printed}expected\n{}", lines.join("\n"));
    println!("shared_arena, {board}: six inferences, {} bytes in place of {}", sizes[0].max(sizes[1]), sizes[0] + sizes[1]);
    Ok(())
}

fn external_flash(mut qemu: Command, board: &str, network: &[u8]) -> Result<()> {
    qemu.args(["-serial", "none"]);
    let printed = output(qemu)?;
    // Pages of 256 bytes, one of them in two: the header comes first.
    let lines = [format!("reads {}", 1 + network.len().div_ceil(256)), format!("{:08x}", expected(network, 1)?.0)];
    ensure!(printed.lines().eq(lines.iter()), "external_flash, {board}: printed\n{printed}expected\n{}", lines.join("\n"));
    println!("external_flash, {board}: {} bytes in {}", network.len(), lines[0]);
    Ok(())
}

/// The host's end of the line.
struct Host {
    line: Line,
    decoder: Decoder<512>,
    /// Of the last request.
    number: u32,
}

impl Host {
    /// Sends a request until it is answered.
    fn ask(&mut self, request: Request<'_>) -> Result<Reply> {
        self.number += 1;
        let mut buffer = [0; 512];
        let frame = encode(&(self.number, request), &mut buffer).context("a request that fits")?;
        for _ in 0..10 {
            self.line.send(frame)?;
            let until = self.line.millis() + 5000;
            while self.line.millis() < until {
                let mut byte = [0];
                if self.line.receive(&mut byte, 1000)? == 1
                    && let Some(Ok(len)) = self.decoder.push(byte[0])
                {
                    let (number, reply) = self.decoder.message::<(u32, Reply)>(len).map_err(|fault| anyhow!("{fault:?}"))?;
                    // The reply to a request that was sent twice comes twice.
                    if number == self.number {
                        return Ok(reply);
                    }
                }
            }
        }
        Err(anyhow!("no answer to {request:?}"))
    }

    /// Sends a network; the last reply.
    fn update(&mut self, version: u32, network: &[u8], key: &SigningKey) -> Result<Reply> {
        let signature = key.sign(&sign_over(version, network)).to_bytes();
        let mut reply = self.ask(Request::Begin { version, len: network.len() as u32, signature: &signature })?;
        for (i, bytes) in network.chunks(CHUNK).enumerate() {
            if let Reply::Refused(_) = reply {
                return Ok(reply);
            }
            reply = self.ask(Request::Chunk { offset: (i * CHUNK) as u32, bytes })?;
        }
        if let Reply::Refused(_) = reply { Ok(reply) } else { self.ask(Request::Commit) }
    }
}

fn signed_update(line: Line, board: &str, networks: &[Vec<u8>; 2]) -> Result<()> {
    let mut host = Host { line, decoder: Decoder::new(), number: 0 };
    let (key, stranger) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let step = |what: &str, found: Reply, wanted: Reply| {
        ensure!(found == wanted, "signed_update, {board}: {what}: {found:?}, expected {wanted:?}");
        Ok(())
    };
    let status = |version, slot, network: &[u8]| {
        expected(network, 1).map(|(crc, _)| Reply::Status { version, slot, on_trial: false, crc })
    };
    step("no network yet", host.ask(Request::Status)?, Reply::Refused(Refusal::Network))?;
    step("the first network", host.update(1, &networks[0], &key)?, Reply::Installed)?;
    step("it runs", host.ask(Request::Status)?, status(1, 0, &networks[0])?)?;
    step("a stranger's key", host.update(2, &networks[1], &stranger)?, Reply::Refused(Refusal::Signature))?;
    step("an old version", host.update(1, &networks[1], &key)?, Reply::Refused(Refusal::NotNewer))?;
    step("the old one still runs", host.ask(Request::Status)?, status(1, 0, &networks[0])?)?;
    step("the second network", host.update(2, &networks[1], &key)?, Reply::Installed)?;
    step("it runs, too", host.ask(Request::Status)?, status(2, 1, &networks[1])?)?;
    println!("signed_update, {board}: two updates, two refusals");
    Ok(())
}
