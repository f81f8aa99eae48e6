//! `radiologists.csv` and `withdrawn.csv` of a folder of other sources: what was found out about images after they were listed.

use super::table::Table;
use anyhow::{Result, bail};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Radiologists' readings.
pub const READINGS: &str = "radiologists.csv";
/// Images that are neither trained nor tested on any more.
pub const WITHDRAWN: &str = "withdrawn.csv";

const HELP: &str = "restore the file, or take it out of the folder (data/README.md)";

/// What radiologists say of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// An opacity.
    Opacity,
    /// No opacity; healthy or ill with something else.
    NoOpacity,
    /// Nothing wrong.
    Normal,
    /// They disagree.
    Conflict,
}

impl Reading {
    /// From the column `radiologists_say`.
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "opacity" => Self::Opacity,
            "normal" => Self::Normal,
            "conflict" => Self::Conflict,
            _ if text.starts_with("no opacity") => Self::NoOpacity,
            _ => return None,
        })
    }

    /// True if it speaks against a label: pneumonia without an opacity, health with one, or no agreement.
    pub fn contradicts(self, class: usize) -> bool {
        match self {
            Self::Opacity => class == 0,
            Self::NoOpacity | Self::Normal => class == 1,
            Self::Conflict => true,
        }
    }
}

/// What all folders say of images.
#[derive(Debug, Default)]
pub(super) struct Notes {
    readings: HashMap<String, Reading>,
    withdrawn: HashSet<String>,
    withdrawn_patients: HashSet<String>,
}

impl Notes {
    /// Adds what `folder` says, if anything.
    ///
    /// # Errors
    /// A damaged table; a reading that is none of the known ones.
    pub(super) fn add(&mut self, folder: &Path) -> Result<()> {
        if folder.join(READINGS).exists() {
            let table = Table::open(folder, READINGS, &["image", "radiologists_say"], HELP)?;
            for row in table.rows() {
                let text = row.get("radiologists_say");
                let Some(reading) = Reading::parse(text) else {
                    bail!("{}: `{text}` is none of opacity, no opacity, normal, conflict: correct the cell", row.place());
                };
                self.readings.insert(row.get("image").to_owned(), reading);
            }
        }
        if folder.join(WITHDRAWN).exists() {
            let table = Table::open(folder, WITHDRAWN, &["image", "patient"], HELP)?;
            for row in table.rows() {
                self.withdrawn.insert(row.get("image").to_owned());
                self.withdrawn_patients.insert(row.get("patient").to_owned());
            }
        }
        Ok(())
    }

    /// The reading of an image.
    pub(super) fn reading(&self, image: &str) -> Option<Reading> {
        self.readings.get(image).copied()
    }

    /// True if the image, or another of the same person, was withdrawn.
    pub(super) fn is_withdrawn(&self, image: &str, person: &str) -> bool {
        self.withdrawn.contains(image) || self.withdrawn_patients.contains(person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_speak_against_labels() {
        let says = |text: &str, class| Reading::parse(text).unwrap().contradicts(class);
        assert!(says("normal", 1) && says("no opacity (normal or other finding)", 1) && says("opacity", 0));
        assert!(!says("normal", 0) && !says("opacity", 1) && !says("no opacity (normal or other finding)", 0));
        assert!(says("conflict", 0) && says("conflict", 1));
        assert_eq!(Reading::parse("unsure"), None);
    }
}
