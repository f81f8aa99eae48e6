//! Boxes that pictures are cut to before training: of the lungs, as another program found them.

use anyhow::{Context, Result, ensure};
use image::GrayImage;
use image::imageops::{self, FilterType};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Boxes of pictures, by source and file name.
#[derive(Debug)]
pub struct Boxes {
    path: PathBuf,
    by_name: HashMap<(String, String), [f32; 4]>,
}

/// A line of the file: left, top, right and bottom as shares of the sides.
#[derive(Deserialize)]
struct Line {
    image: String,
    source: String,
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
}

impl Boxes {
    /// Reads a CSV file with the columns image, source, x0, y0, x1, y1; others are passed over.
    ///
    /// # Errors
    /// A file that cannot be read; a box that is none.
    pub fn read(path: &Path) -> Result<Self> {
        let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
        let mut by_name = HashMap::new();
        for line in reader.deserialize() {
            let Line { image, source, x0, y0, x1, y1 } = line.with_context(|| path.display().to_string())?;
            let is_box = 0.0 <= x0 && x0 + 0.1 <= x1 && x1 <= 1.0 && 0.0 <= y0 && y0 + 0.1 <= y1 && y1 <= 1.0;
            ensure!(
                is_box,
                "{}: the box of {image} is not within 0 to 1, or narrower than a tenth: mend the line",
                path.display()
            );
            by_name.insert((source, image), [x0, y0, x1, y1]);
        }
        ensure!(!by_name.is_empty(), "{}: no box", path.display());
        Ok(Self { path: path.to_owned(), by_name })
    }

    /// The part of a square picture in its box, as large as the picture was.
    ///
    /// # Errors
    /// A picture without a box: it would be the only one with its frame.
    pub fn cut(&self, source: &str, name: &str, pixels: Vec<u8>) -> Result<Vec<u8>> {
        let [x0, y0, x1, y1] = self
            .by_name
            .get(&(source.to_owned(), name.to_owned()))
            .with_context(|| format!("{}: no box for {name} of {source}: add a line", self.path.display()))?;
        let side = pixels.len().isqrt() as u32;
        let whole = GrayImage::from_raw(side, side, pixels).context("a picture is a square")?;
        let at = |share: f32| ((share * side as f32).round() as u32).min(side);
        let part = imageops::crop_imm(&whole, at(*x0), at(*y0), at(*x1) - at(*x0), at(*y1) - at(*y0));
        Ok(imageops::resize(&*part, side, side, FilterType::Triangle).into_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_cut_to_its_box() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boxes.csv");
        std::fs::write(&path, "image,source,x0,y0,x1,y1,found\na.png,nih,0.5,0,1,0.5,1\nb.png,nih,0,0,1,1,1\n").unwrap();
        let boxes = Boxes::read(&path).unwrap();
        // Quarters of 1, 2, 3 and 4.
        let picture: Vec<u8> = (0..256).map(|i| [1, 2, 3, 4][i / 128 * 2 + i % 16 / 8]).collect();
        assert_eq!(boxes.cut("nih", "a.png", picture.clone()).unwrap(), vec![2; 256]);
        assert_eq!(boxes.cut("nih", "b.png", picture.clone()).unwrap(), picture);
        assert!(boxes.cut("rsna", "a.png", picture).unwrap_err().to_string().ends_with("no box for a.png of rsna: add a line"));
        std::fs::write(&path, "image,source,x0,y0,x1,y1\na.png,nih,0.5,0,0.4,0.5\n").unwrap();
        assert!(Boxes::read(&path).unwrap_err().to_string().contains("the box of a.png is not within 0 to 1"));
    }
}
