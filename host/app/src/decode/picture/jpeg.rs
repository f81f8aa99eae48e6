//! JPEG: pixels by zune-jpeg, their completeness by [`health`].

mod bits;
mod frame;
mod health;

pub(in crate::decode) use frame::head;
pub(in crate::decode) use health::{Health, health};

use super::bmp::reduced;
use super::decoded::{Decoded, Header, damaged};
use super::plane::Plane;
use super::tone::{self, Curve};
use crate::decode::refusal::refuse;
use anyhow::Result;
use cxr_core::image::Window;
use frame::{Frame, Head};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Most of a picture that may be missing or shifted: more is refused, less is said.
const TOLERATED: f64 = 0.05;

pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header> {
    let Head { frame, orientation, .. } = read(bytes, name)?;
    let pixels = (frame.width * frame.height) as u64;
    Ok(Header { width: frame.width as u32, height: frame.height as u32, orientation, sample: 1, peak: peak(&frame, pixels) })
}

/// Bytes alive while `pixels` are decoded: the output in colour, reduced where it is, then a copy that is no larger
/// than it need be; a progressive picture's coefficients, and a bit for each; some rows of blocks.
fn peak(frame: &Frame, pixels: u64) -> u64 {
    let output = if frame.components.len() == 1 { 1 } else { 4 };
    let rows = 16 * 8 * 4 * frame.width as u64 * frame.components.len() as u64;
    let whole = if frame.is_progressive() { frame.coefficients() + frame.coefficients() / 16 } else { 0 };
    pixels * output + rows + whole + (64 << 10)
}

fn read(bytes: &[u8], name: &str) -> Result<Head> {
    let head = match head(bytes) {
        Ok(head) => head,
        Err("JPEG-LS") => refuse!(Unsupported, "{name}: a JPEG-LS file, which is not read here: {CONVERT}"),
        Err(what) => return Err(damaged(name, "JPEG", what)),
    };
    if let Some(sort) = head.frame.unread() {
        refuse!(Unsupported, "{name}: {sort}: {CONVERT}");
    }
    Ok(head)
}

const CONVERT: &str = "give the DICOM file that it comes from, or save it as PNG or as a JPEG of 8 bits";

pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Decoded> {
    let Head { frame, profile, .. } = read(bytes, name)?;
    let mut warnings = Vec::new();
    match health(bytes, &frame) {
        Health::Sound => {}
        Health::Stray => warnings.push("this JPEG may be damaged: bytes that belong to no block follow its picture".to_owned()),
        Health::NoEnd => warnings.push("this JPEG breaks off after its last block: its end marker is missing".to_owned()),
        Health::Coarse { what } => {
            warnings.push(format!("this JPEG is incomplete ({what}): a later scan is damaged or missing, and so is fine detail"));
        }
        Health::Torn { what, sound } if sound < 1.0 - TOLERATED && is_torn(&frame, sound) => {
            let sound = (100.0 * sound).floor();
            refuse!(
                Damaged,
                "{name}: damaged JPEG ({what} after {sound} % of the picture): send the whole file again or leave it out"
            );
        }
        Health::Torn { what, sound } => {
            let lost = (100.0 * (1.0 - sound)).max(0.1);
            warnings.push(format!("this JPEG is damaged ({what}): the last {lost:.1} % of the picture are missing or shifted"));
        }
    }
    let gray = frame.components.len() == 1;
    let colour = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    let pixels = pixels(bytes, colour, frame.width * frame.height * if gray { 1 } else { 3 })
        .map_err(|error| damaged(name, "JPEG", error))?;
    let mut plane = reduced(pixels, if gray { 1 } else { 3 }, &mut warnings);
    if gray && let Some(curve) = Curve::unusual(&profile) {
        let levels = curve.levels::<u8>();
        plane.iter_mut().for_each(|level| *level = levels[usize::from(*level)]);
        warnings.push(tone::warning("ICC profile"));
    }
    Ok(Decoded { plane: Plane::Eight(plane), window: Window::FULL_16, warnings })
}

/// More than one unit is lost: the last unit alone is within any tolerance.
fn is_torn(frame: &Frame, sound: f64) -> bool {
    let (across, down) = frame.sampling();
    let units = frame.width.div_ceil(8 * across) * frame.height.div_ceil(8 * down);
    (1.0 - sound) * units as f64 > 1.5
}

/// The components of a JPEG as they are stored, no colour converted: `length` samples, interleaved.
pub(super) fn components(bytes: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let colour = decoder.input_colorspace().ok_or("its colours are unknown")?;
    pixels(bytes, colour, length)
}

/// The samples of a JPEG in `colour`, `length` of them.
fn pixels(bytes: &[u8], colour: ColorSpace, length: usize) -> Result<Vec<u8>, String> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(colour)
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    if decoder.output_buffer_size() != Some(length) {
        return Err("its headers contradict each other".to_owned());
    }
    let mut pixels = vec![0; length];
    decoder.decode_into(&mut pixels).map_err(|error| error.to_string())?;
    Ok(pixels)
}
