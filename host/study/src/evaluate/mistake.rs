//! A wrong verdict that is shown.

use serde::Serialize;

/// A wrong verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// File name, as in the source's metadata.
    pub image: String,
    /// Where the image lies: the path given to `host evaluate`, and below.
    pub path: String,
    /// Source.
    pub source: String,
    /// Split.
    pub split: &'static str,
    /// Class it is labelled with.
    pub truth: &'static str,
    /// Class it was given.
    pub verdict: &'static str,
    /// Probability that the network gave that class.
    pub probability: f64,
    /// The verdict was withheld.
    pub withheld: bool,
    /// JPEG, base64; in report.html alone.
    #[serde(skip)]
    pub thumbnail: Option<String>,
}
