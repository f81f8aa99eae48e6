//! The split rule: by patient, from hashes alone, so that anyone reproduces it without a list.

use super::Split;
use super::fold::Fold;
use crate::classes::CLASSES;
use sha2::{Digest, Sha256};

/// sha256(text), read as one big-endian integer, modulo 10.
pub fn digit(text: &str) -> u8 {
    residue(text, 10) as u8
}

/// sha256(text), read as one big-endian integer, modulo `of`.
pub(super) fn residue(text: &str, of: u32) -> u32 {
    Sha256::digest(text.as_bytes()).iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % of)
}

/// Split of a CoronaHack image.
///
/// `Pneumonia/COVID-19` has no image in Kaggle's TEST folder, so its test patients are carved out by hash:
/// three tenths test, one tenth val. For the other classes Kaggle's TEST folder is the test split and a tenth
/// of the remaining patients is val. A fold has its own patients as test, whatever their folder or class, and keeps the rules
/// for val.
pub fn coronahack(class: usize, kaggle_test: bool, patient: &str, fold: Option<Fold>) -> Split {
    if fold.is_some_and(|fold| fold.tests(patient)) {
        return Split::Test;
    }
    if CLASSES[class] == "Pneumonia/COVID-19" {
        return match digit(&format!("{patient}t")) {
            0..=2 if fold.is_none() => Split::Test,
            3 => Split::Val,
            _ => Split::Train,
        };
    }
    if kaggle_test && fold.is_none() { Split::Test } else { training(patient) }
}

/// Train or, for a tenth of the patients, val.
pub fn training(patient: &str) -> Split {
    if digit(patient) == 0 { Split::Val } else { Split::Train }
}

/// Train or, for a tenth of the patients, val, for the sources other than CoronaHack.
///
/// Salted: the files of some sources were themselves dealt out by the unsalted digit, which leaves nobody of nih, ieee8023 or darkcovidnet for val.
pub fn external(patient: &str) -> Split {
    training(&format!("{patient}v"))
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
