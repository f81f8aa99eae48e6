//! The elements of a data set, walked as they lie in the file (PS3.5, chapter 7).
//!
//! The walk keeps a stack of its own and copies nothing, so that neither nesting nor declared lengths cost memory. It is
//! as lenient as files in the wild need: missing delimiters, odd lengths, sequences of unknown kind, single elements
//! coded the other way.

use super::element::Element;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::ops::Range;

/// Deepest nesting followed: sequences and their items.
const MAX_DEPTH: usize = 64;
/// Most fragments of one frame.
const MAX_FRAGMENTS: usize = 1 << 20;
/// Stands for a length that is told by a delimiter.
const UNDEFINED: u32 = u32::MAX;
/// Sequences that are looked into although the file does not say that they are sequences.
const KNOWN_SEQUENCES: [Tag; 9] = [
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    tags::VIEW_CODE_SEQUENCE,
    tags::ANATOMIC_REGION_SEQUENCE,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
    tags::DIRECTORY_RECORD_SEQUENCE,
];

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Each element names its kind of value.
    pub(super) explicit: bool,
    /// Big endian.
    pub(super) big: bool,
}

/// The pixels of the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PixelData {
    /// There are none.
    None,
    /// A value of defined length, cut where the file ends; in words, not bytes, by its kind.
    Value(Range<usize>, bool),
    /// Items of an encapsulated value, the offset table first.
    Items(Vec<Range<usize>>),
    /// Floating-point pixels.
    Float,
}

/// A sequence, or an item of one.
struct Level {
    tag: Tag,
    is_item: bool,
    /// Items begun, of a sequence.
    items: usize,
    end: Option<usize>,
    encoding: Encoding,
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

    fn tag(self, bytes: &[u8]) -> Tag {
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
    fn continues(self, bytes: &[u8], at: usize, last: Tag) -> bool {
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

/// Walks from `start` to the pixels of the top level or the end, and shows every element on the way.
///
/// `visit` gets the sequences around an element, each with the number of its item from 0.
pub(super) fn walk(
    bytes: &[u8],
    start: usize,
    encoding: Encoding,
    mut visit: impl FnMut(&[(Tag, usize)], &Element<'_>),
) -> Result<PixelData, &'static str> {
    let mut at = start;
    let mut levels: Vec<Level> = Vec::new();
    let mut path: Vec<(Tag, usize)> = Vec::new();
    loop {
        while levels.last().is_some_and(|level| level.end.is_some_and(|end| at >= end)) {
            leave(&mut levels, &mut path);
        }
        if levels.len() > MAX_DEPTH {
            return Err("nested too deeply");
        }
        let here = levels.last().map_or(encoding, |level| level.encoding);
        let Some((tag, vr, len, value)) = here.head(bytes, at) else { return Ok(PixelData::None) };
        let in_item = levels.last().is_some_and(|level| level.is_item);
        if tag.group() == 0xfffe {
            let len = here.long(&bytes[at + 4..]);
            at += 8;
            // An item within an item, or the end of a sequence: the end of the item was left out.
            if in_item {
                leave(&mut levels, &mut path);
            }
            match tag.element() {
                0xe000 => {
                    let Some(sequence) = levels.last_mut() else { return Err("an item outside a sequence") };
                    let end = (len != UNDEFINED).then(|| at.saturating_add(len as usize));
                    let level = Level { tag: sequence.tag, is_item: true, items: 0, end, encoding: sequence.encoding };
                    path.push((level.tag, sequence.items));
                    sequence.items += 1;
                    levels.push(level);
                }
                0xe0dd => drop(levels.pop()),
                _ => {}
            }
            continue;
        }
        if !in_item && let Some(sequence) = levels.last() {
            // Only items stand in a sequence: its end was left out.
            at = sequence.end.unwrap_or(at);
            levels.pop();
            continue;
        }
        let sequence = |encoding, end| Level { tag, is_item: false, items: 0, end, encoding };
        if len == UNDEFINED {
            let unknown = vr == Some(*b"UN");
            if tag == tags::PIXEL_DATA || !matches!(&vr, None | Some([b'S', b'Q'] | [b'U', b'N'])) {
                let (items, end) = items(bytes, value, here)?;
                if levels.is_empty() && tag == tags::PIXEL_DATA {
                    return Ok(PixelData::Items(items));
                }
                at = end;
            } else {
                // Of unknown kind: coded without kinds (PS3.5, 6.2.2, note 2), unless its first element shows one.
                let inner = Encoding::of(bytes, value + 8).map(|found| Encoding { big: false, ..found });
                levels.push(sequence(if unknown { inner.unwrap_or(Encoding::IMPLICIT) } else { here }, None));
                at = value;
            }
            continue;
        }
        let end = value.saturating_add(len as usize);
        if levels.is_empty() {
            match tag {
                tags::PIXEL_DATA => {
                    let range = value.min(bytes.len())..end.min(bytes.len());
                    return Ok(PixelData::Value(range, vr == Some(*b"OW")));
                }
                tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => return Ok(PixelData::Float),
                _ => {}
            }
        }
        let Some(content) = bytes.get(value..end) else {
            // Nonsense within an item of known length is left to whoever wrote it.
            while levels.last().is_some_and(|level| level.end.is_none()) {
                leave(&mut levels, &mut path);
            }
            match levels.last().and_then(|level| level.end).filter(|end| *end <= bytes.len()) {
                Some(end) => at = end,
                None => return Err("a value breaks off"),
            }
            continue;
        };
        let known = matches!(&vr, None | Some([b'U', b'N'])) && KNOWN_SEQUENCES.contains(&tag);
        if vr == Some(*b"SQ") || known {
            levels.push(sequence(if vr == Some(*b"UN") { Encoding::IMPLICIT } else { here }, Some(end)));
            at = value;
            continue;
        }
        visit(&path, &Element { tag, vr, big: here.big, value: content });
        at = end;
        // An odd length whose padding was not counted.
        if len % 2 == 1 && !here.continues(bytes, at, tag) && here.continues(bytes, at + 1, tag) {
            at += 1;
        }
    }
}

fn leave(levels: &mut Vec<Level>, path: &mut Vec<(Tag, usize)>) {
    if levels.pop().is_some_and(|level| level.is_item) {
        path.pop();
    }
}

/// The items of an encapsulated value that begins at `at`, the offset table among them, and where they end: at the
/// delimiter or, where that was left out, before what is no item.
pub(super) fn items(bytes: &[u8], mut at: usize, encoding: Encoding) -> Result<(Vec<Range<usize>>, usize), &'static str> {
    let mut items = Vec::new();
    let tag = |at: usize| bytes.get(at..at + 8).map(|head| encoding.tag(head));
    loop {
        match tag(at) {
            Some(Tag(0xfffe, 0xe000)) => {
                let len = encoding.long(&bytes[at + 4..]);
                if len == UNDEFINED {
                    return Err("a fragment without length");
                }
                let end = (at + 8).saturating_add(len as usize).min(bytes.len());
                if len > 0 || items.is_empty() {
                    items.push(at + 8..end);
                }
                if items.len() > MAX_FRAGMENTS {
                    return Err("too many fragments");
                }
                at = end;
                let is_mark = |at| tag(at).is_some_and(|tag| tag.group() == 0xfffe);
                if len % 2 == 1 && !is_mark(at) && is_mark(at + 1) {
                    at += 1;
                }
            }
            Some(Tag(0xfffe, 0xe0dd)) => return Ok((items, at + 8)),
            _ => return Ok((items, at)),
        }
    }
}
