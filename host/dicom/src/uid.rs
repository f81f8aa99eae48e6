//! Identifiers that follow from what they name: made again, they are the same, so nothing is there twice.

use sha2::{Digest, Sha256};

/// Longest identifier in characters (PS3.5, 9.1).
const MAX: usize = 64;

/// An identifier under 2.25 (PS3.5, B.2): the number of a UUID of version 8 made of the SHA-256 of `parts`.
///
/// ```
/// let first = cxr_dicom::uid::derived(&["report", "1.2.3", "model"]);
/// assert_eq!(first, cxr_dicom::uid::derived(&["report", "1.2.3", "model"]));
/// assert_ne!(first, cxr_dicom::uid::derived(&["report", "1.2", "3model"]));
/// ```
pub fn derived(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    // Version 8 and the variant of RFC 9562.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// True for 1 to 64 digits and points, as archives take them.
pub fn is_uid(text: &str) -> bool {
    (1..=MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ones_are_valid_and_differ() {
        let all: std::collections::BTreeSet<_> = (0..1000).map(|n| derived(&["x", &n.to_string()])).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|uid| is_uid(uid) && uid.starts_with("2.25.") && !uid.contains(".0")));
        assert!(!is_uid("") && !is_uid("1.2/../3") && !is_uid(&"1".repeat(65)));
    }
}
