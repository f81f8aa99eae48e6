//! `predict --heatmap`: the exact map of a class over its X-ray.
//!
//! Each cell of the final feature map adds a known amount to the class's logit (`cxr_core::explain`); red cells speak
//! for the class, blue ones against it. No gradient, no approximation: the cells and the bias sum to the logit.

use crate::files;
use crate::lungs::Frame;
use crate::model_file::Map;
use anyhow::{Context, Result};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb, RgbImage};
use std::path::{Path, PathBuf};

/// Share of the colour where the map is strongest.
const OPACITY: f32 = 0.6;

/// Draws `map`, which lies in `frame`, over a gray image of `width` x `height` pixels.
///
/// # Panics
/// Where `gray` or the cells do not have the stated sizes.
pub fn overlay(gray: &[u8], width: usize, height: usize, map: &Map, frame: Frame) -> RgbImage {
    let [rows, columns] = map.size;
    let top = map.cells.iter().fold(f32::MIN_POSITIVE, |top, cell| top.max(cell.abs()));
    // `resize` clamps to 0..=1, so zero becomes a half.
    let shares: Vec<f32> = map.cells.iter().map(|cell| 0.5 + 0.5 * cell / top).collect();
    let cells = ImageBuffer::<Luma<f32>, _>::from_raw(columns as u32, rows as u32, shares).expect("one value a cell");
    let [left, top_row, columns, rows] = {
        let [x, y, w, h] = frame.area();
        [x * width as f32, y * height as f32, w * width as f32, h * height as f32].map(|extent| extent.round() as u32)
    };
    let smooth = resize(&cells, columns.max(1), rows.max(1), FilterType::Triangle);
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let cell = x.checked_sub(left).zip(y.checked_sub(top_row)).and_then(|(x, y)| smooth.get_pixel_checked(x, y));
        let strength = cell.map_or(0.0, |cell| (2.0 * cell[0] - 1.0).clamp(-1.0, 1.0));
        // RED_BLUE runs from red over white to blue.
        let colour = colorous::RED_BLUE.eval_continuous(f64::from(0.5 - strength / 2.0)).as_array();
        let (under, weight) = (f32::from(gray[y as usize * width + x as usize]), OPACITY * strength.abs());
        Rgb(colour.map(|c| (f32::from(c) * weight + under * (1.0 - weight)).round() as u8))
    })
}

/// A folder of overlays in which no two images share a file, whoever writes there.
#[derive(Clone, Debug)]
pub struct Heatmaps {
    folder: PathBuf,
}

/// Most bytes of an image's name in that of its overlay: 255 are allowed.
const MAX_NAME: usize = 180;

impl Heatmaps {
    /// Overlays in `folder`, which is made when the first is written.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where the overlay of the image at `path` is: `FOLDER/NAME.HASH.heatmap.png`.
    ///
    /// A scanner calls the first image of every series IM000001, and UIDs differ after their last dot. So the name is the whole
    /// file name and 64 bits of the SHA-256 of the absolute path: a function of the path alone, the same in every run and
    /// share. `-`, standard input, has no path: there it is the image's own `sha256`.
    pub fn path(&self, path: &Path, sha256: &str) -> PathBuf {
        let (name, identity) = if path == Path::new("-") {
            ("stdin".into(), sha256.to_owned())
        } else {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, files::sha256(absolute.as_os_str().as_encoded_bytes()))
        };
        let name = &name[..name.floor_char_boundary(MAX_NAME)];
        self.folder.join(format!("{name}.{}.heatmap.png", &identity[..16]))
    }

    /// Writes `picture` for the image at `path` with that hash; returns where.
    ///
    /// # Errors
    /// Names the file.
    pub fn write(&self, path: &Path, sha256: &str, picture: &RgbImage) -> Result<PathBuf> {
        let path = self.path(path, sha256);
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).with_context(|| path.display().to_string())?;
        files::write_all(&[(path.clone(), bytes.into_inner())])?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lungs::Lungs;

    #[test]
    fn colour_says_the_sign_and_strength_of_a_cell() {
        let map = Map { size: [1, 3], cells: vec![2.0, 0.0, -2.0], bias: 0.5 };
        let picture = overlay(&[100; 90 * 30], 90, 30, &map, Frame::Whole);
        let [left, middle, right] = [5, 45, 85].map(|x| picture.get_pixel(x, 15).0);
        assert!(left[0] > left[2] + 40, "{left:?}");
        assert!(right[2] > right[0] + 40, "{right:?}");
        assert!(middle.iter().all(|v| v.abs_diff(100) <= 2), "{middle:?}");
        // In a frame: the right half, the upper half; nothing is drawn beside it.
        let frame = Frame::Lungs(Lungs { left: 128, top: 0, right: 256, bottom: 128 });
        let picture = overlay(&[100; 90 * 30], 90, 30, &map, frame);
        let [left, right, below] = [(5, 5), (47, 5), (47, 25)].map(|(x, y)| picture.get_pixel(x, y).0);
        assert!(right[0] > right[2] + 40, "{right:?}");
        assert_eq!([left, below], [[100; 3]; 2]);
    }

    #[test]
    fn no_two_images_share_an_overlay() {
        let heatmaps = Heatmaps::new(Path::new("out"));
        let hash = files::sha256(b"image");
        let long = format!("{}.png", "\u{e4}".repeat(120));
        let paths = [
            "a/IM000001",
            "b/IM000001",
            "IM000001",
            "1.2.840.113619.1",
            "1.2.840.113619.2",
            "scan.png",
            "scan.jpeg",
            "scan",
            "./-",
            &long,
            &format!("a/{long}"),
        ];
        let names: std::collections::BTreeSet<_> = paths.iter().map(|path| heatmaps.path(Path::new(path), &hash)).collect();
        assert_eq!(names.len(), paths.len());
        for (path, name) in paths.iter().map(|path| (path, heatmaps.path(Path::new(path), &hash))) {
            let file = name.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                name.parent() == Some(Path::new("out")) && file.ends_with(".heatmap.png") && file.len() < 255,
                "{path}: {file}"
            );
        }
        // The way to a file does not matter, nor does what is in it.
        let absolute = std::path::absolute("a/IM000001").unwrap();
        assert_eq!(heatmaps.path(&absolute, &hash), heatmaps.path(Path::new("a/IM000001"), "cd"));
        // Standard input has nothing but its bytes.
        assert_ne!(heatmaps.path(Path::new("-"), &hash), heatmaps.path(Path::new("-"), &files::sha256(b"other")));
    }
}
