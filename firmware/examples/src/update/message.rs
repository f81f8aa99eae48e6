//! What goes over the line, in the frames of [`cxr_protocol::frame`].
//!
//! A frame holds a number and a [`Request`] or the [`Reply`] to it. A host that hears nothing sends the same number again; the board
//! then repeats its reply and does nothing twice. A reply of another number is an old one.

use crate::flash::Failed;
use serde::{Deserialize, Serialize};

/// Most bytes of a network in a [`Request::Chunk`].
pub const CHUNK: usize = 256;

/// What the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Which network is in use?
    Status,
    /// A network comes.
    Begin {
        /// Its version, above that in use.
        version: u32,
        /// Its length in bytes.
        len: u32,
        /// 64 bytes: see [`sign_over`](super::sign_over).
        signature: &'a [u8],
    },
    /// The next bytes of it, [`CHUNK`] at most; the same once more is taken as a repetition.
    Chunk {
        /// Where they begin.
        offset: u32,
        /// They.
        bytes: &'a [u8],
    },
    /// That was all of it.
    Commit,
}

/// What the board answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The network that runs.
    Status {
        /// Its version.
        version: u32,
        /// Its slot.
        slot: u8,
        /// It is on trial.
        on_trial: bool,
        /// CRC-32 of its output on the self-test's input.
        crc: u32,
    },
    /// All bytes before `offset` are stored.
    Stored {
        /// See there.
        offset: u32,
    },
    /// The network is complete, and will be tried at the next start.
    Installed,
    /// No.
    Refused(Refusal),
}

/// Why an update is refused. What is in use stays in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Not newer than the network in use.
    NotNewer,
    /// The network that runs is on trial: confirm it, or start again, first.
    OnTrial,
    /// It does not fit the slot.
    TooLong,
    /// No update was begun, or bytes are missing before these.
    OutOfOrder,
    /// The signature is not of the key, or the bytes are not those that were signed.
    Signature,
    /// Signed, yet no network that this engine reads.
    Network,
    /// The flash failed.
    Flash,
}

impl From<Failed> for Refusal {
    fn from(Failed: Failed) -> Self {
        Self::Flash
    }
}
