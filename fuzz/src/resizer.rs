//! Images of any size, and rows of any length, to networks of any width.

use cxr_core::error::Error;
use cxr_core::image::{BorrowedResizer, MAX_EXTENT, Resizer, Row, Window};

/// Columns of the resizer whose width the compiler knows, which must give the same rows.
const WIDTH: usize = 24;
/// Pixels of an image, in and out, beyond which it would only be slow.
const MOST: usize = 1 << 15;

/// Extents of image and network, a window, then the kinds of the rows.
pub fn resizer(data: &[u8]) {
    let Some((head, calls)) = data.split_at_checked(13) else { return };
    // Squared, so that both small and the largest numbers are frequent.
    let extent = |i: usize| usize::from(u16::from_le_bytes([head[2 * i], head[2 * i + 1]])).pow(2) >> 18;
    let [width, height, out_width, out_height] = core::array::from_fn(extent);
    let out_width = if head[12] & 1 == 1 { WIDTH } else { out_width };
    let window = Window { low: head[8].into(), high: u16::from_le_bytes([head[9], head[10]]), invert: head[11] & 1 == 1 };
    let memory = out_width.min(MAX_EXTENT + 1);
    let (mut sums, mut out) = (vec![7; 2 * memory], vec![7; memory]);
    let made = BorrowedResizer::new(&mut sums, &mut out, [width, height], [out_width, out_height], window);
    let is_extent = |extent: usize| (1..=MAX_EXTENT).contains(&extent);
    let mut borrowed = match made.map_err(Error::from) {
        Ok(resizer) => resizer,
        Err(Error::EmptyWindow) => return assert!(window.low >= window.high),
        Err(error) => {
            assert!(matches!(error, Error::ImageSize { .. }), "{error}");
            return assert!(![width, height, out_width, out_height].into_iter().all(is_extent));
        }
    };
    if width * height > MOST || out_width * out_height > MOST {
        return;
    }
    let mut owned =
        (out_width == WIDTH).then(|| Resizer::<WIDTH>::new(width, height, out_height, window).expect("the same extents"));
    let (mut emitted, mut calls) = (0, calls.iter().copied().cycle().take(4 * height));
    while borrowed.rows_left() > 0 {
        let call = calls.next().unwrap_or(0);
        let channels = [1, 3, 4][usize::from(call % 3)];
        let wrong = usize::from(call >> 4 == 15);
        let words: Vec<u16> = (0..width * channels + wrong).map(|x| (x as u16 ^ u16::from(call)).wrapping_mul(40_503)).collect();
        let bytes: Vec<u8> = words.iter().map(|word| (word >> 8) as u8).collect();
        let row = match call % 6 {
            0 => Row::Gray8(&bytes),
            1 => Row::Rgb8(&bytes),
            2 => Row::Rgba8(&bytes),
            3 => Row::Gray16(&words),
            4 => Row::Rgb16(&words),
            _ => Row::Rgba16(&words),
        };
        if call == 200 {
            borrowed.restart();
            emitted = 0;
            owned = owned.map(|_| Resizer::new(width, height, out_height, window).expect("as before"));
        }
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        let pushed = borrowed.push_row(row, |row| rows.push(row.to_vec()));
        assert_eq!(pushed.is_err(), wrong == 1);
        emitted += rows.len();
        assert!(rows.iter().all(|row| row.len() == out_width));
        if let Some(owned) = &mut owned {
            assert_eq!(owned.push_row(row, |row| others.push(row.to_vec())), pushed);
            assert!(rows == others, "another row");
        }
    }
    assert_eq!(emitted, out_height);
    let more = borrowed.push_row(Row::Gray8(&vec![0; width]), |_| panic!("a row too many"));
    assert_eq!(more.map_err(Error::from), Err(Error::TooManyRows));
}
