//! Look-up tables of a file: modality, VOI, palette (PS3.3, C.11.1.1.1, C.11.2.1.1, C.7.6.3.1.5).

use super::element::Element;
use dicom_core::Tag;

/// Longest table in bytes: 2^16 entries of two bytes.
const MAX_BYTES: usize = 1 << 17;

/// A look-up table; until [`Table::unpacked`] its entries are as the file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Stored value of the first entry.
    pub(super) first: i64,
    /// Bits of an entry, as declared.
    pub(super) bits: u32,
    /// The entries, by stored value.
    pub(super) values: Vec<u16>,
    /// Entries declared.
    count: usize,
    /// The first value is declared signed.
    signed: bool,
    /// Words that code segments rather than entries.
    is_segmented: bool,
    /// Bytes lie in big-endian words.
    big: bool,
}

impl Table {
    /// Takes what the element says of the table: its descriptor or its data. The first data count.
    pub(super) fn take(&mut self, element: &Element<'_>) {
        match element.tag {
            Tag(0x0028, 0x3002 | 0x1101..=0x1103) => {
                if let [count, first, bits] = element.words()[..] {
                    self.count = if count == 0 { 1 << 16 } else { usize::from(count) };
                    self.signed = element.vr == Some(*b"SS");
                    (self.first, self.bits) = (i64::from(first), u32::from(bits));
                }
            }
            Tag(0x0028, 0x3006 | 0x1201..=0x1203 | 0x1221..=0x1223)
                if self.values.is_empty() && element.value.len() <= MAX_BYTES =>
            {
                self.is_segmented = (0x1221..=0x1223).contains(&element.tag.element());
                self.big = element.big;
                self.values = element.words();
                if let [.., last] = element.value
                    && element.value.len() % 2 == 1
                {
                    self.values.push(u16::from(*last));
                }
            }
            _ => {}
        }
    }

    /// The table with one entry a value, if there is one. `may_be_negative`: the values that it maps can be.
    pub(super) fn unpacked(mut self, may_be_negative: bool) -> Option<Self> {
        if self.values.is_empty() {
            return None;
        }
        if (self.signed || may_be_negative) && self.first >= 1 << 15 {
            self.first -= 1 << 16;
        }
        if self.is_segmented {
            self.values = segments(&self.values, self.count.max(1))?;
        } else if self.values.len() * 2 == self.count.next_multiple_of(2) && self.values.len() < self.count {
            // Two entries of eight bits in a word.
            let order = if self.big { u16::to_be_bytes } else { u16::to_le_bytes };
            self.values = self.values.iter().flat_map(|word| order(*word)).map(u16::from).collect();
        }
        if self.count > 0 {
            self.values.truncate(self.count);
        }
        Some(self)
    }

    /// An entry; values beyond the ends take the nearest.
    pub(super) fn look_up(&self, value: i64) -> u16 {
        let at = value.saturating_sub(self.first).clamp(0, self.values.len() as i64 - 1);
        self.values.get(at as usize).copied().unwrap_or(0)
    }

    /// What an entry of white is: by the declared bits, unless the entries use far fewer (or more), as some makers write.
    pub(super) fn white(&self) -> u32 {
        let largest = self.values.iter().copied().max().unwrap_or(0);
        let used = (u16::BITS - largest.leading_zeros()).max(8);
        let declared = self.bits.clamp(8, 16);
        let bits = if used > declared || used + 2 <= declared { used } else { declared };
        (1 << bits) - 1
    }
}

/// Entries of a palette in segments: discrete, linear, or a repetition of earlier ones (PS3.3, C.7.9.2).
fn segments(words: &[u16], count: usize) -> Option<Vec<u16>> {
    let mut out = Vec::new();
    expand(words, 0, usize::MAX, count, &mut out, true)?;
    Some(out).filter(|out| !out.is_empty())
}

/// Expands `most` segments from word `at`.
fn expand(words: &[u16], mut at: usize, most: usize, count: usize, out: &mut Vec<u16>, outermost: bool) -> Option<()> {
    for _ in 0..most {
        if at >= words.len() || out.len() >= count {
            break;
        }
        let length = usize::from(*words.get(at + 1)?);
        match words[at] {
            0 => {
                out.extend_from_slice(words.get(at + 2..at + 2 + length)?);
                at += 2 + length;
            }
            1 => {
                let (from, to) = (f64::from(*out.last()?), f64::from(*words.get(at + 2)?));
                out.extend((1..=length).map(|i| (from + (to - from) * i as f64 / length as f64).round() as u16));
                at += 3;
            }
            2 if outermost => {
                let offset = usize::from(*words.get(at + 2)?) | usize::from(*words.get(at + 3)?) << 16;
                // Offsets count bytes.
                expand(words, offset / 2, length, count, out, false)?;
                at += 4;
            }
            _ => return None,
        }
    }
    Some(())
}
