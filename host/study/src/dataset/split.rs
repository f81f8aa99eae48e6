//! The split rule: by patient, from hashes alone, so that anyone reproduces it without a list.

use super::fold::Fold;
use super::residue::digit;
use super::sample::Split;
use cxr_app::classes::CLASSES;

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
