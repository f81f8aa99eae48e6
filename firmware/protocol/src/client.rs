//! The host's end: one request at a time, and what to make of the replies.

use crate::device::MAX_FRAME;
use crate::fault::{Fault, FrameFault};
use crate::frame::{self, Decoder, crc32};
use crate::message::{Begin, Hello, Reply, Request, SelfTest, Verdict};
use heapless::String;

/// A line to a board.
pub trait Transport {
    /// What goes wrong with it.
    type Error;

    /// Sends all bytes.
    ///
    /// # Errors
    /// Those of the line.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Waits for at least one byte, at most `millis` milliseconds; 0 bytes: none came.
    ///
    /// # Errors
    /// Those of the line.
    fn receive(&mut self, bytes: &mut [u8], millis: u32) -> Result<usize, Self::Error>;

    /// Milliseconds of a clock that may wrap.
    fn millis(&mut self) -> u32;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The line failed.
    Line(E),
    /// The board was silent for the whole timeout.
    Silent,
    /// The board was never silent, and yet did not reply in [`PATIENCE`] timeouts.
    Late,
    /// The board sent a damaged reply, or too much that is none.
    Damaged(FrameFault),
    /// The board reported an error.
    Board(Fault),
    /// The board restarted or panicked.
    Restarted,
    /// The verdict is for other pixels than were sent.
    OtherPixels,
    /// A request does not fit a frame.
    TooLong,
}

impl<E> Error<E> {
    /// True where sending the image again may help.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Silent | Self::Damaged(_) | Self::Restarted | Self::OtherPixels => {
                !matches!(self, Self::Damaged(FrameFault::Version { .. }))
            }
            Self::Board(fault) => matches!(
                fault,
                Fault::Frame(_)
                    | Fault::Sequence { .. }
                    | Fault::NoSuchImage { .. }
                    | Fault::Abandoned
                    | Fault::Timeout
                    | Fault::TooMuch
                    | Fault::TooFew { .. }
                    | Fault::Checksum { .. }
            ),
            // Whoever was waited for so long will not do better the next time.
            Self::Line(_) | Self::TooLong | Self::Late => false,
        }
    }
}

/// Where a board panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// What for, as much as fits.
    pub message: String<96>,
    /// Source file, the end of its path.
    pub file: String<64>,
    /// Line.
    pub line: u32,
}

impl Panicked {
    fn new(message: &str, file: &str, line: u32) -> Self {
        let (mut m, mut f) = (String::new(), String::new());
        // A text that does not fit is cut.
        let _ = message.chars().try_for_each(|c| m.push(c));
        let _ = file.chars().try_for_each(|c| f.push(c));
        Self { message: m, file: f, line }
    }
}

/// Talks to a board over a [`Transport`].
pub struct Client<T> {
    transport: T,
    decoder: Decoder<MAX_FRAME>,
    /// Milliseconds without a sign of life after which the board is given up.
    timeout: u32,
    /// Bytes received and not looked at yet.
    input: [u8; 256],
    range: core::ops::Range<usize>,
    panicked: Option<Panicked>,
}

/// Timeouts in which a reply must come, whatever else the board says meanwhile: it may work for longer than one.
pub const PATIENCE: u32 = 30;

/// Bytes that are no reply, after which a board is given up: so that no noise can keep the client waiting.
const MAX_NOISE: usize = 64 << 10;

impl<T: Transport> Client<T> {
    /// A client that gives the board up after `timeout` milliseconds of silence, or [`PATIENCE`] times as many without a reply.
    pub const fn new(transport: T, timeout: u32) -> Self {
        Self { transport, decoder: Decoder::new(), timeout, input: [0; 256], range: 0..0, panicked: None }
    }

    /// The line.
    pub const fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The line, back.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// The last panic that the board reported.
    pub const fn panicked(&self) -> Option<&Panicked> {
        self.panicked.as_ref()
    }

