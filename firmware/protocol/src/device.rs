//! The board's end: a state machine between a serial line and a [`Session`].
//!
//! It holds no image: a row is resized as soon as it is complete and goes straight into the session. Whatever comes
//! over the line, it answers with a typed error and is idle again; a verdict needs every pixel, in order, undamaged.

mod answer;
mod incoming;
mod platform;

use crate::fault::{Fault, FrameFault};
use crate::frame::Decoder;
use crate::message::{Decision, Hello, MAX_CLASSES, Reply, Request, Score, SelfTest, Verdict};
pub use answer::LineError;
use answer::{Failure, send};
use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::Model;
use cxr_core::session::{self, AbstainReason, Session};
use embedded_io::{Read, ReadReady};
use incoming::{Incoming, abandon, current};
pub use platform::{Identity, Platform};

/// Most bytes of pixels in a frame.
pub const CHUNK: usize = 1024;
/// A frame's bytes beside pixels: COBS, version, message head, CRC.
const OVERHEAD: usize = 32;
/// Longest frame that the board takes and sends.
pub const MAX_FRAME: usize = CHUNK + OVERHEAD;
/// Cells of the map in a frame.
const MAP_CELLS: usize = 128;

/// The state machine. `W` is the network's input width, `ROW` half the bytes of the longest row of an image.
pub struct Device<'m, 'b, const W: usize, const ROW: usize> {
    model: Model<'m>,
    identity: Identity<'m>,
    session: Session<'m, 'b>,
    row: &'b mut [u16; ROW],
    buffers: &'b mut Buffers,
    incoming: Option<Incoming<W>>,
    /// The image whose map the session holds, or 0.
    mapped: u32,
    /// When the last byte came.
    heard: u32,
}

/// Frames in and out; large, so that the caller says where they lie.
pub struct Buffers {
    decoder: Decoder<MAX_FRAME>,
    out: [u8; MAX_FRAME],
}

