//! Colour pictures to the extents of a network, channel by channel, by the engine's own resizer.

use anyhow::{Context, Result, ensure};
use rownet::image::{BorrowedResizer, Row, Window};

/// Resizes interleaved red, green, blue, `from` and `to` width and height, to `channels` values a pixel: 3, or 1 of gray.
///
/// # Errors
/// Extents that the resizer does not take; pixels of another number.
pub fn resized(rgb: &[u8], from: [usize; 2], to: [usize; 2], channels: usize) -> Result<Vec<u8>> {
    ensure!(rgb.len() == from[0] * from[1] * 3 && !rgb.is_empty(), "{} bytes for {from:?} pixels", rgb.len());
    let plane = |c: usize| -> Result<Vec<u8>> {
        let (mut sums, mut out, mut made) = (vec![0; 2 * to[0]], vec![0; to[0]], Vec::with_capacity(to[0] * to[1]));
        let mut resizer = BorrowedResizer::new(&mut sums, &mut out, from, to, Window::FULL_8).context("cannot be resized")?;
        for row in rgb.chunks_exact(3 * from[0]) {
            let taken: Vec<u8> = row.chunks_exact(3).map(|pixel| if channels == 1 { gray(pixel) } else { pixel[c] }).collect();
            resizer.push_row(Row::Gray8(&taken), |row| made.extend_from_slice(row)).context("cannot be resized")?;
        }
        Ok(made)
    };
    let planes = (0..channels).map(plane).collect::<Result<Vec<_>>>()?;
    Ok((0..to[0] * to[1]).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect())
}

fn gray(pixel: &[u8]) -> u8 {
    // ITU-R BT.601, as the engine's rows.
    rownet::image::luma(pixel).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_stay_apart() {
        let rgb: Vec<u8> = (0..8 * 6).flat_map(|_| [10, 200, 77]).collect();
        assert_eq!(resized(&rgb, [8, 6], [3, 2], 3).unwrap(), [10, 200, 77].repeat(6));
        assert_eq!(resized(&rgb, [8, 6], [3, 2], 1).unwrap().len(), 6);
        assert!(resized(&rgb[1..], [8, 6], [3, 2], 3).is_err());
    }
}
