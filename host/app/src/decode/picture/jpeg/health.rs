//! Whether the entropy-coded data of a JPEG are whole.
//!
//! Decoders fill what is missing with gray and go on after a bad code: a torn picture looks like a picture. This walks
//! all scans as a decoder does, without the transform, and says where they stop making sense: a code that is none, a
//! coefficient beyond the block, a level beyond black and white, a restart marker that is not the next one, fewer or
//! more bits than blocks.

mod blocks;

use super::bits::{Bits, Huffman};
use super::frame::{Frame, segment};

/// What is wrong with the data.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::decode) enum Health {
    /// Nothing.
    Sound,
    /// All blocks are there, then bytes that belong nowhere.
    Stray,
    /// All blocks are there, the end marker is not.
    NoEnd,
    /// A part of the picture is missing or shifted.
    Torn {
        /// What was found.
        what: &'static str,
        /// Of the picture, before the fault: 0 to 1.
        sound: f64,
    },
    /// A later scan of a progressive picture: the whole picture is there, but not its detail.
    Coarse {
        /// What was found.
        what: &'static str,
    },
}

const BREAKS_OFF: &str = "it breaks off";
const CORRUPT: &str = "its data are corrupt";
/// Most scans walked, as many as the decoder takes.
const MOST_SCANS: usize = 100;

/// A component while its scans are walked.
struct Blocks {
    /// Blocks that the component has of its own.
    own: (usize, usize),
    /// Blocks a row in whole units.
    stride: usize,
    /// Coefficients known not to be zero, a bit each; progressive only.
    nonzero: Vec<u64>,
    dc: i32,
    /// Its means are known.
    begun: bool,
}

/// A scan header.
struct Scan {
    /// Component, DC table, AC table.
    parts: Vec<(usize, usize, usize)>,
    first: usize,
    last: usize,
    /// Successive approximation: position before and after.
    high: u32,
    low: u32,
}

struct Walk<'a> {
    frame: &'a Frame,
    blocks: Vec<Blocks>,
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// Quantisation tables, in the order of coefficients.
    quantisation: [[i32; 64]; 4],
    restart: usize,
    /// Blocks of zeros to come in a band.
    run: u32,
}

/// Walks the scans of `bytes`, whose frame header is `frame`.
pub(in crate::decode) fn health(bytes: &[u8], frame: &Frame) -> Health {
    let (across, down) = frame.sampling();
    let units = (frame.width.div_ceil(8 * across), frame.height.div_ceil(8 * down));
    let blocks = frame.components.iter().map(|c| {
        let own = |extent: usize, factor: usize, most: usize| (extent * factor).div_ceil(most).div_ceil(8);
        let stride = units.0 * c.across;
        Blocks {
            own: (own(frame.width, c.across, across), own(frame.height, c.down, down)),
            stride,
            nonzero: if frame.is_progressive() { vec![0; stride * units.1 * c.down] } else { Vec::new() },
            dc: 0,
            begun: false,
        }
    });
    let blocks = blocks.collect();
    let none = || [const { None }; 4];
    let mut walk = Walk { frame, blocks, dc: none(), ac: none(), quantisation: [[1; 64]; 4], restart: 0, run: 0 };
    walk.all(bytes, units)
}

