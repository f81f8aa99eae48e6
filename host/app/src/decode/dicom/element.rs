//! The value of an element: text, numbers, words.

use super::encoding::Encoding;
use dicom_core::Tag;

/// One element with a value of defined length.
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    /// The kind of value, if the file names it.
    pub(super) vr: Option<[u8; 2]>,
    pub(super) big: bool,
    pub(super) value: &'a [u8],
}

impl Element<'_> {
    /// Text of the value, without padding.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.value).trim_matches([' ', '\0']).to_owned()
    }

    /// 16-bit words, whatever their declared kind.
    pub(super) fn words(&self) -> Vec<u16> {
        let encoding = Encoding { explicit: false, big: self.big };
        self.value.chunks_exact(2).map(|pair| encoding.short(pair)).collect()
    }

    /// The first whole number: text, or two or four bytes as its kind or its length says.
    pub(super) fn number(&self) -> Option<i64> {
        let encoding = Encoding { explicit: false, big: self.big };
        match (self.vr.as_ref(), self.value.len()) {
            (Some(b"IS" | b"DS" | b"LO" | b"SH" | b"CS"), _) => self.decimals().first().map(|number| *number as i64),
            (Some(b"SS"), 2..) => Some(i64::from(encoding.short(self.value) as i16)),
            (Some(b"SL"), 4..) => Some(i64::from(encoding.long(self.value) as i32)),
            (Some(b"UL"), 4..) => Some(i64::from(encoding.long(self.value))),
            (_, 2..) => Some(i64::from(encoding.short(self.value))),
            _ => None,
        }
    }

    /// Decimal numbers, NaN for what is none. A comma is taken for a point, as some countries write it; a unit after the
    /// number is left out.
    pub(super) fn decimals(&self) -> Vec<f64> {
        let number = |text: &str| {
            let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
            let is_part = |c: char| c.is_ascii_digit() || "+-.,eE'".contains(c);
            let (number, unit) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
            // The last of points and commas stands before the fraction.
            let (thousands, fraction) = if number.rfind(',') > number.rfind('.') { ('.', ',') } else { (',', '.') };
            let plain = number.replace([thousands, '\''], "").replace(fraction, ".");
            if unit.starts_with(char::is_alphanumeric) { f64::NAN } else { plain.parse().unwrap_or(f64::NAN) }
        };
        match self.vr.as_ref() {
            Some(b"FD") => self.value.chunks_exact(8).map(|b| self.float(b)).collect(),
            _ => String::from_utf8_lossy(self.value).split('\\').take(16).map(number).collect(),
        }
    }

    fn float(&self, bytes: &[u8]) -> f64 {
        let eight: [u8; 8] = bytes.try_into().unwrap_or_default();
        if self.big { f64::from_be_bytes(eight) } else { f64::from_le_bytes(eight) }
    }
}

/// Text of a file, short and without control characters.
pub(super) fn printable(text: &str) -> String {
    text.trim_matches([' ', '\0']).chars().filter(|c| !c.is_control()).take(40).collect()
}
