//! What frames say. Field order is the format: postcard writes no names.

use crate::fault::Fault;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Most classes that a verdict lists, as in [`cxr_core::format::MAX_CLASSES`].
pub const MAX_CLASSES: usize = cxr_core::format::MAX_CLASSES;

/// How the pixels of an image are sent: rows from top to bottom, channels interleaved, 16-bit values little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// A byte a pixel.
    Gray8,
    /// Two bytes a pixel.
    Gray16,
    /// Three bytes a pixel.
    Rgb8,
    /// Six bytes a pixel.
    Rgb16,
}

impl Format {
    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Gray16 => 2,
            Self::Rgb8 => 3,
            Self::Rgb16 => 6,
        }
    }
}

/// Which levels are black and white, see [`cxr_core::image::Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Level shown black.
    pub low: u16,
    /// Level shown white.
    pub high: u16,
    /// Swap black and white.
    pub invert: bool,
}

impl Window {
    /// All levels of 8-bit images.
    pub const FULL_8: Self = Self { low: 0, high: 255, invert: false };
    /// All levels of 16-bit images.
    pub const FULL_16: Self = Self { low: 0, high: u16::MAX, invert: false };
}

impl From<Window> for cxr_core::image::Window {
    fn from(Window { low, high, invert }: Window) -> Self {
        Self { low, high, invert }
    }
}

/// Announces an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Number of the image, not 0; the host takes another one for every attempt.
    pub image: u32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Pixels.
    pub format: Format,
    /// Black and white.
    pub window: Window,
}

/// From the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who are you? Answered by [`Reply::Hello`]; ends an image in progress.
    Hello,
    /// An image follows. Answered by [`Reply::Ready`]; ends an image in progress.
    Begin(Begin),
    /// The next pixels, cut anywhere. Answered by [`Reply::Taken`].
    Rows {
        /// The image.
        image: u32,
        /// Counts the image's frames from 0.
        sequence: u32,
        /// At most [`Hello::chunk`] bytes.
        pixels: &'a [u8],
    },
    /// All pixels are sent. Answered by [`Reply::Verdict`].
    Finish {
        /// The image.
        image: u32,
        /// CRC-32 of all its pixels.
        crc: u32,
    },
    /// Where the logits of the last verdict came from. Answered by [`Reply::Map`].
    Map {
        /// The image.
        image: u32,
        /// First cell wanted.
        first: u32,
    },
    /// Forget the image in progress, if any. Answered by [`Reply::Idle`].
    Abort,
    /// Run the golden fixture. Answered by [`Reply::SelfTest`].
    SelfTest,
    /// Panic on purpose, to see the report and the restart; boards may refuse.
    Drill,
}

/// Who the board is and what it can take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The board.
    pub board: &'a str,
    /// Version of its firmware.
    pub firmware: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// SHA-256 of the model file.
    pub model_sha256: [u8; 32],
    /// Height, width and channels of the network's input.
    pub input: [u16; 3],
    /// Rows and columns of the map.
    pub map: [u16; 2],
    /// Bytes of arena.
    pub arena: u32,
    /// Name of the kernel.
    pub kernel: &'a str,
    /// Class names, one a line.
    pub classes: &'a str,
    /// Top probability under which verdicts are withheld.
    pub abstain_below: f32,
    /// Score above which a picture is refused, if the model can tell.
    pub refuse_above: Option<f32>,
    /// A class that pictures from unknown places are given too often, and the distance above which it is withheld.
    pub doubt: Option<(u8, f32)>,
    /// Most bytes of pixels in a frame.
    pub chunk: u16,
    /// Most bytes in a row of an image.
    pub row: u16,
}

/// What a verdict says of a class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The last layer's sum, bias included.
    pub accumulator: i32,
    /// Its bias; the map's cells sum to the rest.
    pub bias: i32,
    /// Logits for one unit of the accumulator.
    pub scale: f32,
    /// The logit.
    pub logit: f32,
    /// The calibrated probability.
    pub probability: f32,
}

/// A class, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Index of the class.
    Class(u8),
    /// The picture is unlike a frontal chest X-ray.
    OutOfDistribution,
    /// No class is likely enough.
    LowConfidence,
    /// Another reason, of a newer firmware.
    Withheld,
    /// The class takes a picture more like those that the model knows: see [`Hello::doubt`].
    DoubtfulClass,
}

/// The result for one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The image.
    pub image: u32,
    /// CRC-32 of the pixels that it was made from.
    pub crc: u32,
    /// The class, unless withheld.
    pub decision: Decision,
    /// How unlike the training images the picture is, if the model can tell.
    pub refusal_score: Option<f32>,
    /// How far it is from the training images, likewise: what [`Hello::doubt`] is compared with.
    pub distance: Option<f32>,
    /// Classes in the model's order.
    pub scores: Vec<Score, MAX_CLASSES>,
}

/// Result of a self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Layers compared with the fixture.
    pub layers: u16,
    /// Layers and logits that differ; 0 is a pass.
    pub differences: u16,
    /// CRC-32 of the logits, little-endian; the same on all boards.
    pub verdict_crc: u32,
    /// Instructions (or cycles, where the board counts those) of one inference, 0 if it cannot count.
    pub instructions: u64,
    /// Bytes of stack used at the deepest, 0 if it cannot tell.
    pub stack: u32,
}

/// From the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Answers [`Request::Hello`]; also sent once after a start.
    Hello(#[serde(borrow)] Hello<'a>),
    /// Send rows.
    Ready {
        /// The image.
        image: u32,
    },
    /// Pixels were taken.
    Taken {
        /// The image.
        image: u32,
        /// Sequence number that comes next.
        next: u32,
    },
    /// The result.
    Verdict(Verdict),
    /// Cells of the map, `[class][y][x]`.
    Map {
        /// The image.
        image: u32,
        /// First cell sent.
        first: u32,
        /// i32 values, little-endian; empty beyond the last.
        cells: &'a [u8],
    },
    /// No image is in progress.
    Idle,
    /// Still busy with the last request: wait on.
    Working,
    /// Result of the self-test.
    SelfTest(SelfTest),
    /// Something was wrong; the board is idle.
    Error {
        /// The image that was given up, or 0.
        image: u32,
        /// What was wrong.
        fault: Fault,
    },
    /// The firmware panicked and restarts.
    Panicked {
        /// What for.
        message: &'a str,
        /// Source file.
        file: &'a str,
        /// Line.
        line: u32,
    },
}
