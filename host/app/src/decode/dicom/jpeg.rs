//! JPEG (ITU-T T.81): baseline, extended of 8 and 12 bits, progressive, lossless of 2 to 16 bits.

use super::frame::frame;
use super::header::Header;
use super::samples::{Colour, Data, Failure, Plan, Samples};
use oxiarc_jpeg::{CodingProcess, ColorSpace, DecodeLimits, DecodeOptions, JpegError};

/// Reads the frame header.
pub(super) fn plan(stream: &[u8]) -> Result<Plan, Failure> {
    let frame = frame(stream).ok_or_else(|| Failure::Damaged("no frame header".to_owned()))?;
    let (width, height) = (u64::from(frame.width), u64::from(frame.height));
    let most = |pick: fn(&(u8, u8, u8)) -> u8| frame.components.iter().map(pick).max().unwrap_or(1).max(1);
    let (h_max, v_max) = (u64::from(most(|c| c.1)), u64::from(most(|c| c.2)));
    // Planes of 16-bit samples padded to whole blocks; progressive ones keep coefficients of 32 bits beside them.
    let padded =
        |c: &(u8, u8, u8)| (width.div_ceil(8 * h_max) * 8 * u64::from(c.1)) * (height.div_ceil(8 * v_max) * 8 * u64::from(c.2));
    let samples: u64 = frame.components.iter().map(padded).sum();
    let progressive = matches!(frame.marker, 0xc2 | 0xc6 | 0xca | 0xce);
    let mut plan = Plan {
        width: frame.width.into(),
        height: frame.height.into(),
        components: frame.components.len(),
        precision: frame.precision.into(),
        sample_bytes: if frame.precision > 8 { 2 } else { 1 },
        peak: 0,
    };
    plan.peak = samples * if progressive { 6 } else { 2 } + plan.kept();
    Ok(plan)
}

/// Decodes; strict about data that break off.
pub(super) fn decode(stream: &[u8], plan: &Plan, header: &Header) -> Result<Samples<'static>, Failure> {
    let options = DecodeOptions {
        limits: DecodeLimits {
            max_width: plan.width,
            max_height: plan.height,
            max_pixels: plan.pixels(),
            max_components: plan.components as u8,
            max_scans: 128,
            max_coefficient_bytes: plan.peak,
            max_output_bytes: plan.peak,
            max_input_bytes: stream.len() as u64,
        },
        ..DecodeOptions::raw()
    };
    let refused = |error: JpegError| match error {
        JpegError::Unsupported(what) => Failure::Unsupported(format!("{what}")),
        error => Failure::Damaged(error.to_string()),
    };
    let count = plan.pixels() as usize * plan.components;
    let (data, info) = if plan.precision <= 8 {
        let mut out = vec![0; count];
        let info = oxiarc_jpeg::decode_abbreviated_into(None, stream, &options, &mut out).map_err(refused)?;
        (Data::Bytes(out.into()), info)
    } else {
        let mut out = vec![0; count];
        let info = oxiarc_jpeg::decode_abbreviated_into_u16(None, stream, &options, &mut out).map_err(refused)?;
        (Data::Words(out), info)
    };
    let by_header = if header.photometric.starts_with("YBR") { Colour::Ybr } else { Colour::Rgb };
    let subsampled = info.components().iter().any(|c| (c.h, c.v) != (info.components()[0].h, info.components()[0].v));
    let colour = match (info.process, info.adobe_transform) {
        // Lossless streams are not transformed, though writers put a JFIF header before them.
        (CodingProcess::Lossless, _) => by_header,
        (_, Some(0)) => Colour::Rgb,
        (_, Some(_)) => Colour::Ybr,
        _ if info.has_jfif || subsampled => Colour::Ybr,
        _ if info.input_color_space == ColorSpace::Rgb => Colour::Rgb,
        _ => by_header,
    };
    Ok(Samples { data, components: plan.components, planar: false, colour: Some(colour), signed: false })
}
