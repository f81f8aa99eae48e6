//! Parts of an image: what is covered or kept to see where verdicts come from.
//!
//! All take gray images of the network's size, rows from top to bottom; all are free of the model.

use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageBuffer, Luma};

/// Outer share of each side that is not the central field: an eighth, so that the field is 56 % of the image. The lungs
/// of a frontal X-ray that fills its picture lie within it but for their edges.
const MARGIN: f64 = 0.125;
/// Outer share of each side that the border-only images keep: a sixteenth, 23 % of the image, free of lung.
const BORDER: f64 = 0.0625;
/// Side of the squares that hide the corners, where letters and markers stand.
const CORNER: f64 = 0.15;
/// Blocks of a side of the picture whose border is fitted to.
const GRID: usize = 32;
/// Outer blocks that are [`BORDER`] of a side.
const RING: usize = 2;

/// How far a pixel or cell lies from the nearest edge along its axis, as a share of the side.
fn depth(at: usize, extent: usize) -> f64 {
    let middle = (at as f64 + 0.5) / extent as f64;
    middle.min(1.0 - middle)
}

/// Whether the middle of cell (x, y) of a `width` x `height` grid lies in the central field.
pub fn is_central(x: usize, y: usize, width: usize, height: usize) -> bool {
    depth(x, width) > MARGIN && depth(y, height) > MARGIN
}

fn blacken(gray: &[u8], width: usize, hide: impl Fn(usize, usize, usize) -> bool) -> Vec<u8> {
    let height = gray.len() / width;
    gray.iter().enumerate().map(|(i, level)| if hide(i % width, i / width, height) { 0 } else { *level }).collect()
}

/// The central field black.
pub fn centre_blacked(gray: &[u8], width: usize) -> Vec<u8> {
    blacken(gray, width, |x, y, height| is_central(x, y, width, height))
}

/// All but the border black.
pub fn border_only(gray: &[u8], width: usize) -> Vec<u8> {
    blacken(gray, width, |x, y, height| depth(x, width) > BORDER && depth(y, height) > BORDER)
}

/// The four corners black.
pub fn corners_masked(gray: &[u8], width: usize) -> Vec<u8> {
    blacken(gray, width, |x, y, height| depth(x, width) < CORNER && depth(y, height) < CORNER)
}

/// Left and right exchanged.
pub fn flipped(gray: &[u8], width: usize) -> Vec<u8> {
    gray.chunks_exact(width).flat_map(|row| row.iter().rev().copied()).collect()
}

/// Stretched by a quarter: a tenth off both ends of one axis, the rest drawn out to the whole. `axis` 0 makes the chest
/// wider, 1 taller, as where another film was squeezed into the square.
pub fn stretched(gray: &[u8], width: usize, axis: usize) -> Vec<u8> {
    let size = [width as u32, (gray.len() / width) as u32];
    let off: [u32; 2] = std::array::from_fn(|i| if i == axis { size[i] / 10 } else { 0 });
    let image = ImageBuffer::<Luma<u8>, _>::from_raw(size[0], size[1], gray).expect("whole rows");
    let part = crop_imm(&image, off[0], off[1], size[0] - 2 * off[0], size[1] - 2 * off[1]);
    resize(&*part, size[0], size[1], FilterType::CatmullRom).into_raw()
}

/// Mean levels of the blocks of the border: what [`border_only`] keeps, coarsely.
pub fn border_blocks(gray: &[u8], width: usize) -> Vec<f64> {
    let height = (gray.len() / width).max(1);
    let mut sums = vec![(0.0, 0.0); GRID * GRID];
    for (i, level) in gray.iter().enumerate() {
        let cell = &mut sums[i / width * GRID / height * GRID + i % width * GRID / width];
        *cell = (cell.0 + f64::from(*level), cell.1 + 1.0);
    }
    let inner = RING..GRID - RING;
    let of_border = sums.iter().enumerate().filter(|(i, _)| !(inner.contains(&(i % GRID)) && inner.contains(&(i / GRID))));
    of_border.map(|(_, (sum, count))| sum / f64::max(*count, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_borders() {
        let image = vec![9u8; 64 * 64];
        let black = |pixels: Vec<u8>| pixels.iter().filter(|level| **level == 0).count();
        assert_eq!(black(centre_blacked(&image, 64)), 48 * 48);
        assert_eq!(black(border_only(&image, 64)), 56 * 56);
        assert_eq!(black(corners_masked(&image, 64)), 4 * 10 * 10);
        assert_eq!(border_blocks(&image, 64), vec![9.0; 32 * 32 - 28 * 28]);
        assert_eq!((0..8).filter(|&x| is_central(x, 3, 8, 8)).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(flipped(&[1, 2, 3, 4, 5, 6], 3), [3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn a_stretch_draws_one_axis_out() {
        // White in the middle two fifths of each axis.
        let image: Vec<u8> =
            (0..50 * 50).map(|i| if (15..35).contains(&(i % 50)) && (15..35).contains(&(i / 50)) { 255 } else { 0 }).collect();
        let lit = |pixels: Vec<u8>| {
            let row = pixels[25 * 50..26 * 50].iter().filter(|level| **level > 127).count();
            (row, pixels.iter().skip(25).step_by(50).filter(|level| **level > 127).count())
        };
        assert_eq!(lit(stretched(&image, 50, 0)), (25 + 1, 20));
        assert_eq!(lit(stretched(&image, 50, 1)), (20, 25 + 1));
    }

    #[test]
    fn the_centre_does_not_reach_the_border_classifier() {
        let image: Vec<u8> = (0..64 * 64).map(|i| (i % 251) as u8).collect();
        assert_eq!(border_blocks(&border_only(&image, 64), 64), border_blocks(&image, 64));
    }
}
