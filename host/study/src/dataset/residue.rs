//! A number from a text's hash: what the split rule is made of.

use sha2::{Digest, Sha256};

/// sha256(text), read as one big-endian integer, modulo 10.
pub(super) fn digit(text: &str) -> u8 {
    residue(text, 10) as u8
}

/// sha256(text), read as one big-endian integer, modulo `of`.
pub(super) fn residue(text: &str, of: u32) -> u32 {
    Sha256::digest(text.as_bytes()).iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digit_is_the_last_decimal_digit_of_the_digest() {
        // python3 -c "import hashlib; print(int(hashlib.sha256(b'...').hexdigest(), 16) % 10)"
        assert_eq!(["", "normal_IM-0128", "ieee_70t", "abc"].map(digit), DIGITS);
    }

    const DIGITS: [u8; 4] = [9, 1, 3, 5];
}
