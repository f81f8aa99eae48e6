//! PNG: row by row, each reduced to gray at once.

use super::decoded::{Decoded, Header, damaged};
use super::plane::{Alpha, Mixer, Plane, Sample};
use super::range;
use super::tone::{self, Curve};
use anyhow::Result;
use cxr_core::image::Window;
use image::metadata::Orientation;
use png::{BitDepth, ColorType, DecodingError, Limits, Reader, Transformations};
use std::io::Cursor;

/// Most memory for chunks beside the pixels: profiles, palettes, Exif.
const CHUNKS: usize = 2 << 20;

type Png<'a> = Reader<Cursor<&'a [u8]>>;

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let reader = open(bytes, name)?;
    let info = reader.info();
    let exif = info.exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let sample = if info.bit_depth == BitDepth::Sixteen { 2 } else { 1 };
    let pixels = u64::from(info.width) * u64::from(info.height);
    // The gray picture, and the decoder's window and rows.
    let rows = 4 * reader.output_line_size(info.width).unwrap_or(usize::MAX) as u64;
    Ok(Header {
        width: info.width,
        height: info.height,
        orientation: exif.unwrap_or(Orientation::NoTransforms),
        sample,
        peak: (pixels * sample).saturating_add(rows).saturating_add(CHUNKS as u64),
    })
}

fn open<'a>(bytes: &'a [u8], name: &str) -> Result<Png<'a>> {
    let read = |ignored| {
        let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: CHUNKS });
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(ignored);
        decoder.set_transformations(Transformations::EXPAND);
        decoder.read_info()
    };
    // A profile of megabytes is no reason to refuse the pixels.
    let reader = match read(false) {
        Err(DecodingError::LimitsExceeded) => read(true),
        reader => reader,
    };
    reader.map_err(|error| unreadable(name, &error))
}

fn unreadable(name: &str, error: &DecodingError) -> anyhow::Error {
    match error {
        DecodingError::LimitsExceeded => damaged(name, "PNG", "a chunk is larger than the picture needs"),
        DecodingError::IoError(_) => damaged(name, "PNG", "it breaks off"),
        _ => damaged(name, "PNG", error),
    }
}

pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Decoded> {
    let mut reader = open(bytes, name)?;
    let (color, depth) = reader.output_color_type();
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let mut warnings = Vec::new();
    if let Some(animation) = info.animation_control()
        && animation.num_frames > 1
    {
        warnings.push(format!("it is animated, {} frames: the first picture is read", animation.num_frames));
    }
    let curve = curve(info);
    if let Some((_, source)) = &curve {
        warnings.push(tone::warning(source));
    }
    let curve = curve.map(|(curve, _)| curve);
    let mut mixer = Mixer::new(Alpha::Compose, background(info, depth));
    let channels = color.samples();
    let (plane, window) = if depth == BitDepth::Sixteen {
        let levels = curve.as_ref().map(Curve::levels::<u16>);
        let plane = rows(&mut reader, name, (width, height), channels, &mut mixer, levels.as_deref())?;
        // After a curve the values fill their range.
        let window = if curve.is_some() { Window::FULL_16 } else { range::sixteen(&plane, &mut warnings) };
        (Plane::Sixteen(plane), window)
    } else {
        let levels = curve.as_ref().map(Curve::levels::<u8>);
        (Plane::Eight(rows(&mut reader, name, (width, height), channels, &mut mixer, levels.as_deref())?), Window::FULL_16)
    };
    warnings.extend(mixer.warning(width * height));
    Ok(Decoded { plane, window, warnings })
}

/// The curve that its values follow, where it is not the usual one, and who says so: the order of PNG 3, 4.3.
fn curve(info: &png::Info<'_>) -> Option<(Curve, &'static str)> {
    let (curve, source) = if let Some(code) = &info.coding_independent_code_points {
        // H.273: 8 is linear light; the others are near the usual curve or for moving pictures.
        if code.transfer_function != 8 {
            return None;
        }
        (Curve::Gamma(1.0), "cICP chunk")
    } else if let Some(profile) = &info.icc_profile {
        (Curve::unusual(profile)?, "ICC profile")
    } else if info.srgb.is_some() {
        return None;
    } else {
        (Curve::of_gama(f64::from(info.gama_chunk?.into_value()))?, "gAMA chunk")
    };
    curve.moves_by(tone::OF_GAMMA).then_some((curve, source))
}