    /// Asks who the board is; `take` receives the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn hello<R>(&mut self, take: impl FnOnce(&Hello<'_>) -> R) -> Result<R, Error<T::Error>> {
        self.send(&Request::Hello)?;
        let mut take = Some(take);
        self.wait(|reply| match reply {
            Reply::Hello(hello) => Some(Ok(take.take()?(&hello))),
            _ => None,
        })
    }

    /// Ends an image in progress.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn abort(&mut self) -> Result<(), Error<T::Error>> {
        self.send(&Request::Abort)?;
        self.wait(|reply| matches!(reply, Reply::Idle).then_some(Ok(())))
    }

    /// Runs the board's self-test.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn self_test(&mut self) -> Result<SelfTest, Error<T::Error>> {
        self.send(&Request::SelfTest)?;
        self.wait(|reply| match reply {
            Reply::SelfTest(result) => Some(Ok(result)),
            Reply::Error { image: 0, fault } => Some(Err(Error::Board(fault))),
            _ => None,
        })
    }

    /// Makes the board panic, waits until it has started again and returns what it reported.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn drill(&mut self) -> Result<Panicked, Error<T::Error>> {
        self.send(&Request::Drill)?;
        let mut report = None;
        self.wait(|reply| match reply {
            Reply::Panicked { message, file, line } => {
                report = Some(Panicked::new(message, file, line));
                None
            }
            Reply::Hello(_) => report.take().map(Ok),
            Reply::Error { fault: fault @ Fault::Unsupported, .. } => Some(Err(Error::Board(fault))),
            _ => None,
        })
    }

    /// Sends an image in pieces of `chunk` bytes and returns the board's verdict; `progress` hears how many bytes were
    /// taken. The number of the image must differ from those before it.
    ///
    /// # Errors
    /// See [`Error`]. The board is idle after an error of its own, and after the next [`Request::Begin`] in any case.
    pub fn classify(
        &mut self,
        begin: &Begin,
        pixels: &[u8],
        chunk: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Verdict, Error<T::Error>> {
        let number = begin.image;
        self.send(&Request::Begin(*begin))?;
        self.wait_for(number, |reply| matches!(reply, Reply::Ready { image } if image == number).then_some(()))?;
        let (mut crc, mut sent) = (crc32(), 0);
        for (sequence, pixels) in (0..).zip(pixels.chunks(chunk.max(1))) {
            crc.update(pixels);
            self.send(&Request::Rows { image: number, sequence, pixels })?;
            let due = sequence.wrapping_add(1);
            self.wait_for(number, |reply| {
                matches!(reply, Reply::Taken { image, next } if image == number && next == due).then_some(())
            })?;
            sent += pixels.len();
            progress(sent);
        }
        let crc = crc.finalize();
        self.send(&Request::Finish { image: number, crc })?;
        let verdict = self.wait_for(number, |reply| match reply {
            Reply::Verdict(verdict) if verdict.image == number => Some(verdict),
            _ => None,
        })?;
        if verdict.crc == crc { Ok(verdict) } else { Err(Error::OtherPixels) }
    }

    /// Fills `cells` with the map of an image, `[class][y][x]`; call it after its verdict.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn map(&mut self, number: u32, cells: &mut [i32]) -> Result<(), Error<T::Error>> {
        let mut filled = 0;
        while filled < cells.len() {
            self.send(&Request::Map { image: number, first: filled as u32 })?;
            let rest = cells.get_mut(filled..).unwrap_or_default();
            filled += self.wait(|reply| match reply {
                Reply::Map { image, first, cells } if image == number && first == filled as u32 => {
                    let values = cells.chunks_exact(4).map(|b| b.try_into().map_or(0, i32::from_le_bytes));
                    let taken = rest.iter_mut().zip(values).map(|(place, value)| *place = value).count();
                    // A map that ends early would never be full.
                    Some(if taken == 0 { Err(Error::Board(Fault::NoSuchImage { image })) } else { Ok(taken) })
                }
                Reply::Error { fault, .. } => Some(Err(Error::Board(fault))),
                _ => None,
            })?;
        }
        Ok(())
    }

    fn send(&mut self, request: &Request<'_>) -> Result<(), Error<T::Error>> {
        let mut buffer = [0; MAX_FRAME];
        let frame = frame::encode(request, &mut buffer).ok_or(Error::TooLong)?;
        self.transport.send(frame).map_err(Error::Line)
    }

    /// Waits for the reply to a request about an image.
    fn wait_for<R>(&mut self, number: u32, mut wanted: impl FnMut(Reply<'_>) -> Option<R>) -> Result<R, Error<T::Error>> {
        self.wait(|reply| match reply {
            // Of an image before this one.
            Reply::Error { image, .. } if image != 0 && image != number => None,
            Reply::Error { fault, .. } => Some(Err(Error::Board(fault))),
            Reply::Panicked { .. } => Some(Err(Error::Restarted)),
            other => wanted(other).map(Ok),
        })
    }

    /// Waits for a reply that `wanted` takes; others are late answers to earlier requests.
    fn wait<R>(&mut self, mut wanted: impl FnMut(Reply<'_>) -> Option<Result<R, Error<T::Error>>>) -> Result<R, Error<T::Error>> {
        let (mut noise, mut damage, start) = (0, None, self.transport.millis());
        loop {
            let waited = self.transport.millis().wrapping_sub(start);
            let Some(left @ 1..) = self.timeout.saturating_mul(PATIENCE).checked_sub(waited) else { return Err(Error::Late) };
            while let Some(byte) = self.range.next().and_then(|at| self.input.get(at)) {
                noise += 1;
                let reply = match self.decoder.push(*byte) {
                    None => continue,
                    Some(Ok(len)) => self.decoder.message::<Reply<'_>>(len),
                    Some(Err(fault)) => Err(fault),
                };
                if let Ok(Reply::Panicked { message, file, line }) = &reply {
                    self.panicked = Some(Panicked::new(message, file, *line));
                }
                match reply {
                    Ok(Reply::Working) => noise = 0,
                    Ok(reply) => match wanted(reply) {
                        Some(answer) => return answer,
                        None => continue,
                    },
                    Err(fault @ FrameFault::Version { .. }) => return Err(Error::Damaged(fault)),
                    // It may have been a late one: the wanted reply may still come.
                    Err(fault) => damage = Some(fault),
                }
            }
            if noise > MAX_NOISE {
                return Err(Error::Damaged(damage.unwrap_or(FrameFault::Message)));
            }
            let count = self.transport.receive(&mut self.input, self.timeout.min(left)).map_err(Error::Line)?;
            if count == 0 {
                return Err(damage.map_or(Error::Silent, Error::Damaged));
            }
            self.range = 0..count;
        }
    }
}
