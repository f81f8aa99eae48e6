//! NOR flash: erased to ones sector by sector, programmed to zeros, read in place. And one in memory, for tests and emulated boards.

/// Bytes of a sector.
pub const SECTOR: usize = 4096;

/// The flash did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// NOR flash that the processor reads in place.
pub trait Flash {
    /// All of it.
    fn bytes(&self) -> &[u8];

    /// Sets a sector to ones.
    ///
    /// # Errors
    /// Beyond the end; whatever the chip says.
    fn erase(&mut self, sector: usize) -> Result<(), Failed>;

    /// Clears bits.
    ///
    /// # Errors
    /// Beyond the end, a bit that is not erased; whatever the chip says.
    fn program(&mut self, at: usize, bytes: &[u8]) -> Result<(), Failed>;
}

/// Flash in memory. It can lose its power in the middle of an operation.
pub struct Memory<'a> {
    bytes: &'a mut [u8],
    /// Operations until the power goes: the last one is half done. `None`: it stays.
    pub power: Option<u32>,
}

impl<'a> Memory<'a> {
    /// Flash with this content.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, power: None }
    }

    /// How much of an operation on `len` bytes is done.
    fn done(&mut self, len: usize) -> Result<usize, Failed> {
        match &mut self.power {
            None => Ok(len),
            Some(0) => Err(Failed),
            Some(left) => {
                *left -= 1;
                Ok(if *left == 0 { len / 2 } else { len })
            }
        }
    }
}

impl Flash for Memory<'_> {
    fn bytes(&self) -> &[u8] {
        self.bytes
    }

    fn erase(&mut self, sector: usize) -> Result<(), Failed> {
        let done = self.done(SECTOR)?;
        let at = sector.checked_mul(SECTOR).ok_or(Failed)?;
        self.bytes
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..SECTOR))
            .ok_or(Failed)?
            .iter_mut()
            .take(done)
            .for_each(|b| *b = 0xff);
        if done < SECTOR { Err(Failed) } else { Ok(()) }
    }

    fn program(&mut self, at: usize, bytes: &[u8]) -> Result<(), Failed> {
        let done = self.done(bytes.len())?;
        let place = self.bytes.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Failed)?;
        for (old, new) in place.iter_mut().zip(bytes).take(done) {
            // What is programmed twice without an erase is not what was asked for.
            if *old & new != *new {
                return Err(Failed);
            }
            *old = *new;
        }
        if done < bytes.len() { Err(Failed) } else { Ok(()) }
    }
}
