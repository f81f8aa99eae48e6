//! The classes, in the order used everywhere: files, reports, logits.

/// Class names; an index into this array is a class.
pub const CLASSES: [&str; 3] = ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"];

/// Index of Pneumonia/COVID-19.
pub const COVID: usize = 2;

/// Said on every surface.
pub const DISCLAIMER: &str = "Research software, not a medical device: not for diagnosis, triage or treatment.";

/// Index of a class name, if it is one of the three.
pub fn index(name: &str) -> Option<usize> {
    CLASSES.iter().position(|class| *class == name)
}
