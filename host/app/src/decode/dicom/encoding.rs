//! How elements are written: byte order, named kinds of values, lengths.

use dicom_core::Tag;

/// Stands for a length that is told by a delimiter.
pub(super) const UNDEFINED: u32 = u32::MAX;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Each element names its kind of value.
    pub(super) explicit: bool,
    /// Big endian.
    pub(super) big: bool,
}

impl Encoding {
    pub(super) const IMPLICIT: Self = Self { explicit: false, big: false };
    pub(super) const EXPLICIT: Self = Self { explicit: true, big: false };

    /// The encoding of the element that begins at `at`, told from its bytes: group numbers are small, kinds of values are
    /// two letters.
    pub(super) fn of(bytes: &[u8], at: usize) -> Option<Self> {
        let head: &[u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
        let big = u16::from_be_bytes([head[0], head[1]]) < u16::from_le_bytes([head[0], head[1]]);
        Some(Self { explicit: is_known(&[head[4], head[5]]), big })
    }

    pub(super) fn short(self, bytes: &[u8]) -> u16 {
        let pair = [bytes[0], bytes[1]];
        if self.big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    }

    pub(super) fn long(self, bytes: &[u8]) -> u32 {
        let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    pub(super) fn tag(self, bytes: &[u8]) -> Tag {
        Tag(self.short(bytes), self.short(&bytes[2..]))
    }

    /// Tag, kind, length and start of the value of the element at `at`.
    pub(super) fn head(self, bytes: &[u8], at: usize) -> Option<(Tag, Option<[u8; 2]>, u32, usize)> {
        let head = bytes.get(at..at + 8)?;
        let vr = [head[4], head[5]];
        let named = self.explicit && (vr.iter().all(u8::is_ascii_uppercase) || vr == *b"??");
        Some(match (named, is_short(&vr)) {
            (false, _) => (self.tag(head), None, self.long(&head[4..]), at + 8),
            (true, true) => (self.tag(head), Some(vr), u32::from(self.short(&head[6..])), at + 8),
            (true, false) => (self.tag(head), Some(vr), self.long(bytes.get(at + 8..at + 12)?), at + 12),
        })
    }

    /// True if an element may begin at `at` after the one of `last`.
    pub(super) fn continues(self, bytes: &[u8], at: usize, last: Tag) -> bool {
        let Some((tag, vr, len, start)) = self.head(bytes, at) else { return at == bytes.len() };
        let fits = len == UNDEFINED || start.saturating_add(len as usize) <= bytes.len();
        tag.group() == 0xfffe || (tag > last && fits && (!self.explicit || vr.is_some()))
    }
}

/// Kinds of values whose length has two bytes.
fn is_short(vr: &[u8; 2]) -> bool {
    matches!(
        vr,
        b"AE"
            | b"AS"
            | b"AT"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"FD"
            | b"FL"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"SL"
            | b"SS"
            | b"ST"
            | b"TM"
            | b"UI"
            | b"UL"
            | b"US"
    )
}

/// Every kind of value that the standard knows.
fn is_known(vr: &[u8; 2]) -> bool {
    let long =
        matches!(vr, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV");
    long || is_short(vr)
}
