//! A board that has said hello.

use super::pixels::Pixels;
use super::port::Port;
use crate::lungs::Frame;
use crate::model_file::{Answer, Map};
use crate::prediction::Source;
use crate::unseen;
use anyhow::{Context, Result, anyhow, bail, ensure};
use cxr_core::format::Doubt;
use cxr_protocol::client::{Client, Error, Panicked};
use cxr_protocol::fault::{Fault, FrameFault};
use cxr_protocol::message::{Begin, Decision, Hello, Score, SelfTest, Verdict};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often an image is sent before the line is given up.
const ATTEMPTS: u32 = 3;

/// What a board said of itself.
pub struct About {
    /// The board's name.
    pub name: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Name of its kernel.
    pub kernel: String,
    /// Bytes of its arena.
    pub arena: u32,
    /// Its model.
    pub source: Source,
    /// Height and width of the network's input.
    pub input: [usize; 2],
    map: [usize; 2],
    chunk: usize,
    row: usize,
}

/// A board on a line.
pub struct Board {
    /// What it said of itself.
    pub about: About,
    port: String,
    client: Client<Port>,
    /// Number of the last image.
    image: u32,
    /// Of the last verdict.
    scores: Vec<Score>,
}

impl Board {
    /// Says hello.
    ///
    /// # Errors
    /// Nothing answers, or nothing that speaks this protocol.
    pub fn connect(port: Port, name: &str, timeout: Duration) -> Result<Self> {
        let mut client = Client::new(port, timeout.as_millis() as u32);
        let mut attempt = 1;
        let about = loop {
            match client.hello(About::new) {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => attempt += 1,
                other => break other.map_err(|error| anyhow!("{name}: {}", text(&error)))?,
            }
        };
        if let Some(Panicked { message, file, line }) = client.panicked() {
            eprintln!("warning: {name}: the board's firmware failed earlier, at {file}:{line} ({message}): please report it");
        }
        ensure!(about.chunk > 0, "{name}: the board takes no pixels: flash another firmware");
        // A number that no late frame of an earlier run has.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let image = (now.as_nanos() as u32) ^ std::process::id().rotate_left(16);
        Ok(Self { about, port: name.to_owned(), client, image, scores: Vec::new() })
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        let About { name, firmware, kernel, arena, source, .. } = &self.about;
        format!(
            "board {name}, firmware {firmware}, kernel {kernel}, arena {arena} bytes, model {} (sha256 {})",
            source.model,
            &source.sha256[..16]
        )
    }

    /// Runs the board's self-test.
    ///
    /// # Errors
    /// The board does not answer.
    pub fn self_test(&mut self) -> Result<SelfTest> {
        self.client.self_test().map_err(|error| anyhow!("{}: {}", self.port, text(&error)))
    }

    /// Sends an image; it is sent again where the line failed. Returns the answer and the image's number.
    ///
    /// # Errors
    /// The board refuses the image, or the line keeps failing.
    pub fn classify(&mut self, pixels: &Pixels, mut progress: impl FnMut(usize)) -> Result<(Answer, u32)> {
        let Pixels { width, height, format, window, .. } = *pixels;
        let row = usize::from(width) * format.bytes();
        let limit = self.about.row;
        ensure!(row <= limit, "a row has {row} bytes, the board takes {limit}: reduce the image");
        let mut attempt = 1;
        let verdict = loop {
            self.image = self.image.wrapping_add(1).max(1);
            let begin = Begin { image: self.image, width, height, format, window };
            match self.client.classify(&begin, &pixels.bytes, self.about.chunk, &mut progress) {
                Ok(verdict) => break verdict,
                Err(error) if error.is_passing() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => bail!("{}: {}", self.port, text(&error)),
            }
        };
        self.scores = verdict.scores.to_vec();
        Ok((answer(&verdict), self.image))
    }

    /// Where the logit of a class came from, for the image that was classified last.
    ///
    /// # Errors
    /// The board does not answer.
    pub fn map(&mut self, image: u32, class: usize) -> Result<Map> {
        let [height, width] = self.about.map;
        let mut cells = vec![0; height * width * self.scores.len()];
        self.client.map(image, &mut cells).map_err(|error| anyhow!("{}: {}", self.port, text(&error)))?;
        let score = self.scores.get(class).context("no such class")?;
        let cells = cells.chunks_exact((height * width).max(1)).nth(class).context("the board sent no map")?;
        let cells = cells.iter().map(|cell| *cell as f32 * score.scale).collect();
        Ok(Map { size: [height, width], cells, bias: score.bias as f32 * score.scale })
    }
}

impl About {
    fn new(hello: &Hello<'_>) -> Self {
        Self {
            name: hello.board.to_owned(),
            firmware: hello.firmware.to_owned(),
            kernel: hello.kernel.to_owned(),
            arena: hello.arena,
            source: Source {
                model: hello.model.to_owned(),
                sha256: hello.model_sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
                classes: hello.classes.lines().map(str::to_owned).collect(),
                abstain_below: hello.abstain_below,
                refuse_above: hello.refuse_above,
                doubt: hello.doubt.map(|(class, above)| Doubt { class: class.into(), above }),
                unseen: unseen::NOT_MEASURED.to_owned(),
            },
            input: [hello.input[0], hello.input[1]].map(usize::from),
            map: hello.map.map(usize::from),
            chunk: hello.chunk.into(),
            row: hello.row.into(),
        }
    }
}

fn answer(verdict: &Verdict) -> Answer {
    let (class, reason) = match verdict.decision {
        Decision::Class(class) => (Some(usize::from(class)), None),
        Decision::OutOfDistribution => (None, Some("out_of_distribution")),
        Decision::LowConfidence => (None, Some("low_confidence")),
        Decision::DoubtfulClass => (None, Some("doubtful_class")),
        Decision::Withheld => (None, Some("withheld")),
    };
    Answer {
        // Whoever sent the picture knows.
        frame: Frame::Whole,
        logits: verdict.scores.iter().map(|score| score.logit).collect(),
        probabilities: verdict.scores.iter().map(|score| score.probability).collect(),
        class,
        reason: reason.map(str::to_owned),
        refusal_score: verdict.refusal_score,
        distance: verdict.distance,
    }
}

/// An error and its remedy.
fn text(error: &Error<io::Error>) -> String {
    match error {
        Error::Line(error) => format!("the line failed ({error}): check the cable"),
        Error::Silent => "the board is silent: check port, baud rate and power, or give it more --timeout".into(),
        Error::Late => "the board is busy and does not reply: restart it, or give it more --timeout".into(),
        Error::Damaged(FrameFault::Version { found, supported }) => {
            format!("the board speaks protocol {found}, this program {supported}: update the older one")
        }
        Error::Damaged(fault) => format!("the board's replies are damaged ({fault}): check baud rate and cable"),
        Error::Board(Fault::Frame(FrameFault::Version { found, supported })) => {
            format!("the board speaks protocol {supported}, this program {found}: update the older one")
        }
        Error::Board(fault) => format!("the board refused: {fault}"),
        Error::Restarted => "the board's firmware failed and started again: report it with the image's size".into(),
        Error::OtherPixels => "the verdict is for other pixels than were sent: check the line".into(),
        Error::TooLong => "a request is longer than a frame".into(),
    }
}
