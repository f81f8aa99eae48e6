//! Signed updates of a network into two slots: an update goes into the slot that is not in use, and is tried before it is trusted.
//!
//! | state of a slot | marks in flash | next |
//! |---|---|---|
//! | empty, or half written | record without `COMPLETE` | written by the next update |
//! | on trial | `COMPLETE` | confirmed by the program, or given up after [`TRIALS`] starts |
//! | in use | `CONFIRMED` | stays until a newer one is confirmed |
//! | given up | `REJECTED` | written by the next update |
//!
//! Marks are words that are programmed from ones to zeros, so no step needs an erase and power may go at any moment.
//! A network must be signed (ed25519, over its version, length and bytes) and newer than the one in use: an old one that was
//! signed once cannot be brought back. Requests and replies go in the frames of [`cxr_protocol::frame`].

mod message;

pub use message::{CHUNK, Refusal, Reply, Request};

use crate::crc32;
use crate::flash::{Failed, Flash, SECTOR};
use ed25519_dalek::{Signature, VerifyingKey};
use rownet::model::Model;
use sha2::{Digest, Sha512};

/// Starts on trial before a network is given up.
pub const TRIALS: usize = 3;

/// The vendor's public key; its secret never comes near a device. The secret of this one is public, `[7; 32]`: a product has its own.
pub const EXAMPLE_KEY: [u8; 32] = [
    0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50, 0x7b, 0x13, 0x2e, 0xc5, 0xf9, 0x95, 0x47, 0x76, 0xae, 0xbe,
    0xbe, 0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69, 0x14, 0x46, 0xd2, 0x2c,
];

/// What a signature is made of comes first, so that it cannot pass for one of something else.
const CONTEXT: &[u8; 12] = b"rownet slot\0";

/// The record, in the slot's first sector; the network follows in the next.
mod record {
    pub const MAGIC: [u8; 4] = *b"SLOT";
    pub const VERSION: usize = 4;
    pub const LEN: usize = 8;
    pub const SIGNATURE: usize = 12;
    pub const CRC: usize = 76;
    pub const SIZE: usize = 80;
    pub const COMPLETE: usize = 80;
    pub const TRIAL: usize = 84;
    pub const CONFIRMED: usize = TRIAL + 4 * super::TRIALS;
    pub const REJECTED: usize = CONFIRMED + 4;
}

/// The bytes that a signature is over: a version, a length and the SHA-512 of a network.
pub fn sign_over(version: u32, network: &[u8]) -> [u8; 84] {
    let mut message = [0; 84];
    let parts: [&[u8]; 4] = [CONTEXT, &version.to_le_bytes(), &(network.len() as u32).to_le_bytes(), &Sha512::digest(network)];
    let mut rest = &mut message[..];
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    message
}

/// Two slots in flash.
pub struct Slots<F> {
    flash: F,
    key: VerifyingKey,
    /// Slot and length of the update that comes, and how much of it is stored.
    coming: Option<(usize, u32, u32)>,
    /// What [`boot`](Self::boot) chose: it is read in place.
    running: Option<Chosen>,
}

/// A network that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its slot, 0 or 1.
    pub slot: usize,
    /// Its version.
    pub version: u32,
    /// It must be confirmed.
    pub on_trial: bool,
}

impl<F: Flash> Slots<F> {
    /// Slots in flash, each a half of it; `key` is the vendor's.
    pub const fn new(flash: F, key: VerifyingKey) -> Self {
        Self { flash, key, coming: None, running: None }
    }

    /// The flash.
    pub const fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Chooses what to start: the newest complete network that was not given up. A start on trial is counted in flash before it happens.
    pub fn boot(&mut self) -> Option<Chosen> {
        self.coming = None;
        self.running = self.choose();
        self.running
    }

    fn choose(&mut self) -> Option<Chosen> {
        loop {
            let newest = (0..2).filter(|&slot| self.is_startable(slot)).max_by_key(|&slot| self.word(slot, record::VERSION))?;
            let version = self.word(newest, record::VERSION);
            if self.is_marked(newest, record::CONFIRMED) {
                return Some(Chosen { slot: newest, version, on_trial: false });
            }
            // The bytes are checked again: flash may have changed since they came.
            let left = (0..TRIALS).map(|i| record::TRIAL + 4 * i).find(|&mark| !self.is_marked(newest, mark));
            match left {
                Some(mark) if self.check(newest).is_ok() && self.mark(newest, mark).is_ok() => {
                    return Some(Chosen { slot: newest, version, on_trial: true });
                }
                _ => self.mark(newest, record::REJECTED).ok()?,
            }
        }
    }

