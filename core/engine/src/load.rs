//! A network that lies where the processor cannot read it in place: external flash, a card, the other end of a line.

use crate::error::Error;
use crate::model::Model;
use crate::model::layout::{MAGIC, header};
use core::fmt;
use embedded_io::{Read, ReadExactError};

/// Why there is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The reader failed.
    Read(E),
    /// The reader ended before the network did.
    EndOfFile,
    /// What was read is no network, or `memory` is too small for it.
    Network(Error),
}

impl<E: fmt::Debug> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the network cannot be read: {error:?}"),
            Self::EndOfFile => f.write_str("the network's file ends early: write it anew"),
            Self::Network(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for LoadError<E> {}

impl<E> From<Error> for LoadError<E> {
    fn from(error: Error) -> Self {
        Self::Network(error)
    }
}

impl<E> From<ReadExactError<E>> for LoadError<E> {
    fn from(error: ReadExactError<E>) -> Self {
        match error {
            ReadExactError::UnexpectedEof => Self::EndOfFile,
            ReadExactError::Other(error) => Self::Read(error),
        }
    }
}

/// Reads one network file into `memory`, in chunks as the reader gives them, and checks it whole, its checksum among it.
///
/// Nothing behind the file is read, so that networks may lie one after another. Flash that was erased is [`Error::BadMagic`].
///
/// # Errors
/// What the reader says; an early end; [`Error::BufferTooSmall`] before the constants are read; whatever [`Model::parse`] finds.
///
/// ```
/// # let flash: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.rnet"));
/// let mut reader = flash; // anything that is `embedded_io::Read`
/// let mut memory = [0; 1024];
/// let network = rownet::load::load(&mut reader, &mut memory).unwrap();
/// assert!(network.arena_bytes() < 1024);
/// ```
pub fn load<'m, R: Read>(reader: &mut R, memory: &'m mut [u8]) -> Result<Model<'m>, LoadError<R::Error>> {
    let given = memory.len() as u32;
    let too_small = |needed: u32| Error::BufferTooSmall { needed, given };
    let (head, _) = memory.split_at_mut_checked(header::SIZE).ok_or(too_small(header::SIZE as u32))?;
    reader.read_exact(head)?;
    if !head.starts_with(&MAGIC) {
        return Err(Error::BadMagic.into());
    }
    let len = head.get(header::FILE_LEN..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let file = memory.get_mut(..len as usize).ok_or(too_small(len))?;
    let rest = file.get_mut(header::SIZE..).ok_or(Error::Length { expected: header::SIZE as u32, given: len })?;
    reader.read_exact(rest)?;
    Ok(Model::parse(file)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_io::ErrorType;

    const TINY: &[u8] = include_bytes!("../tests/tiny.rnet");

    /// Gives at most `step` bytes at once, as flash behind a bus does.
    struct Chunks<'a> {
        left: &'a [u8],
        step: usize,
    }

    impl ErrorType for Chunks<'_> {
        type Error = core::convert::Infallible;
    }

    impl Read for Chunks<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
            let n = self.step.min(into.len());
            self.left.read(&mut into[..n])
        }
    }

    #[test]
    fn chunks_of_any_size_give_the_file_and_nothing_behind_it_is_read() {
        let two = [TINY, TINY].concat();
        for step in [1, 7, 256, 4096] {
            let mut reader = Chunks { left: &two, step };
            for _ in 0..2 {
                let mut memory = std::vec![0; TINY.len() + 3];
                let network = load(&mut reader, &mut memory).unwrap();
                assert_eq!(network.checksum(), Model::parse(TINY).unwrap().checksum());
            }
            assert!(reader.left.is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut memory = std::vec![0; TINY.len()];
        let load = |file: &[u8], memory: &mut [u8]| load(&mut &*file, memory).err().unwrap();
        assert_eq!(load(&[0xff; 4096], &mut memory), LoadError::Network(Error::BadMagic));
        assert_eq!(load(&TINY[..9], &mut memory), LoadError::EndOfFile);
        assert_eq!(load(&TINY[..TINY.len() - 1], &mut memory), LoadError::EndOfFile);
        let (needed, given) = (TINY.len() as u32, TINY.len() as u32 - 1);
        assert_eq!(load(TINY, &mut memory[1..]), LoadError::Network(Error::BufferTooSmall { needed, given }));
        let mut bad = TINY.to_vec();
        bad[TINY.len() - 1] ^= 1;
        assert!(matches!(load(&bad, &mut memory), LoadError::Network(Error::BadChecksum { .. })));
    }
}