impl Buffers {
    /// Empty.
    pub const fn new() -> Self {
        Self { decoder: Decoder::new(), out: [0; MAX_FRAME] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

impl<'m, 'b, const W: usize, const ROW: usize> Device<'m, 'b, W, ROW> {
    /// A board that is idle. The session must be the model's and hold a map.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the model's input is not `W` pixels wide.
    pub fn new(
        model: Model<'m>,
        identity: Identity<'m>,
        session: Session<'m, 'b>,
        row: &'b mut [u16; ROW],
        buffers: &'b mut Buffers,
    ) -> Result<Self, Error> {
        let width = model.input().width;
        if usize::from(width) != W {
            return Err(Error::RowLength { expected: W as u32, given: width.into() });
        }
        Ok(Self { model, identity, session, row, buffers, incoming: None, mapped: 0, heard: 0 })
    }

    /// Says hello, unasked: the board has started.
    ///
    /// # Errors
    /// Those of the line.
    pub fn greet<P: Platform>(&mut self, platform: &mut P) -> Result<(), LineError<P>> {
        send(&mut self.buffers.out, &hello::<ROW>(&self.model, &self.identity), platform)
    }

    /// Takes what the line holds and answers it; returns when the line is silent. Call it in a loop.
    ///
    /// # Errors
    /// Those of the line. The state machine stays usable.
    pub fn poll<P: Platform>(&mut self, platform: &mut P) -> Result<(), LineError<P>> {
        while platform.line().read_ready()? {
            let mut bytes = [0; 64];
            let count = platform.line().read(&mut bytes)?;
            if count == 0 {
                break;
            }
            for byte in bytes.iter().take(count) {
                self.push(*byte, platform)?;
            }
            self.heard = platform.millis();
        }
        let is_waiting = self.incoming.is_some() || self.buffers.decoder.is_partial();
        if is_waiting && platform.millis().wrapping_sub(self.heard) >= P::TIMEOUT {
            let partial = self.buffers.decoder.is_partial();
            self.buffers.decoder.clear();
            return self.fail(if partial { Fault::Frame(FrameFault::Unfinished) } else { Fault::Timeout }, platform);
        }
        Ok(())
    }

    /// Runs the platform's self-test; ends an image in progress.
    pub fn self_test<P: Platform>(&mut self, platform: &mut P) -> Option<SelfTest> {
        self.incoming = None;
        self.mapped = 0;
        platform.self_test(&mut self.session, &mut |_| ())
    }

    /// True while an image is in progress.
    pub const fn is_receiving(&self) -> bool {
        self.incoming.is_some()
    }

    fn push<P: Platform>(&mut self, byte: u8, platform: &mut P) -> Result<(), LineError<P>> {
        let outcome = match self.buffers.decoder.push(byte) {
            None => return Ok(()),
            Some(Ok(len)) => self.take(len, platform),
            Some(Err(fault)) => Err(Failure::Fault(Fault::Frame(fault))),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(Failure::Line(error)) => Err(error),
            Err(Failure::Fault(fault)) => self.fail(fault, platform),
        }
    }

    /// Gives up the image in progress and says why.
    fn fail<P: Platform>(&mut self, fault: Fault, platform: &mut P) -> Result<(), LineError<P>> {
        let image = self.incoming.take().map_or(0, |incoming| incoming.image);
        send(&mut self.buffers.out, &Reply::Error { image, fault }, platform)
    }

    fn take<P: Platform>(&mut self, len: usize, platform: &mut P) -> Result<(), Failure<LineError<P>>> {
        let Buffers { decoder, out } = &mut *self.buffers;
        let reply = match decoder.message::<Request<'_>>(len).map_err(Fault::Frame)? {
            Request::Hello => {
                abandon(&mut self.incoming, out, platform)?;
                hello::<ROW>(&self.model, &self.identity)
            }
            Request::Begin(begin) => {
                abandon(&mut self.incoming, out, platform)?;
                self.mapped = 0;
                self.session.reset();
                self.incoming = Some(Incoming::new(&begin, &self.model, 2 * ROW)?);
                Reply::Ready { image: begin.image }
            }
            Request::Rows { image, sequence, pixels } => {
                let incoming = current(&mut self.incoming, image)?;
                if sequence != incoming.sequence {
                    return Err(Fault::Sequence { expected: incoming.sequence, found: sequence }.into());
                }
                incoming.sequence = incoming.sequence.wrapping_add(1);
                incoming.crc.update(pixels);
                let next = incoming.sequence;
                incoming.push(pixels, bytemuck::cast_slice_mut(self.row), &mut self.session, out, platform)?;
                Reply::Taken { image, next }
            }
            Request::Finish { image, crc } => {
                let incoming = current(&mut self.incoming, image)?;
                let rows = incoming.resizer.rows_left();
                if rows > 0 {
                    return Err(Fault::TooFew { rows: rows as u16 }.into());
                }
                let found = incoming.crc.clone().finalize();
                if found != crc {
                    return Err(Fault::Checksum { found }.into());
                }
                let verdict = self.session.finish().map_err(|_| Fault::Internal)?;
                self.incoming = None;
                self.mapped = image;
                Reply::Verdict(report(&self.model, &verdict, image, crc))
            }
            Request::Map { image, first } => {
                if image == 0 || image != self.mapped {
                    return Err(Fault::NoSuchImage { image }.into());
                }
                let rest = self.session.map().get(first as usize..).unwrap_or(&[]);
                let mut cells = [0; 4 * MAP_CELLS];
                let mut len = 0;
                for (place, cell) in cells.chunks_exact_mut(4).zip(rest) {
                    place.copy_from_slice(&cell.to_le_bytes());
                    len += 4;
                }
                let cells = cells.get(..len).unwrap_or(&[]);
                return Ok(send(out, &Reply::Map { image, first, cells }, platform)?);
            }
            Request::Abort => {
                abandon(&mut self.incoming, out, platform)?;
                Reply::Idle
            }
            Request::SelfTest => {
                abandon(&mut self.incoming, out, platform)?;
                self.mapped = 0;
                let mut broken = None;
                let mut working = |platform: &mut P| broken = send(out, &Reply::Working, platform).err();
                let result = platform.self_test(&mut self.session, &mut working);
                if let Some(error) = broken {
                    return Err(Failure::Line(error));
                }
                Reply::SelfTest(result.ok_or(Fault::Unsupported)?)
            }
            Request::Drill => {
                platform.drill();
                return Err(Fault::Unsupported.into());
            }
        };
        Ok(send(out, &reply, platform)?)
    }
}

fn hello<'a, const ROW: usize>(model: &Model<'_>, identity: &Identity<'a>) -> Reply<'a> {
    let (input, map) = (model.input(), explain::map_shape(model));
    Reply::Hello(Hello {
        board: identity.board,
        firmware: identity.firmware,
        model: identity.model,
        model_sha256: identity.model_sha256,
        input: [input.height, input.width, input.channels],
        map: [map.height, map.width],
        arena: model.arena_bytes() as u32,
        kernel: cxr_core::kernels::Kernel::best().name(),
        classes: identity.classes,
        abstain_below: model.abstain_below(),
        refuse_above: model.refusal().map(|head| head.refuse_above()),
        doubt: model.doubt().map(|doubt| (doubt.class as u8, doubt.above)),
        chunk: CHUNK as u16,
        row: (2 * ROW) as u16,
    })
}

fn report(model: &Model<'_>, verdict: &session::Verdict, image: u32, crc: u32) -> Verdict {
    let values = verdict.accumulators().iter().zip(verdict.logits()).zip(verdict.probabilities());
    let scores = values.enumerate().take(MAX_CLASSES).map(|(class, ((accumulator, logit), probability))| Score {
        accumulator: *accumulator,
        bias: explain::bias(model, class),
        scale: explain::scale(model, class),
        logit: *logit,
        probability: *probability,
    });
    let decision = match verdict.decision() {
        session::Decision::Class(class) => Decision::Class(class as u8),
        session::Decision::Abstain(AbstainReason::OutOfDistribution) => Decision::OutOfDistribution,
        session::Decision::Abstain(AbstainReason::LowConfidence) => Decision::LowConfidence,
        session::Decision::Abstain(AbstainReason::DoubtfulClass) => Decision::DoubtfulClass,
        session::Decision::Abstain(_) => Decision::Withheld,
    };
    Verdict {
        image,
        crc,
        decision,
        refusal_score: verdict.refusal_score(),
        distance: verdict.distance(),
        scores: scores.collect(),
    }
}
