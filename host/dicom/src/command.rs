//! Command sets of DIMSE (PS3.7): flat lists of short elements, implicit little endian.
//!
//! They come from whoever connects, so they are read here, element by element, within the bytes that are there.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// A command set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    elements: Vec<(Tag, Vec<u8>)>,
}

/// C-STORE-RQ, C-STORE-RSP, C-ECHO-RQ and C-ECHO-RSP.
pub const C_STORE_RQ: u16 = 0x0001;
/// See [`C_STORE_RQ`].
pub const C_STORE_RSP: u16 = 0x8001;
/// See [`C_STORE_RQ`].
pub const C_ECHO_RQ: u16 = 0x0030;
/// See [`C_STORE_RQ`].
pub const C_ECHO_RSP: u16 = 0x8030;
/// Command Data Set Type: no data set follows; any other value: one does.
pub const NO_DATA: u16 = 0x0101;

impl Command {
    /// Reads a command set; none where it breaks off or is no list of elements of group 0.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut elements = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at_checked(8)?;
            let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
            let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (value, rest) = rest.split_at_checked(len)?;
            if word(0) != 0 {
                return None;
            }
            elements.push((Tag(0, word(2)), value.to_vec()));
            bytes = rest;
        }
        Some(Self { elements })
    }

    /// A number of two bytes.
    pub fn number(&self, tag: Tag) -> Option<u16> {
        Some(u16::from_le_bytes(self.value(tag)?.try_into().ok()?))
    }

    /// Text without padding.
    pub fn text(&self, tag: Tag) -> Option<&str> {
        Some(std::str::from_utf8(self.value(tag)?).ok()?.trim_matches([' ', '\0']))
    }

    fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.elements.iter().find(|(found, _)| *found == tag).map(|(_, value)| &value[..])
    }

    /// Adds a number.
    pub fn with_number(mut self, tag: Tag, value: u16) -> Self {
        self.elements.push((tag, value.to_le_bytes().to_vec()));
        self
    }

    /// Adds text, cut after 64 bytes as error comments are, and an identifier too.
    pub fn with_text(mut self, tag: Tag, value: &str) -> Self {
        let padding = if tag == tags::ERROR_COMMENT { b' ' } else { 0 };
        let mut bytes: Vec<u8> = value.bytes().filter(|byte| matches!(byte, b' '..=b'~')).take(64).collect();
        if bytes.len() % 2 == 1 {
            bytes.push(padding);
        }
        self.elements.push((tag, bytes));
        self
    }

    /// The bytes, in the order of the tags, the group's length before them.
    pub fn write(mut self) -> Vec<u8> {
        self.elements.sort_by_key(|(tag, _)| *tag);
        let mut body = Vec::new();
        for (tag, value) in &self.elements {
            push(&mut body, *tag, value);
        }
        let mut bytes = Vec::new();
        push(&mut bytes, tags::COMMAND_GROUP_LENGTH, &(body.len() as u32).to_le_bytes());
        bytes.append(&mut body);
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    bytes.extend(tag.group().to_le_bytes());
    bytes.extend(tag.element().to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_breaks_off_is_not() {
        let command = Command::default().with_number(tags::STATUS, 0xa700).with_text(tags::ERROR_COMMENT, "no room");
        let bytes = command.with_text(tags::AFFECTED_SOP_INSTANCE_UID, "1.2.3").write();
        assert_eq!(bytes.len() % 2, 0);
        let read = Command::read(&bytes).unwrap();
        assert_eq!(read.number(tags::STATUS), Some(0xa700));
        assert_eq!(read.text(tags::ERROR_COMMENT), Some("no room"));
        assert_eq!(read.text(tags::AFFECTED_SOP_INSTANCE_UID), Some("1.2.3"));
        assert_eq!(read.number(tags::ERROR_COMMENT), None);
        for end in 1..bytes.len() {
            // Whole elements may stand there, and no part of one.
            if let Some(read) = Command::read(&bytes[..end]) {
                assert!(read.elements.len() < 4);
            }
        }
        assert!(Command::read(&[8, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(Command::read(&[0, 0, 0, 0, 255, 255, 255, 255]).is_none());
    }
}
