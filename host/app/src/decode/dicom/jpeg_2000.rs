//! JPEG 2000 (ITU-T T.800) and its high-throughput variant (T.814).
//!
//! The code stream's markers are read here first: for the extents, and because small code blocks and precincts make
//! decoders allocate far more than the pixels do. Two decoders of one descent share the work: `hayro-jpeg2000` is the
//! exact one, and the other knows the high-throughput block coder.

use super::samples::{Colour, Data, Failure, Plan, Samples};

const SOC_SIZ: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// Bytes that a decoder keeps for a code block, and for each layer of one.
const BLOCK_BYTES: u64 = 400;
const LAYER_BYTES: u64 = 32;
/// Bytes a pixel and component while decoding: coefficients and samples, of 32 bits; and once: the wavelet's scratch.
const SAMPLE_BYTES: u64 = 8;
const SCRATCH_BYTES: u64 = 5;

/// What the markers say.
#[derive(Default)]
struct Stream {
    width: u32,
    height: u32,
    tiles: u64,
    components: u16,
    /// Bits and sign of the first component.
    precision: u32,
    signed: bool,
    /// All components alike.
    uniform: bool,
    subsampled: bool,
    high_throughput: bool,
    /// Components are transformed to luma and chroma, and back by the decoder.
    transformed: bool,
    /// Smallest area of a code block, most layers, most resolutions.
    block_area: u64,
    layers: u64,
    resolutions: u64,
}

/// The code stream, without the boxes of a JP2 file around it.
fn code_stream(stream: &[u8]) -> Option<&[u8]> {
    let start = stream.windows(4).position(|four| four == SOC_SIZ)?;
    Some(&stream[start..])
}

fn read(stream: &[u8]) -> Result<Stream, Failure> {
    let damaged = || Failure::Damaged("its markers break off".to_owned());
    let bytes = code_stream(stream).ok_or_else(damaged)?;
    let short = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or_else(damaged);
    let long = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).ok_or_else(damaged);
    let mut found = Stream { block_area: u64::MAX, layers: 1, resolutions: 1, ..Stream::default() };
    let [right, bottom, left, top] = [long(8)?, long(12)?, long(16)?, long(20)?];
    let [tile_width, tile_height, tile_left, tile_top] = [long(24)?, long(28)?, long(32)?, long(36)?];
    (found.width, found.height) = (right.saturating_sub(left), bottom.saturating_sub(top));
    let across = |end: u32, start: u32, size: u32| u64::from(end.saturating_sub(start)).div_ceil(u64::from(size.max(1)));
    found.tiles = across(right, tile_left, tile_width).saturating_mul(across(bottom, tile_top, tile_height));
    found.components = short(40)?;
    let component = |i: usize| bytes.get(42 + 3 * i..45 + 3 * i).ok_or_else(damaged);
    let first = component(0)?;
    (found.precision, found.signed) = (u32::from(first[0] & 0x7f) + 1, first[0] & 0x80 != 0);
    found.uniform = true;
    for i in 0..usize::from(found.components.min(4)) {
        let other = component(i)?;
        found.uniform &= other[0] == first[0];
        found.subsampled |= other[1..] != [1, 1];
    }
    // Markers of the main header and of each tile part.
    let mut at = 2;
    let mut part = None::<usize>;
    loop {
        let marker = short(at)?;
        match marker {
            0xffd9 => break,
            0xff93 => {
                // Data of a tile part; without a length they run to the end.
                match part.take() {
                    Some(next) => at = next,
                    None => break,
                }
                if at > bytes.len() {
                    return Err(Failure::Damaged("it breaks off".to_owned()));
                }
                // Writers leave the last marker out.
                if at + 2 > bytes.len() || bytes[at..].iter().all(|byte| *byte == 0) {
                    break;
                }
                continue;
            }
            0xff90 => {
                let length = long(at + 6)? as usize;
                part = (length > 0).then(|| at.saturating_add(length));
                if length > 0 && length < 14 {
                    return Err(damaged());
                }
            }
            0xff50 => found.high_throughput = true,
            0xff52 => {
                let precincts = bytes.get(at + 4).ok_or_else(damaged)? & 1 != 0;
                found.layers = found.layers.max(u64::from(short(at + 6)?));
                found.transformed |= bytes.get(at + 8) == Some(&1);
                let end = at + 2 + usize::from(short(at + 2)?);
                found.blocks(bytes.get(at + 9..end).ok_or_else(damaged)?, precincts);
            }
            0xff53 => {
                let wide = usize::from(found.components > 256);
                let precincts = bytes.get(at + 5 + wide).ok_or_else(damaged)? & 1 != 0;
                let end = at + 2 + usize::from(short(at + 2)?);
                found.blocks(bytes.get(at + 6 + wide..end).ok_or_else(damaged)?, precincts);
            }
            0xff4f | 0xff30..=0xff3f => {
                at += 2;
                continue;
            }
            0xff00.. => {}
            _ => return Err(damaged()),
        }
        at += 2 + usize::from(short(at + 2)?.max(2));
    }
    if found.block_area == u64::MAX {
        return Err(damaged());
    }
    Ok(found)
}