/// The bKGD chunk in the range of the samples; black where there is none.
fn background(info: &png::Info<'_>, depth: BitDepth) -> [u32; 3] {
    let Some(chunk) = info.bkgd.as_deref() else { return [0; 3] };
    let word = |k: usize| chunk.get(2 * k..2 * k + 2).map_or(0, |b| u32::from(u16::from_be_bytes([b[0], b[1]])));
    let white = if depth == BitDepth::Sixteen { 65_535 } else { 255 };
    match info.color_type {
        ColorType::Indexed => {
            let at = chunk.first().map_or(0, |index| 3 * usize::from(*index));
            let palette = info.palette.as_deref().unwrap_or_default();
            palette.get(at..at + 3).map_or([0; 3], |rgb| [rgb[0].into(), rgb[1].into(), rgb[2].into()])
        }
        ColorType::Grayscale | ColorType::GrayscaleAlpha => {
            let stored = (1u32 << info.bit_depth as u32) - 1;
            [(word(0).min(stored) * white) / stored; 3]
        }
        _ => [word(0), word(1), word(2)].map(|value| value.min(white)),
    }
}

/// Where each row of the stream goes: its first pixel in the picture and the step between its pixels.
fn places((width, height): (usize, usize), interlaced: bool) -> impl Iterator<Item = (usize, usize)> {
    // Row and column of the first pixel of each pass, and the steps between pixels: PNG 3, 8.2.
    const PASSES: [[usize; 4]; 7] =
        [[0, 0, 8, 8], [0, 4, 8, 8], [4, 0, 8, 4], [0, 2, 4, 4], [2, 0, 4, 2], [0, 1, 2, 2], [1, 0, 2, 1]];
    let passes: &[[usize; 4]] = if interlaced { &PASSES } else { &[[0, 0, 1, 1]] };
    passes
        .iter()
        .filter(move |pass| pass[1] < width)
        .flat_map(move |&[top, left, down, across]| (top..height).step_by(down).map(move |row| (row * width + left, across)))
}

/// Reads all rows, of every pass where it is interlaced.
fn rows<T: PngSample>(
    reader: &mut Png<'_>,
    name: &str,
    size: (usize, usize),
    channels: usize,
    mixer: &mut Mixer,
    levels: Option<&[T]>,
) -> Result<Vec<T>> {
    let mut plane = vec![T::default(); size.0 * size.1];
    for (start, step) in places(size, reader.info().interlaced) {
        let Some(row) = reader.next_row().map_err(|error| unreadable(name, &error))? else {
            return Err(damaged(name, "PNG", "it breaks off"));
        };
        let room = (size.0 - start % size.0).div_ceil(step);
        mixer.write(&mut plane, |mixer, plane| {
            let slots = plane[start..].iter_mut().step_by(step).take(room);
            match channels {
                1 => put::<T, 1>(slots, row.data(), mixer, levels),
                2 => put::<T, 2>(slots, row.data(), mixer, levels),
                3 => put::<T, 3>(slots, row.data(), mixer, levels),
                _ => put::<T, 4>(slots, row.data(), mixer, levels),
            }
        });
    }
    Ok(plane)
}

/// Mixes the pixels of a row, each of `N` samples, the last of two or four being alpha.
fn put<'a, T: PngSample + 'a, const N: usize>(
    slots: impl Iterator<Item = &'a mut T>,
    data: &[u8],
    mixer: &mut Mixer,
    levels: Option<&[T]>,
) {
    for (slot, pixel) in slots.zip(data.chunks_exact(N * T::BYTES)) {
        let mut samples: [T; N] = std::array::from_fn(|k| T::read(&pixel[k * T::BYTES..]));
        if let Some(levels) = levels {
            samples[..(N - 1) | 1].iter_mut().for_each(|sample| *sample = levels[sample.wide() as usize]);
        }
        *slot = mixer.mix(&samples);
    }
}

/// A sample as PNG stores it.
trait PngSample: Sample {
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Self;
}

impl PngSample for u8 {
    const BYTES: usize = 1;
    fn read(bytes: &[u8]) -> Self {
        bytes[0]
    }
}

impl PngSample for u16 {
    const BYTES: usize = 2;
    fn read(bytes: &[u8]) -> Self {
        u16::from_be_bytes([bytes[0], bytes[1]])
    }
}
