//! The elements of a data set, walked as they lie in the file (PS3.5, chapter 7).
//!
//! The walk keeps a stack of its own and copies nothing, so that neither nesting nor declared lengths cost memory. It is
//! as lenient as files in the wild need: missing delimiters, odd lengths, sequences of unknown kind, single elements
//! coded the other way.

use super::element::Element;
use super::encoding::{Encoding, UNDEFINED};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::ops::Range;

/// Deepest nesting followed: sequences and their items.
const MAX_DEPTH: usize = 64;
/// Most fragments of one frame.
const MAX_FRAGMENTS: usize = 1 << 20;
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
