//! `predict --heatmap`: the exact map of a class over its X-ray.
//!
//! Each cell of the final feature map adds a known amount to the class's logit (`cxr_core::explain`); red cells speak
//! for the class, blue ones against it. No gradient, no approximation: the cells and the bias sum to the logit.

use anyhow::{Context, Result};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb, RgbImage};
use std::path::{Path, PathBuf};

/// What a class's logit consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows and columns of `cells`.
    pub size: [usize; 2],
    /// Logits that each cell adds, rows from top to bottom.
    pub cells: Vec<f32>,
    /// Logits that no cell adds.
    pub bias: f32,
}

/// Share of the colour where the map is strongest.
const OPACITY: f32 = 0.6;

/// Draws `map` over a gray image of `width` x `height` pixels.
///
/// # Panics
/// Where `gray` or the cells do not have the stated sizes.
pub fn overlay(gray: &[u8], width: usize, height: usize, map: &Map) -> RgbImage {
    let [rows, columns] = map.size;
    let top = map.cells.iter().fold(f32::MIN_POSITIVE, |top, cell| top.max(cell.abs()));
    // `resize` clamps to 0..=1, so zero becomes a half.
    let shares: Vec<f32> = map.cells.iter().map(|cell| 0.5 + 0.5 * cell / top).collect();
    let cells = ImageBuffer::<Luma<f32>, _>::from_raw(columns as u32, rows as u32, shares).expect("one value a cell");
    let smooth = resize(&cells, width as u32, height as u32, FilterType::Triangle);
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let strength = (2.0 * smooth.get_pixel(x, y)[0] - 1.0).clamp(-1.0, 1.0);
        // RED_BLUE runs from red over white to blue.
        let colour = colorous::RED_BLUE.eval_continuous(f64::from(0.5 - strength / 2.0)).as_array();
        let (under, weight) = (f32::from(gray[y as usize * width + x as usize]), OPACITY * strength.abs());
        Rgb(colour.map(|c| (f32::from(c) * weight + under * (1.0 - weight)).round() as u8))
    })
}

/// Writes `picture` as `FOLDER/STEM.heatmap.png`, creating the folder.
///
/// # Errors
/// Names the file.
pub fn write(folder: &Path, image: &Path, picture: &RgbImage) -> Result<PathBuf> {
    let mut name = image.file_stem().unwrap_or_default().to_owned();
    name.push(".heatmap.png");
    let path = folder.join(name);
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).with_context(|| path.display().to_string())?;
    crate::files::write_all(&[(path.clone(), bytes.into_inner())])?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_says_the_sign_and_strength_of_a_cell() {
        let map = Map { size: [1, 3], cells: vec![2.0, 0.0, -2.0], bias: 0.5 };
        let picture = overlay(&[100; 90 * 30], 90, 30, &map);
        let [left, middle, right] = [5, 45, 85].map(|x| picture.get_pixel(x, 15).0);
        assert!(left[0] > left[2] + 40, "{left:?}");
        assert!(right[2] > right[0] + 40, "{right:?}");
        assert!(middle.iter().all(|v| v.abs_diff(100) <= 2), "{middle:?}");
    }
}
