//! A board under QEMU and the serial line to it.

use super::board::Board;
use crate::shell::Workspace;
use anyhow::{Context, Result, anyhow, bail, ensure};
use cxr_core::format::Model;
use cxr_protocol::client::{Client, Error, Transport};
use cxr_protocol::message::{Format, SelfTest, Window};
use cxr_protocol::testing::Image;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long QEMU may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running QEMU; it ends with this value.
pub struct Emulator {
    process: Child,
    /// Its serial line.
    pub line: Line,
}

/// A serial socket.
pub struct Line(TcpStream);

impl Emulator {
    /// Starts a board. It connects to a port of ours, so that no two tests want the same one.
    pub fn start(workspace: &Workspace, board: &Board, image: &Path, counts: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let mut qemu = board.qemu(workspace, image, counts);
        qemu.args(["-serial", &format!("tcp:{},nodelay=on", listener.local_addr()?)]);
        let mut process = qemu.spawn().with_context(|| format!("cannot start QEMU for {}", board.name))?;
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(Self { process, line: Line(stream) });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(5)),
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = process.try_wait()? {
                bail!("{}: QEMU ended with {status}", board.name);
            }
            if start.elapsed() > PATIENCE {
                let _ = process.kill();
                bail!("{}: QEMU does not open its serial line", board.name);
            }
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Line {
    /// The same line once more.
    pub fn again(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl Transport for Line {
    type Error = io::Error;

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn receive(&mut self, bytes: &mut [u8], millis: u32) -> io::Result<usize> {
        self.0.set_read_timeout(Some(Duration::from_millis(millis.max(1).into())))?;
        match self.0.read(bytes) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "QEMU ended")),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
            other => other,
        }
    }

    fn millis(&mut self) -> u32 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_millis() as u32
    }
}

/// What a board said and did.
pub struct Measured {
    /// Result of its self-test; the stack's depth is that of everything before it, images over the line among it.
    pub self_test: SelfTest,
    /// Bytes of arena.
    pub arena: u32,
    /// Name of its kernel.
    pub kernel: String,
}

/// Runs a board: images over the line against `cxr-core` here, its self-test, a panic.
pub fn measure(workspace: &Workspace, board: &Board, image: &Path) -> Result<Measured> {
    let emulator = Emulator::start(workspace, board, image, true)?;
    let mut client = Client::new(emulator.line.again()?, 30_000);
    let named = |error: Error<io::Error>| anyhow!("{}: {error:?}", board.name);
    let (arena, kernel) = client.hello(|hello| (hello.arena, hello.kernel.to_owned())).map_err(named)?;

    let path = workspace.root.join("models/default.cxr");
    let file = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let model = Model::parse(&file)?;
    let is_default = client.hello(|hello| hello.model == "default").map_err(named)?;
    let images = [
        Image::new(40, 300, Format::Gray8, Window::FULL_8, 1024, 1),
        Image::new(200, 9, Format::Rgb16, Window { low: 900, high: 50_000, invert: true }, 1000, 2),
    ];
    for (number, image) in (1..).zip(images.iter().filter(|_| is_default)) {
        let mut attempt = 0;
        let verdict = loop {
            attempt += 1;
            match client.classify(&image.numbered(100 * number + attempt), &image.pixels, image.chunk, |_| ()) {
                // Counted time runs ahead of the clock: a busy machine can look like a silent host.
                Err(error) if error.is_passing() && attempt < 5 => (),
                other => break other.map_err(named)?,
            }
        };
        let mut map = vec![0; cxr_core::explain::map_len(&model)];
        client.map(100 * number + attempt, &mut map).map_err(named)?;
        let bits: Vec<u32> = verdict.scores.iter().map(|score| score.logit.to_bits()).collect();
        ensure!((bits, map) == image.expected::<256>(&model), "{}: other bits than cxr-core here", board.name);
    }

    let self_test = client.self_test().map_err(named)?;
    let report = client.drill().map_err(named)?;
    ensure!(report.message == "drill" && report.file.ends_with("main.rs"), "{}: reported {report:?}", board.name);
    client.hello(|_| ()).map_err(named)?;
    Ok(Measured { self_test, arena, kernel })
}
