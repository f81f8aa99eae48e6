//! TIFF and BigTIFF: all that libtiff writes of 1 to 32 bits, signed or not, in strips or tiles, chunky or planar.

mod codec;
mod colour;
mod directory;
mod fax;
mod layout;
mod pictures;
mod samples;
mod stream;
mod unread;

use super::decoded::{Decoded, Header, damaged};
use super::plane::{Alpha, Mixer, Plane, Sample};
use super::range;
use super::tone::{self, Curve};
use crate::decode::{Kind, Refusal};
use anyhow::Result;
use colour::Colour;
use cxr_core::image::Window;
use image::metadata::Orientation;
use layout::Layout;
use samples::rgb;
use unread::Unread;

fn read<'a>(bytes: &'a [u8], name: &str) -> Result<(Layout<'a>, usize)> {
    let (directory, pages) = directory::picture(bytes).ok_or_else(|| damaged(name, "TIFF", "it breaks off before its tags"))?;
    let layout = Layout::read(&directory).map_err(|unread| match unread {
        Unread::Damaged(what) => damaged(name, "TIFF", what),
        Unread::Unsupported(what) => Refusal::new(Kind::Unsupported, format!("{name}: {what}")).into(),
    })?;
    Ok((layout, pages))
}

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let (layout, _) = read(bytes, name)?;
    let sample = if is_deep(&layout) { 2 } else { 1 };
    let pixels = layout.width as u64 * layout.height as u64;
    Ok(Header {
        width: layout.width as u32,
        height: layout.height as u32,
        orientation: Orientation::from_exif(layout.orientation).unwrap_or(Orientation::NoTransforms),
        sample,
        peak: pixels * sample + layout.buffers() + (64 << 10),
    })
}

/// True where gray levels keep 16 bits.
fn is_deep(layout: &Layout<'_>) -> bool {
    (layout.form.bits > 8 || layout.signed) && !matches!(layout.colour, Colour::Palette(_))
}

pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Decoded> {
    let (layout, pages) = read(bytes, name)?;
    let mut warnings = Vec::new();
    if pages > 1 {
        warnings.push(format!("it has {pages} pages: the first is read, the others are not"));
    }
    // Black, as it is stored.
    let ground = match layout.colour {
        Colour::Gray { min_is_white: true } if is_deep(&layout) => layout.form.white(),
        Colour::Gray { min_is_white: true } => 255,
        _ => 0,
    };
    let mut mixer = Mixer::new(layout.alpha.unwrap_or(Alpha::Ignore), [ground; 3]);
    let (mut plane, window) = picture(&layout, &mut mixer, &mut warnings).map_err(|what| damaged(name, "TIFF", what))?;
    warnings.extend(mixer.warning(layout.width * layout.height));
    if let Some(curve) = layout.profile.and_then(Curve::unusual) {
        match &mut plane {
            Plane::Eight(samples) => shown(samples, &curve.levels()),
            Plane::Sixteen(samples) if window == Window::FULL_16 && !layout.signed => shown(samples, &curve.levels()),
            Plane::Sixteen(_) => return Ok(Decoded { plane, window, warnings }),
        }
        warnings.push(tone::warning("ICC profile"));
    }
    Ok(Decoded { plane, window, warnings })
}

fn shown<T: Sample>(samples: &mut [T], levels: &[T]) {
    samples.iter_mut().for_each(|sample| *sample = levels[sample.wide() as usize]);
}

