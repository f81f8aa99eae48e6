//! Rows in an arena of which one part is being written.

use crate::model::desc::Storage;

/// The arena without the part that is being written.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    before: &'a [i8],
    after: &'a [i8],
    /// Where `after` starts.
    after_at: usize,
}

impl<'a> Memory<'a> {
    /// Lends `len` elements from `at` on for writing, and all others for reading.
    pub fn lend(arena: &'a mut [i8], at: usize, len: usize) -> Option<(Self, &'a mut [i8])> {
        let (before, rest) = arena.split_at_mut_checked(at)?;
        let (part, after) = rest.split_at_mut_checked(len)?;
        Some((Self { before, after, after_at: at + len }, part))
    }

    /// `len` elements from `at` on; none of what is being written.
    #[inline]
    pub fn get(&self, at: usize, len: usize) -> Option<&'a [i8]> {
        if at < self.after_at { self.before.get(at..)?.get(..len) } else { self.after.get(at - self.after_at..)?.get(..len) }
    }
}

/// Where the rows of one value are in the arena.
#[derive(Clone, Copy)]
pub struct Place {
    /// Where.
    pub storage: Storage,
    /// Elements of a row.
    pub len: usize,
    /// The newest row, where it waits.
    pub fresh: Option<u32>,
}

impl Place {
    /// The rows themselves.
    pub const fn within(self, memory: Memory<'_>) -> Source<'_> {
        Source { memory, place: self }
    }
}

/// The rows of one value.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    memory: Memory<'a>,
    place: Place,
}

impl<'a> Source<'a> {
    /// Row `y`.
    #[inline]
    pub fn row(&self, y: u32) -> Option<&'a [i8]> {
        let Place { storage, len, fresh } = self.place;
        let at = match storage {
            Storage::Waiting { at, .. } if fresh == Some(y) => at as usize,
            Storage::Waiting { rows, kept, .. } => kept as usize + slot(y, rows) * len,
            Storage::Ring { at, rows, .. } => at as usize + slot(y, rows) * len,
            Storage::Columns { at, pitch, .. } => at as usize + y as usize * pitch as usize,
            Storage::Recomputed { .. } => return None,
        };
        self.memory.get(at, len)
    }
}

/// The place of row `y` in a ring.
#[inline]
pub fn slot(y: u32, rows: u16) -> usize {
    y.checked_rem(u32::from(rows)).unwrap_or(0) as usize
}

/// True where the newest row waits for its only reader.
pub fn is_waiting(storage: Storage) -> bool {
    matches!(storage, Storage::Waiting { .. })
}

/// Where row `y`, of `len` bytes, is written.
pub fn row_at(storage: Storage, y: u32, len: usize) -> usize {
    match storage {
        Storage::Waiting { at, .. } | Storage::Recomputed { at, .. } => at as usize,
        Storage::Ring { at, rows, .. } => at as usize + slot(y, rows) * len,
        Storage::Columns { at, pitch, .. } => at as usize + y as usize * pitch as usize,
    }
}