impl Walk<'_> {
    fn all(&mut self, bytes: &[u8], units: (usize, usize)) -> Health {
        let (mut at, mut stray, mut scans) = (2, false, 0);
        while let Some((marker, payload, next)) = segment(bytes, at) {
            at = next;
            match marker {
                0xd9 => {
                    let missing = self.blocks.iter().filter(|c| !c.begun).count();
                    return match (missing, stray) {
                        (0, false) => Health::Sound,
                        (0, true) => Health::Stray,
                        _ => Health::Torn { what: "a scan is missing", sound: 0.0 },
                    };
                }
                0xc4 => self.tables(payload),
                0xdb => self.quantisation(payload),
                0xdd => self.restart = payload.get(..2).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]]))),
                0xda => {
                    scans += 1;
                    let Some(scan) = self.header(payload).filter(|_| scans <= MOST_SCANS) else {
                        return Health::Torn { what: CORRUPT, sound: 0.0 };
                    };
                    // What abbreviated streams leave to others cannot be walked.
                    if !self.has_tables(&scan) {
                        return Health::Sound;
                    }
                    let detail = scan.first > 0 || scan.high > 0;
                    match self.scan(&scan, bytes, next, units) {
                        Ok((end, rest)) => (at, stray) = (end, stray || rest),
                        Err((what, _)) if detail && self.blocks.iter().all(|c| c.begun) => return Health::Coarse { what },
                        Err((what, sound)) => return Health::Torn { what, sound },
                    }
                }
                _ => {}
            }
        }
        match (self.blocks.iter().all(|c| c.begun), self.frame.is_progressive()) {
            (true, false) => Health::NoEnd,
            (true, true) => Health::Coarse { what: BREAKS_OFF },
            (false, _) => Health::Torn { what: BREAKS_OFF, sound: 0.0 },
        }
    }

    fn tables(&mut self, mut payload: &[u8]) {
        while let Some((counts, rest)) = payload.get(1..).and_then(<[u8]>::split_first_chunk::<16>) {
            let total = counts.iter().map(|n| usize::from(*n)).sum::<usize>();
            let Some(symbols) = rest.get(..total) else { return };
            let (class, slot) = (payload[0] >> 4, usize::from(payload[0] & 3));
            let of = if class == 0 { &mut self.dc } else { &mut self.ac };
            of[slot] = Huffman::new(counts, symbols);
            payload = &rest[total..];
        }
    }

    fn quantisation(&mut self, mut payload: &[u8]) {
        while let Some(head) = payload.first() {
            let (wide, slot) = (head >> 4 != 0, usize::from(head & 3));
            let Some(table) = payload.get(1..if wide { 129 } else { 65 }) else { return };
            for (k, step) in self.quantisation[slot].iter_mut().enumerate() {
                let step_of = |at: usize| i32::from(table[at]);
                *step = if wide { step_of(2 * k) << 8 | step_of(2 * k + 1) } else { step_of(k) }.max(1);
            }
            payload = &payload[1 + table.len()..];
        }
    }

    fn header(&self, payload: &[u8]) -> Option<Scan> {
        let count = usize::from(*payload.first()?);
        let parts = payload.get(1..1 + 2 * count)?.chunks_exact(2).map(|part| {
            let component = self.frame.components.iter().position(|c| c.id == part[0])?;
            Some((component, usize::from(part[1] >> 4) & 3, usize::from(part[1] & 3)))
        });
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let tail = payload.get(1 + 2 * count..4 + 2 * count)?;
        let (mut first, mut last, mut high, mut low) =
            (usize::from(tail[0]), usize::from(tail[1]), u32::from(tail[2] >> 4), u32::from(tail[2] & 15));
        if !self.frame.is_progressive() {
            (first, last, high, low) = (0, 63, 0, 0);
        }
        let possible = !parts.is_empty() && first <= last && last < 64 && low < 14 && (first == 0 || parts.len() == 1);
        possible.then_some(Scan { parts, first, last, high, low })
    }

    fn has_tables(&self, scan: &Scan) -> bool {
        let dc = scan.first == 0 && scan.high == 0;
        scan.parts.iter().all(|(_, d, a)| (!dc || self.dc[*d].is_some()) && (scan.last == 0 || self.ac[*a].is_some()))
    }

    /// Walks one scan: where the next marker stands and whether bytes were left; or what is wrong, and how far it is not.
    fn scan(
        &mut self,
        scan: &Scan,
        bytes: &[u8],
        start: usize,
        units: (usize, usize),
    ) -> Result<(usize, bool), (&'static str, f64)> {
        // A scan of one component has its own blocks, one of several whole units: ITU-T T.81, A.2.
        let alone = scan.parts.len() == 1;
        let (wide, high) = if alone { self.blocks[scan.parts[0].0].own } else { units };
        let total = wide * high;
        let (mut bits, mut stray, mut next_restart) = (Bits::new(bytes, start), false, 0);
        self.run = 0;
        self.blocks.iter_mut().for_each(|c| c.dc = 0);
        for unit in 0..total {
            let at = |what| Err((what, unit as f64 / total as f64));
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                let (rest, end) = bits.rest();
                stray |= rest > 0;
                match bytes.get(end + 1) {
                    None => return at(BREAKS_OFF),
                    Some(marker) if *marker == 0xd0 + next_restart => {}
                    Some(0xd9) => return at("it ends too early"),
                    Some(_) => return at("a restart marker is missing"),
                }
                next_restart = (next_restart + 1) % 8;
                bits = Bits::new(bytes, end + 2);
                self.run = 0;
                self.blocks.iter_mut().for_each(|c| c.dc = 0);
            }
            for part in &scan.parts {
                let (across, down) =
                    if alone { (1, 1) } else { (self.frame.components[part.0].across, self.frame.components[part.0].down) };
                for k in 0..across * down {
                    let row = unit / wide * down + k / across;
                    let column = unit % wide * across + k % across;
                    let known = if self.frame.is_progressive() {
                        self.progressive(scan, *part, row * self.blocks[part.0].stride + column, &mut bits)
                    } else {
                        self.sequential(*part, &mut bits)
                    };
                    // Codes beyond the end are made of zeros: the end is what is wrong then.
                    if bits.is_overrun() {
                        let early = bytes.get(bits.rest().1).is_some();
                        return at(if early { "it ends too early" } else { BREAKS_OFF });
                    }
                    if known.is_none() {
                        return at(CORRUPT);
                    }
                }
            }
        }
        if scan.first == 0 && scan.high == 0 {
            scan.parts.iter().for_each(|part| self.blocks[part.0].begun = true);
        }
        let (rest, end) = bits.rest();
        Ok((end, stray || rest > 0))
    }
}
