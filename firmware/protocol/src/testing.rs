//! For tests, over memory or over QEMU's serial socket: a line that damages what it carries, a small model and images.

extern crate std;

mod image;

pub use cxr_testkit::TINY as MODEL;
pub use image::{Image, WIDTH};

use crate::client::Transport;
use std::collections::VecDeque;
use std::vec::Vec;

/// What can happen to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// It does not arrive.
    Lost,
    /// It arrives twice.
    Repeated,
    /// One to three of its bytes are changed.
    Corrupted,
    /// Its end is missing, the closing zero, too.
    Cut,
    /// Bytes from nowhere come before it.
    Noise,
    /// It arrives after the next one.
    Reordered,
    /// It arrives after many others, if at all.
    Late,
    /// The host stops in the middle of it and starts again.
    HostReset,
}

/// All of them.
pub const HARMS: [Harm; 8] =
    [Harm::Lost, Harm::Repeated, Harm::Corrupted, Harm::Cut, Harm::Noise, Harm::Reordered, Harm::Late, Harm::HostReset];

/// Why a [`Faulty`] line fails.
#[derive(Debug)]
pub enum Failure<E> {
    /// The line below failed.
    Line(E),
    /// [`Harm::HostReset`].
    HostReset,
}

/// Xorshift: a stream of numbers from a seed.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end as u64) as usize
    }
}

/// One direction of a line.
#[derive(Clone, Debug, Default)]
struct Direction {
    /// Frames held back, and how many frames must pass before.
    held: Vec<(usize, Vec<u8>)>,
}

impl Direction {
    /// Damages a frame, or not, and appends what arrives.
    fn carry(&mut self, mut frame: Vec<u8>, harm: Option<Harm>, numbers: &mut Numbers, out: &mut Vec<u8>) {
        match harm {
            Some(Harm::Lost) => frame.clear(),
            Some(Harm::Repeated) => out.extend_from_slice(&frame),
            Some(Harm::Corrupted) => {
                for _ in 0..=numbers.below(3) {
                    let at = numbers.below(frame.len().max(1));
                    if let Some(byte) = frame.get_mut(at) {
                        *byte ^= 1 + numbers.below(255) as u8;
                    }
                }
            }
            Some(Harm::Cut | Harm::HostReset) => frame.truncate(numbers.below(frame.len().max(1))),
            Some(Harm::Noise) => out.extend((0..=numbers.below(40)).map(|_| numbers.below(256) as u8)),
            Some(Harm::Reordered) => self.held.push((1, core::mem::take(&mut frame))),
            Some(Harm::Late) => self.held.push((2 + numbers.below(30), core::mem::take(&mut frame))),
            None => (),
        }
        out.append(&mut frame);
        for (wait, _) in &mut self.held {
            *wait = wait.saturating_sub(1);
        }
        // A frame held back in this very call waits for the next one.
        let fresh = usize::from(matches!(harm, Some(Harm::Reordered | Harm::Late)));
        let ripe = self.held.len() - fresh;
        let mut kept = self.held.split_off(ripe);
        for (wait, frame) in self.held.drain(..) {
            if wait == 0 {
                out.extend(frame);
            } else {
                kept.push((wait, frame));
            }
        }
        self.held = kept;
    }
}

/// A line over another one that harms a share of the frames, in both directions.
pub struct Faulty<T> {
    inner: T,
    numbers: Numbers,
    /// A frame in this many is harmed; 0: none.
    pub one_in: usize,
    /// How often each of [`HARMS`] was done.
    pub done: [u64; HARMS.len()],
    there: Direction,
    back: Direction,
    /// Bytes from the board that are no whole frame yet.
    partial: Vec<u8>,
    ready: VecDeque<u8>,
}

impl<T> Faulty<T> {
    /// Harms nothing until [`one_in`](Self::one_in) is set.
    pub fn new(inner: T, seed: u64) -> Self {
        Self {
            inner,
            numbers: Numbers::new(seed),
            one_in: 0,
            done: [0; HARMS.len()],
            there: Direction::default(),
            back: Direction::default(),
            partial: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The line below.
    pub const fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Harms nothing from now on; what is held back is lost.
    pub fn calm(&mut self) {
        self.one_in = 0;
        self.there.held.clear();
        self.back.held.clear();
    }

    /// All harms done.
    pub fn total(&self) -> u64 {
        self.done.iter().sum()
    }

    fn harm(&mut self, is_from_host: bool) -> Option<Harm> {
        if self.one_in == 0 || self.numbers.below(self.one_in) > 0 {
            return None;
        }
        let kind = self.numbers.below(HARMS.len() - usize::from(!is_from_host));
        self.done[kind] += 1;
        Some(HARMS[kind])
    }
}

impl<T: Transport> Transport for Faulty<T> {
    type Error = Failure<T::Error>;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let harm = self.harm(true);
        let mut out = Vec::new();
        self.there.carry(bytes.to_vec(), harm, &mut self.numbers, &mut out);
        self.inner.send(&out).map_err(Failure::Line)?;
        if harm == Some(Harm::HostReset) { Err(Failure::HostReset) } else { Ok(()) }
    }

    fn receive(&mut self, bytes: &mut [u8], millis: u32) -> Result<usize, Self::Error> {
        while self.ready.is_empty() {
            let count = self.inner.receive(bytes, millis).map_err(Failure::Line)?;
            if count == 0 {
                return Ok(0);
            }
            for byte in bytes.iter().take(count) {
                self.partial.push(*byte);
                // The first zero opens a frame.
                if *byte == 0 && self.partial.len() > 1 {
                    let frame = core::mem::take(&mut self.partial);
                    let harm = self.harm(false);
                    let mut out = Vec::new();
                    self.back.carry(frame, harm, &mut self.numbers, &mut out);
                    self.ready.extend(out);
                }
            }
        }
        let count = bytes.len().min(self.ready.len());
        for (place, byte) in bytes.iter_mut().zip(self.ready.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn millis(&mut self) -> u32 {
        self.inner.millis()
    }
}