impl Stream {
    /// Takes the sizes of code blocks and precincts: levels, width, height, style, transform, precincts.
    fn blocks(&mut self, coding: &[u8], precincts: bool) {
        let [levels, width, height, style, _, sizes @ ..] = coding else { return };
        let (width, height) = (u32::from(width & 15) + 2, u32::from(height & 15) + 2);
        self.high_throughput |= style & 0x40 != 0;
        self.resolutions = self.resolutions.max(u64::from(*levels) + 1);
        let mut area = 1 << (width + height);
        if precincts {
            for (i, size) in sizes.iter().enumerate() {
                // Precincts of all but the lowest resolution are halved to those of a sub-band.
                let halved = u32::from(i > 0);
                let side = |exponent: u8, most: u32| u32::from(exponent).saturating_sub(halved).min(most);
                area = area.min(1 << (side(size & 15, width) + side(size >> 4, height)));
            }
        }
        self.block_area = self.block_area.min(area);
    }
}

/// Reads the markers.
pub(super) fn plan(stream: &[u8]) -> Result<Plan, Failure> {
    let found = read(stream)?;
    let components = u64::from(found.components);
    let mut plan = Plan {
        width: found.width,
        height: found.height,
        components: usize::from(found.components),
        precision: found.precision,
        sample_bytes: 2,
        peak: 0,
    };
    if found.precision > 16 || !found.uniform {
        return Err(Failure::Unsupported(format!("of {} bits", found.precision)));
    }
    // Sub-bands of each tile have at least one block, and one more along each edge.
    let bands = found.tiles.saturating_mul(components).saturating_mul(3 * found.resolutions + 1);
    let blocks = (plan.pixels().saturating_mul(components * 2) / found.block_area).saturating_add(bands.saturating_mul(4));
    let samples = plan.pixels().saturating_mul(components * SAMPLE_BYTES + SCRATCH_BYTES);
    plan.peak =
        blocks.saturating_mul(BLOCK_BYTES + LAYER_BYTES * found.layers).saturating_add(samples).saturating_add(plan.kept());
    Ok(plan)
}

/// Decodes. Signed samples come as they are, in two's complement.
pub(super) fn decode(stream: &[u8], plan: &Plan) -> Result<Samples<'static>, Failure> {
    let found = read(stream)?;
    let bytes = code_stream(stream).unwrap_or(stream);
    let failed = |error: &dyn std::fmt::Display| Failure::Damaged(error.to_string());
    // Decoders shift signed samples to the middle of the range as well.
    let middle = if found.signed { 1 << (plan.precision - 1) } else { 0 };
    let most = (1i32 << plan.precision) - 1;
    let words = if found.high_throughput {
        let image = dicom_toolkit_jpeg2000::Image::new(bytes, &Default::default()).map_err(|error| failed(&error))?;
        let raw = image.decode_native().map_err(|error| failed(&error))?;
        let word = |value: i32| (value - middle) as u16;
        match raw.bytes_per_sample {
            1 => raw.data.iter().map(|byte| word(i32::from(*byte))).collect(),
            _ => raw.data.chunks_exact(2).map(|pair| word(i32::from(u16::from_le_bytes([pair[0], pair[1]])))).collect(),
        }
    } else {
        let image = hayro_jpeg2000::Image::new(bytes, &Default::default()).map_err(|error| failed(&error))?;
        let mut context = hayro_jpeg2000::DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|error| failed(&error))?;
        let components: Vec<&[f32]> = decoded.components().iter().map(|component| component.samples()).collect();
        let count = plan.pixels() as usize;
        if components.len() != plan.components || components.iter().any(|component| component.len() != count) {
            return Err(Failure::Damaged("components of another size".to_owned()));
        }
        let mut words = Vec::with_capacity(count * components.len());
        for i in 0..count {
            words.extend(components.iter().map(|component| ((component[i].round() as i32).clamp(0, most) - middle) as u16));
        }
        words
    };
    if words.len() as u64 != plan.pixels() * plan.components as u64 {
        return Err(Failure::Damaged("components of another size".to_owned()));
    }
    let colour = (found.transformed || found.subsampled).then_some(Colour::Rgb);
    Ok(Samples { data: Data::Words(words), components: plan.components, planar: false, colour, signed: found.signed })
}
