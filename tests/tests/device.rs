//! `host device` against boards under QEMU, over a socket and over a terminal: the bits of `host predict`.
//!
//! `CXR_BOARDS` names the folder with the images (default: target/boards, where `cargo xtask firmware` puts them).

use cxr_tests::host::run;
use cxr_tests::{data, files, root};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::tempdir;

/// A running QEMU; it ends with this value.
struct Board {
    process: Child,
    port: String,
    monitor: Option<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn image(board: &str) -> PathBuf {
    let folder = std::env::var_os("CXR_BOARDS").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/PROFILE/deps/test
        test.ancestors().nth(3).expect("a target folder").join("boards")
    });
    let path = folder.join(board).with_extension("elf");
    assert!(path.is_file(), "{}: run `cargo xtask firmware --board {board}`, or set CXR_BOARDS", path.display());
    path
}

fn qemu(machine: &[&str], board: &str, serial: &str, monitor: &str) -> Command {
    let mut qemu = Command::new(machine[0]);
    qemu.args(&machine[1..]).args(["-display", "none", "-monitor", monitor, "-serial", serial]);
    qemu.args(["-semihosting-config", "enable=on,target=native"]).arg("-kernel").arg(image(board)).stdin(Stdio::null());
    qemu
}

/// Starts a board that listens on a port of QEMU's choice, which its monitor tells once it does: nobody else can have taken it, and
/// the first to connect is the test.
fn listening(machine: &[&str], board: &str) -> Board {
    let mut command = qemu(machine, board, "tcp:127.0.0.1:0,server=on,wait=off,nodelay=on", "stdio");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut monitor = process.stdin.take().expect("a pipe");
    writeln!(monitor, "info chardev").expect("QEMU's monitor");
    let answers = BufReader::new(process.stdout.take().expect("a pipe"));
    // Kept open: a monitor that ends, ends QEMU.
    let mut board = Board { process, port: String::new(), monitor: Some((monitor, answers)) };
    let (_, answers) = board.monitor.as_mut().expect("just made");
    let mut line = String::new();
    while !line.contains("serial0: ") {
        line.clear();
        assert!(answers.read_line(&mut line).expect("QEMU's words") > 0, "{command:?} tells no port");
    }
    // serial0: filename=disconnected:tcp:127.0.0.1:41837,server=on
    let port = line.split([',', '=', ' ']).find_map(|word| word.strip_prefix("disconnected:"));
    board.port = port.unwrap_or_else(|| panic!("{line}")).to_owned();
    board
}

/// Starts a board on a pseudo-terminal.
fn on_a_terminal(machine: &[&str], board: &str) -> Board {
    let mut command = qemu(machine, board, "pty", "none");
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("QEMU's words");
    // char device redirected to /dev/pts/3 (label serial0)
    let port = line.split(' ').find(|word| word.starts_with("/dev/")).unwrap_or_else(|| panic!("{line}")).to_owned();
    Board { process, port, monitor: None }
}

/// Everything but the time and the name of the model, which a board knows without a folder.
fn comparable(lines: Vec<Value>) -> Vec<Value> {
    let strip = |mut line: Value| {
        let object = line.as_object_mut().expect("an object");
        assert!(object.remove("milliseconds").is_some() && object.remove("model").is_some());
        line
    };
    lines.into_iter().map(strip).collect()
}

/// Small images of several kinds, beside the shipped sample.
fn images(folder: &Path) -> Vec<PathBuf> {
    let [gray, wide, colour] = ["gray.png", "gray16.png", "colour.png"].map(|name| folder.join(name));
    data::write_image(&gray, 1);
    let value = |x: u32, y: u32| (x * 977 + y * 3_331) as u16;
    image::ImageBuffer::from_fn(37, 91, |x, y| image::Luma([value(x, y)])).save(&wide).expect("a temporary image");
    image::RgbImage::from_fn(80, 33, |x, y| image::Rgb([0, 1, 2].map(|c| (value(x + 50 * c, y) >> 8) as u8)))
        .save(&colour)
        .expect("a temporary image");
    let sample = files(&root().join("data/samples"), "png").swap_remove(0);
    vec![gray, wide, colour, sample]
}

#[track_caller]
fn assert_like_predict(board: &Board, images: &[PathBuf]) {
    let folder = images[0].parent().expect("a folder");
    let with = |arguments: &[&str]| {
        let words = arguments.iter().map(|word| word.into());
        run(root(), words.chain(images.iter().map(|image| image.clone().into_os_string()))).success()
    };
    let predicted = with(&["predict", "--json"]);
    let maps = folder.join("maps");
    let maps = maps.to_str().expect("a name");
    let found = with(&["device", "--timeout", "60", "--json", "--port", &board.port]);
    assert_eq!(comparable(found.json_lines()), comparable(predicted.json_lines()));
    assert!(!found.stderr.contains("warning"), "{}", found.stderr);

    let drawn = run(root(), ["device", "--timeout", "60", "--port", &board.port, "--heatmap", maps, images[0].to_str().unwrap()]);
    let drawn = drawn.success().stdout;
    assert!(drawn.contains("verdict: ") || drawn.contains("no verdict"), "{drawn}");
    assert!(drawn.contains("not a medical device"), "{drawn}");
    let path = drawn.lines().find_map(|line| line.trim().strip_prefix("heatmap: ")).expect("a heatmap's path");
    let of_the_board = std::fs::read(path).expect("a heatmap");
    let again = run(root(), ["predict", "--json", "--heatmap", maps, images[0].to_str().unwrap()]).success().json_lines();
    assert_eq!(again[0]["heatmap"], path);
    assert!(of_the_board == std::fs::read(path).expect("a heatmap"), "the maps differ");
}

#[test]
fn a_cortex_m4_gives_the_bits_of_predict() {
    let board = listening(&["qemu-system-arm", "-M", "mps2-an386"], "mps2-an386");
    let folder = tempdir().expect("a temporary folder");
    let images = images(folder.path());
    assert_like_predict(&board, &images);

    // Another model than the board's is said so; a bad image leaves the board as it was.
    let gray = images[0].to_str().unwrap();
    let other = run(root(), ["device", "--port", &board.port, "--model", "models/seed.cxr", "--timeout", "60", gray]).success();
    assert!(other.stderr.contains("warning: the board's model default"), "{}", other.stderr);
    let letter = folder.path().join("letter.png");
    std::fs::write(&letter, "Dear Sir or Madam").expect("a temporary file");
    run(root(), ["device", "--port", &board.port, letter.to_str().unwrap()]).error(2, &["letter.png"]);
    let tested = run(root(), ["device", "--port", &board.port, "--timeout", "60", "--self-test", "--json"]).success();
    assert_eq!(tested.json_lines()[0]["passed"], true);
}

#[cfg(unix)]
#[test]
fn an_rv32_on_a_terminal_gives_the_bits_of_predict() {
    let board = on_a_terminal(&["qemu-system-riscv32", "-M", "virt", "-bios", "none"], "rv32-virt");
    let folder = tempdir().expect("a temporary folder");
    assert_like_predict(&board, &images(folder.path())[..3]);
}

#[test]
fn a_port_without_a_board_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("tcp:{}", listener.local_addr().expect("its address"));
    for (port, words) in
        [("/dev/no-such-port", "check the cable"), ("tcp:127.0.0.1:1", "is QEMU running"), (silent.as_str(), "silent")]
    {
        run(root(), ["device", "--port", port, "--timeout", "1", "x.png"]).error(2, &[port, words]);
    }
}