    /// The network of a slot.
    pub fn network(&self, slot: usize) -> &[u8] {
        let len = self.word(slot, record::LEN) as usize;
        self.slot(slot).get(SECTOR..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }

    /// The network on trial has passed the program's own test.
    ///
    /// # Errors
    /// The flash's; it stays on trial then.
    pub fn confirm(&mut self, slot: usize) -> Result<(), Failed> {
        self.mark(slot, record::CONFIRMED)?;
        self.running = self.running.map(|running| Chosen { on_trial: running.on_trial && running.slot != slot, ..running });
        Ok(())
    }

    /// Takes a request but `Status`, which is the program's to answer.
    pub fn handle(&mut self, request: Request<'_>) -> Reply {
        let answer = match request {
            Request::Begin { version, len, signature } => self.begin(version, len, signature),
            Request::Chunk { offset, bytes } => self.chunk(offset, bytes),
            Request::Commit => self.commit(),
            Request::Status => Err(Refusal::OutOfOrder),
        };
        answer.unwrap_or_else(Reply::Refused)
    }

    fn begin(&mut self, version: u32, len: u32, signature: &[u8]) -> Result<Reply, Refusal> {
        self.coming = None;
        if self.running.is_some_and(|running| running.on_trial) {
            return Err(Refusal::OnTrial);
        }
        let in_use = (0..2).filter(|&slot| self.is_startable(slot) && self.is_marked(slot, record::CONFIRMED));
        let in_use = in_use.max_by_key(|&slot| self.word(slot, record::VERSION));
        if in_use.is_some_and(|slot| self.word(slot, record::VERSION) >= version) {
            return Err(Refusal::NotNewer);
        }
        let signature: &[u8; 64] = signature.try_into().map_err(|_| Refusal::Signature)?;
        let slot = in_use.map_or(0, |slot| 1 - slot);
        let size = self.flash.bytes().len() / 2;
        if len as usize > size.saturating_sub(SECTOR) {
            return Err(Refusal::TooLong);
        }
        // The record's sector first: from here on the slot holds nothing.
        let first = slot * (size / SECTOR);
        for sector in first..=first + (len as usize).div_ceil(SECTOR) {
            self.flash.erase(sector)?;
        }
        let mut bytes = [0; record::SIZE];
        bytes[..4].copy_from_slice(&record::MAGIC);
        bytes[record::VERSION..record::LEN].copy_from_slice(&version.to_le_bytes());
        bytes[record::LEN..record::SIGNATURE].copy_from_slice(&len.to_le_bytes());
        bytes[record::SIGNATURE..record::CRC].copy_from_slice(signature);
        let crc = crc32(bytes[..record::CRC].iter().copied());
        bytes[record::CRC..].copy_from_slice(&crc.to_le_bytes());
        self.flash.program(slot * size, &bytes)?;
        self.coming = Some((slot, len, 0));
        Ok(Reply::Stored { offset: 0 })
    }

    fn chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<Reply, Refusal> {
        let (slot, len, stored) = self.coming.ok_or(Refusal::OutOfOrder)?;
        let end = offset.checked_add(bytes.len() as u32).filter(|&end| end <= len).ok_or(Refusal::TooLong)?;
        // The reply was lost, and the chunk came again.
        if end <= stored {
            return Ok(Reply::Stored { offset: stored });
        }
        if offset != stored {
            return Err(Refusal::OutOfOrder);
        }
        let at = slot * (self.flash.bytes().len() / 2) + SECTOR + offset as usize;
        self.flash.program(at, bytes)?;
        self.coming = Some((slot, len, end));
        Ok(Reply::Stored { offset: end })
    }

    fn commit(&mut self) -> Result<Reply, Refusal> {
        let (slot, len, stored) = self.coming.take().ok_or(Refusal::OutOfOrder)?;
        if stored < len {
            self.coming = Some((slot, len, stored));
            return Err(Refusal::OutOfOrder);
        }
        self.check(slot)?;
        self.mark(slot, record::COMPLETE)?;
        Ok(Reply::Installed)
    }

    /// What was signed, by the key, and a network.
    fn check(&self, slot: usize) -> Result<(), Refusal> {
        let signature = self.slot(slot).get(record::SIGNATURE..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Signature)?;
        let network = self.network(slot);
        let message = sign_over(self.word(slot, record::VERSION), network);
        self.key.verify_strict(&message, &Signature::from_bytes(signature)).map_err(|_| Refusal::Signature)?;
        Model::parse(network).map_err(|_| Refusal::Network)?;
        Ok(())
    }

    fn slot(&self, slot: usize) -> &[u8] {
        let bytes = self.flash.bytes();
        let size = bytes.len() / 2;
        bytes.get(slot * size..).and_then(|rest| rest.get(..size)).unwrap_or_default()
    }

    fn word(&self, slot: usize, at: usize) -> u32 {
        self.slot(slot).get(at..).and_then(|rest| rest.first_chunk()).map_or(u32::MAX, |word| u32::from_le_bytes(*word))
    }

    fn is_marked(&self, slot: usize, mark: usize) -> bool {
        self.word(slot, mark) == 0
    }

    fn mark(&mut self, slot: usize, mark: usize) -> Result<(), Failed> {
        let at = slot * (self.flash.bytes().len() / 2) + mark;
        self.flash.program(at, &[0; 4])
    }

    fn is_startable(&self, slot: usize) -> bool {
        let record = self.slot(slot).get(..record::CRC).unwrap_or_default();
        record.starts_with(&record::MAGIC)
            && self.word(slot, record::CRC) == crc32(record.iter().copied())
            && self.is_marked(slot, record::COMPLETE)
            && !self.is_marked(slot, record::REJECTED)
    }
}

#[cfg(test)]
mod tests;
