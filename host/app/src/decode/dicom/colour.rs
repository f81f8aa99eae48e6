//! Colour and palettes to gray, as the resizer weighs red, green and blue.

use super::header::Header;
use super::samples::{Colour, Samples};
use super::table::Table;
use cxr_core::image::luma;
use image::{DynamicImage, GrayImage, ImageBuffer};

/// Gray of a palette's entries; `None` for a palette that is not whole.
pub(super) fn palette(header: &Header, samples: Samples<'_>, width: u32, height: u32) -> Option<DynamicImage> {
    let tables: Vec<Table> = header.palette.iter().filter_map(|table| table.clone().unpacked(false)).collect();
    let [red, green, blue] = &tables[..] else { return None };
    // Entries of eight bits are declared as sixteen by many.
    let white = tables.iter().map(Table::white).max().unwrap_or(255);
    let wide = |value: u16| (u32::from(value).min(white) * 65535 / white) as u16;
    let count = width as usize * height as usize;
    let levels = samples.data.into_levels(count, |raw| {
        let value = header.value(raw);
        luma(&[red, green, blue].map(|table| wide(table.look_up(value)))) as u16
    });
    Some(DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, levels)?))
}

/// Gray of three components a pixel, or two where two pixels share their chroma.
pub(super) fn gray(header: &Header, samples: &Samples<'_>, width: u32, height: u32) -> Option<DynamicImage> {
    let count = width as usize * height as usize;
    let colour = samples.colour.unwrap_or(match header.photometric.as_str() {
        "RGB" | "YBR_RCT" | "YBR_ICT" | "MONOCHROME1" | "MONOCHROME2" => Colour::Rgb,
        _ => Colour::Ybr,
    });
    // A stream has the full range whatever the header says.
    let partial = samples.colour.is_none() && header.photometric.starts_with("YBR_PARTIAL");
    let data = &samples.data;
    let bits = u32::from(header.bits_stored).min(data.bits()).max(1);
    let white = (1i32 << bits.min(16)) - 1;
    // The higher half of 32 bits.
    let shift = header.shift + bits.saturating_sub(16);
    let triple = |i: usize| -> [i32; 3] {
        let at = match (samples.components, samples.planar) {
            (2, _) => [4 * (i / 2) + (i & 1), 4 * (i / 2) + 2, 4 * (i / 2) + 3],
            (_, true) => [i, count + i, 2 * count + i],
            (_, false) => [3 * i, 3 * i + 1, 3 * i + 2],
        };
        let raw = at.map(|at| (data.get(at).unbounded_shr(shift) as i32) & white);
        match colour {
            Colour::Rgb => raw,
            Colour::Ybr => rgb(raw, white, partial),
        }
    };
    let image = if bits <= 8 {
        let levels = (0..count).map(|i| luma(&triple(i).map(|v| v as u8)) as u8).collect();
        DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, levels)?)
    } else {
        let wide = |value: i32| (i64::from(value) * 65535 / i64::from(white)) as u16;
        let levels = (0..count).map(|i| luma(&triple(i).map(wide)) as u16).collect();
        DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, levels)?)
    };
    Some(image)
}

/// Red, green and blue of luma and chroma (PS3.3, C.7.6.3.1.2).
pub(super) fn rgb([y, cb, cr]: [i32; 3], white: i32, partial: bool) -> [i32; 3] {
    let middle = f64::from((white + 1) / 2);
    let (b, r) = (f64::from(cb) - middle, f64::from(cr) - middle);
    let (y, scale) = if partial {
        // Luma from 16 to 235, chroma from 16 to 240, of 255.
        ((f64::from(y) - 16.0) * 255.0 / 219.0, 255.0 / 224.0)
    } else {
        (f64::from(y), 1.0)
    };
    let (b, r) = (b * scale, r * scale);
    [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b].map(|v| (v.round() as i32).clamp(0, white))
}
