//! Bits and Golomb codes of a scan.

/// Bits of a scan: after a byte 255 the next has seven (T.87, A.1).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    /// The last byte taken was 255.
    marked: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0, marked: false }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let width = if self.marked { 7 } else { 8 };
            if self.marked && byte & 0x80 != 0 {
                return;
            }
            // A marker begins.
            if byte == 0xff && self.bytes.get(self.at + 1).is_none_or(|next| next & 0x80 != 0) {
                return;
            }
            self.held = self.held << width | u64::from(byte);
            self.count += width;
            self.marked = byte == 0xff;
            self.at += 1;
        }
    }

    pub(super) fn take(&mut self, width: u32) -> Option<u32> {
        if self.count < width {
            self.fill();
        }
        self.count = self.count.checked_sub(width)?;
        Some((self.held >> self.count) as u32 & ((1u64 << width) - 1) as u32)
    }

    /// A limited Golomb code (T.87, A.5.3).
    pub(super) fn golomb(&mut self, k: u32, limit: u32, error_bits: u32) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > limit {
                return None;
            }
        }
        if zeros < limit.checked_sub(error_bits + 1)? {
            Some((zeros << k) | self.take(k)?)
        } else {
            Some(self.take(error_bits)? + 1)
        }
    }

    /// The place of the marker after the scan.
    pub(super) fn end(&self) -> usize {
        let marker = |at: &usize| matches!(self.bytes.get(*at..*at + 2), Some([0xff, next]) if next & 0x80 != 0);
        // Bytes in hand may reach past the last code, but never past a marker.
        (self.at.saturating_sub(1)..self.bytes.len()).find(marker).unwrap_or(self.bytes.len())
    }

    /// What follows the next restart marker.
    pub(super) fn after_restart(&self) -> Option<Self> {
        let end = self.end();
        matches!(self.bytes.get(end..end + 2), Some([0xff, 0xd0..=0xd7])).then(|| Self { at: end + 2, ..Self::new(self.bytes) })
    }
}
