//! Strips and tiles that are JPEG or WebP pictures.

use super::super::{jpeg, webp};
use super::codec::Extent;
use std::io::Cursor;

/// The stored components of a JPEG strip or tile, no colour converted.
pub(super) fn jpeg_samples(stored: &[u8], extent: Extent, tables: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let joined: Vec<u8>;
    let whole = match tables {
        // The tables' stream without its end, the strip's without its start.
        Some(tables) if tables.len() > 4 && stored.len() > 2 => {
            let tables = tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(tables);
            joined = [tables, &stored[2..]].concat();
            &joined
        }
        _ => stored,
    };
    let head = jpeg::head(whole).map_err(str::to_owned)?;
    match jpeg::health(whole, head.frame()) {
        jpeg::Health::Torn { what, .. } | jpeg::Health::Coarse { what } => return Err(what.to_owned()),
        _ => {}
    }
    let (width, height, channels) = head.extent();
    let samples = width * height * channels;
    if width != extent.width || height < extent.rows || channels != extent.channels || samples > extent.bytes {
        return Err("a strip or tile has another size than its header".to_owned());
    }
    jpeg::components(whole, samples)
}

/// The samples of a WebP strip or tile.
pub(super) fn webp_samples(stored: &[u8], extent: Extent) -> Result<Vec<u8>, String> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(stored)).map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let (width, height) = (width as usize, height as usize);
    let fits = width == extent.width && height >= extent.rows && width * height * extent.channels <= extent.bytes;
    if !fits || !matches!(extent.channels, 3 | 4) || !webp::frames_fit(stored, width, height) {
        return Err("a strip or tile has another size than its header".to_owned());
    }
    let mut samples = vec![0; width * height * channels];
    decoder.read_image(&mut samples).map_err(|error| error.to_string())?;
    // libwebp leaves an alpha that is opaque everywhere away.
    if channels < extent.channels {
        return Ok(samples.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect());
    }
    if channels > extent.channels {
        return Ok(samples.chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect());
    }
    Ok(samples)
}