/// Gray levels and the window of those of 16 bits.
fn picture(layout: &Layout<'_>, mixer: &mut Mixer, warnings: &mut Vec<String>) -> Result<(Plane, Window), String> {
    let bits = layout.form.bits;
    let inverted = layout.colour == Colour::Gray { min_is_white: true };
    if !is_deep(layout) {
        return Ok((Plane::Eight(plane(layout, mixer, |v| scaled(v, layout.form.white(), 255), inverted)?), Window::FULL_16));
    }
    let gray = matches!(layout.colour, Colour::Gray { .. });
    // Two's complement becomes an offset: the order of values is kept.
    let offset = if layout.signed { 1 << (bits - 1) } else { 0 };
    let (samples, mut window) = if bits <= 16 {
        let samples: Vec<u16> = plane(layout, mixer, |v| v ^ offset, false)?;
        let window = match bits {
            _ if layout.signed => range::all_values(&samples),
            16 => range::sixteen(&samples, warnings),
            _ => Window { low: 0, high: layout.form.white() as u16, invert: false },
        };
        (samples, window)
    } else if gray {
        let (mut low, mut high) = (u32::MAX, 0);
        layout.rows(&mut |_, _, line| {
            for pixel in line.chunks_exact(layout.channels) {
                (low, high) = (low.min(pixel[0] ^ offset), high.max(pixel[0] ^ offset));
            }
        })?;
        let span = high.saturating_sub(low).max(1);
        (plane(layout, mixer, |v| scaled((v ^ offset).saturating_sub(low), span, 65_535), false)?, Window::FULL_16)
    } else {
        (plane(layout, mixer, |v| v >> (bits - 16), false)?, Window::FULL_16)
    };
    if gray && (layout.signed || bits > 16) {
        let sort = if layout.signed { "signed " } else { "" };
        warnings.push(format!(
            "{sort}values of {bits} bits have no black and white of their own: the smallest is shown black, the largest white"
        ));
    }
    window.invert = inverted;
    Ok((Plane::Sixteen(samples), window))
}

/// `value` of `from` in the range of `to`, rounded.
fn scaled(value: u32, from: u32, to: u32) -> u32 {
    ((u64::from(value.min(from)) * u64::from(to) + u64::from(from) / 2) / u64::from(from)) as u32
}

/// Decodes and reduces to gray: `level` makes a colour's sample one of `T`.
fn plane<T: Sample>(
    layout: &Layout<'_>,
    mixer: &mut Mixer,
    level: impl Fn(u32) -> u32,
    inverted: bool,
) -> Result<Vec<T>, String> {
    let mut out = vec![T::default(); layout.width * layout.height];
    let white = layout.form.white();
    let alpha = |sample: u32| T::narrow(scaled(sample, white, T::WHITE));
    let narrow = |sample: u32| T::narrow(level(sample));
    layout.rows(&mut |left, y, line| {
        let start = y * layout.width + left;
        mixer.write(&mut out, |mixer, out| {
            for (slot, pixel) in out[start..].iter_mut().zip(line.chunks_exact(layout.channels)) {
                // The sample after the colours; opaque where it is no alpha.
                let after = |colours: usize| match (layout.alpha, pixel.get(colours)) {
                    (Some(_), Some(sample)) => alpha(*sample),
                    _ => T::narrow(T::WHITE),
                };
                *slot = match &layout.colour {
                    Colour::Gray { .. } => mixer.mix(&[narrow(pixel[0]), after(1)]),
                    Colour::Rgb => mixer.mix(&[narrow(pixel[0]), narrow(pixel[1]), narrow(pixel[2]), after(3)]),
                    Colour::Palette(map) => {
                        mixer.mix(&map.get(pixel[0] as usize).copied().unwrap_or_default().map(|v| T::narrow(v.into())))
                    }
                    Colour::YCbCr => {
                        let [r, g, b] = rgb([pixel[0], pixel[1], pixel[2]]).map(|v| T::narrow(v.into()));
                        mixer.mix(&[r, g, b, after(3)])
                    }
                    Colour::Cmyk => {
                        let light = |ink: u32| narrow(scaled(white - ink, white, white - pixel[3]));
                        mixer.mix(&[light(pixel[0]), light(pixel[1]), light(pixel[2]), after(4)])
                    }
                };
            }
        });
    })?;
    if inverted {
        out.iter_mut().for_each(|level| *level = T::narrow(T::WHITE - level.wide()));
    }
    Ok(out)
}
