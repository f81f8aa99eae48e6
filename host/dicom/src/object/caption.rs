//! Words below a picture, in pixels.

use font8x8::legacy::BASIC_LEGACY;
use image::{Rgb, RgbImage};

/// Width and height of a character in pixels: those of the font, doubled in height.
const CELL: (u32, u32) = (8, 16);
/// Above the first line, below the last and at the sides.
const MARGIN: u32 = 8;

/// The picture with lines of words below it, white on black; long lines are broken at blanks.
pub(super) fn captioned(picture: &RgbImage, lines: &[String]) -> RgbImage {
    let columns = ((picture.width().saturating_sub(2 * MARGIN)) / CELL.0).max(1) as usize;
    let lines: Vec<String> = lines.iter().flat_map(|line| broken(line, columns)).collect();
    let height = picture.height() + lines.len() as u32 * CELL.1 + 2 * MARGIN;
    // An even number of bytes, as DICOM wants.
    let mut whole = RgbImage::new(picture.width(), height + height % 2);
    image::imageops::replace(&mut whole, picture, 0, 0);
    for (row, line) in lines.iter().enumerate() {
        for (column, character) in line.bytes().enumerate() {
            let origin = (MARGIN + column as u32 * CELL.0, picture.height() + MARGIN + row as u32 * CELL.1);
            draw(&mut whole, origin, character);
        }
    }
    whole
}

fn draw(picture: &mut RgbImage, (left, top): (u32, u32), character: u8) {
    let glyph = BASIC_LEGACY.get(usize::from(character)).unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
    for y in 0..CELL.1 {
        for x in (0..CELL.0).filter(|x| glyph[y as usize / 2] >> x & 1 == 1) {
            if let Some(pixel) = picture.get_pixel_mut_checked(left + x, top + y) {
                *pixel = Rgb([255; 3]);
            }
        }
    }
}

/// A line in lines of at most `columns` ASCII characters.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let mut word = word;
        loop {
            let last = lines.last_mut().expect("one line at least");
            let room = columns.saturating_sub(last.len() + usize::from(!last.is_empty()));
            if word.len() <= room {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
                break;
            }
            if last.is_empty() {
                let (head, tail) = word.split_at(columns.min(word.len()));
                last.push_str(head);
                word = tail;
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(broken("a bc def", 4), ["a bc", "def"]);
        assert_eq!(broken("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(broken("", 4), [""]);
    }

    #[test]
    fn words_are_white_below_the_picture() {
        let picture = RgbImage::from_pixel(64, 10, Rgb([9; 3]));
        let whole = captioned(&picture, &["I".to_owned()]);
        assert_eq!((whole.width(), whole.height()), (64, 10 + 16 + 16));
        assert!(whole.enumerate_pixels().all(|(_, y, pixel)| (y < 10) == (pixel.0 == [9; 3])));
        assert!(whole.pixels().filter(|pixel| pixel.0 == [255; 3]).count() > 20);
    }
}
