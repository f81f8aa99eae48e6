//! An image of the dataset, decoded once for all that is asked of it.

use super::networks::Networks;
use crate::dataset::Sample;
use crate::dataset::check::Inspected;
use anyhow::Result;
use cxr_app::decode;

/// A decoded image.
pub struct Picture {
    /// Bytes of the file, width, height, mean level.
    pub trivial: [f64; 4],
    /// Gray levels as the network takes them.
    pub gray: Vec<u8>,
    /// Gray levels, 256x256.
    pub full: Vec<u8>,
    /// What `host data check` needs of it.
    pub inspected: Inspected,
}

impl Picture {
    /// Reads and decodes it once, for `networks`.
    ///
    /// # Errors
    /// A file that cannot be decoded; names it.
    pub fn read(networks: &Networks<'_>, sample: &Sample) -> Result<Self> {
        let [height, width, _] = networks.engine.input();
        let (bytes, name) = (decode::read(&sample.path)?, sample.path.display().to_string());
        let image = decode::Image::decode(&bytes, &name)?;
        let (w, h) = image.dimensions();
        let gray = image.gray(width, height)?;
        let full = if [width, height] == [256; 2] { gray.clone() } else { image.gray(256, 256)? };
        let brightness = gray.iter().map(|level| f64::from(*level)).sum::<f64>() / gray.len().max(1) as f64;
        let trivial = [bytes.len() as f64, f64::from(w), f64::from(h), brightness];
        Ok(Self { trivial, inspected: Inspected::of(&bytes, &image, &full), gray, full })
    }
}
