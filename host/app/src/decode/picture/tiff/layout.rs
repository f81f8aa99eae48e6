//! Where the pixels of a TIFF stand and what they are: its tags, checked once.

use super::codec::{Codec, Extent};
use super::colour::{Colour, colour};
use super::directory::{Directory, tag};
use super::samples::{self, Form};
use super::stream::stream;
use super::unread::{Unread, damaged, unsupported};
use crate::decode::picture::plane::Alpha;
use std::io::Read;

/// A picture's tags.
pub(super) struct Layout<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) colour: Colour,
    pub(super) form: Form,
    pub(super) signed: bool,
    /// Samples a pixel, those beside colour and alpha too.
    pub(super) channels: usize,
    /// The sample after the colour's is alpha, and whether the colours are composed already.
    pub(super) alpha: Option<Alpha>,
    pub(super) orientation: u8,
    pub(super) profile: Option<&'a [u8]>,
    codec: Codec,
    reversed: bool,
    planar: bool,
    /// Extent of a strip or tile; of a strip, at most.
    chunk: (usize, usize),
    tiled: bool,
    places: Vec<(u64, u64)>,
    subsampling: (usize, usize),
    tables: Option<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> Layout<'a> {
    /// Reads and checks the tags.
    pub(super) fn read(directory: &Directory<'a>) -> Result<Self, Unread> {
        let value = |tag, or: u64| directory.value(tag).unwrap_or(or);
        let extent = |tag| usize::try_from(value(tag, 0)).unwrap_or(usize::MAX);
        let (width, height) = (extent(tag::WIDTH), extent(tag::HEIGHT));
        if width == 0 || height == 0 || width > 1 << 24 || height > 1 << 24 {
            return damaged("its extents are not possible");
        }
        let channels = value(tag::SAMPLES, 1) as usize;
        if !(1..=64).contains(&channels) {
            return damaged("its number of samples is not possible");
        }
        let bits = uniform(directory, tag::BITS, 1)?;
        let sort = uniform(directory, tag::SAMPLE_FORMAT, 1)?;
        match sort {
            3 => return unsupported("floating-point pixels have no black and white: convert it to an 8 or 16-bit PNG"),
            5 | 6 => return unsupported("complex numbers are no gray levels: convert it to an 8 or 16-bit PNG"),
            _ => {}
        }
        if !(1..=32).contains(&bits) {
            let sign = if sort == 2 { "signed " } else { "" };
            return unsupported(format!("{sign}samples of {bits} bits are not read: convert it to an 8 or 16-bit PNG"));
        }
        let codec = match Codec::of(value(tag::COMPRESSION, 1), value(tag::T4_OPTIONS, 0)) {
            Ok(codec) => codec,
            Err(name) => {
                return unsupported(format!("the compression of this TIFF, {name}, is not read: save it with LZW or as PNG"));
            }
        };
        let colour = colour(directory, channels, codec, bits)?;
        if channels < colour.channels() {
            return damaged("it has fewer samples than colours");
        }
        let eight = matches!(codec, Codec::Jpeg | Codec::WebP) || colour == Colour::YCbCr;
        if eight && bits != 8 {
            return unsupported(format!("this TIFF has {bits} bits a sample where 8 are read: save it as PNG"));
        }
        if codec.is_fax() && (bits, channels) != (1, 1) {
            return damaged("fax compression of more than one bit");
        }
        let signed = sort == 2;
        if signed && !matches!(colour, Colour::Gray { .. }) {
            return unsupported("signed samples are read of gray pictures alone: convert it to an 8 or 16-bit PNG");
        }
        let predictor = value(tag::PREDICTOR, 1);
        let predicted = matches!(codec, Codec::Lzw | Codec::Deflate | Codec::Zstd | Codec::Lzma) && predictor != 1;
        if predicted && (predictor != 2 || !matches!(bits, 8 | 16 | 32)) {
            return unsupported(format!("predictor {predictor} of {bits} bits is not read: save it without"));
        }
        let planar = value(tag::PLANAR, 1) == 2 && channels > 1;
        if planar && colour == Colour::YCbCr {
            return unsupported("planar YCbCr is not read: save it as PNG");
        }
        // Decoders of JPEG give chroma its full size.
        let subsampled = colour == Colour::YCbCr && codec != Codec::Jpeg;
        let given = directory.values(tag::SUBSAMPLING).filter(|_| subsampled);
        let subsampling = given.map_or((1 + usize::from(subsampled), 1 + usize::from(subsampled)), |v| {
            (*v.first().unwrap_or(&2) as usize, *v.get(1).unwrap_or(&2) as usize)
        });
        if !matches!(subsampling.0, 1 | 2 | 4) || !matches!(subsampling.1, 1 | 2 | 4) {
            return damaged("its subsampling is not possible");
        }
        if subsampling != (1, 1) && channels != 3 {
            return unsupported("subsampled YCbCr with more samples is not read: save it as PNG");
        }
        let extra = directory.value(tag::EXTRA_SAMPLES).filter(|_| channels > colour.channels());
        let alpha = match extra {
            Some(1) => Some(Alpha::Composed),
            Some(2) => Some(Alpha::Compose),
            _ => None,
        };
        let tiled = directory.value(tag::TILE_WIDTH).is_some();
        let chunk = if tiled {
            (extent(tag::TILE_WIDTH), extent(tag::TILE_HEIGHT))
        } else {
            (width, usize::try_from(value(tag::ROWS_PER_STRIP, u64::MAX)).unwrap_or(usize::MAX).min(height))
        };
        if chunk.0 == 0 || chunk.1 == 0 || chunk.0 > 1 << 16 || chunk.1 > 1 << 24 || chunk.0.saturating_mul(chunk.1) > 1 << 28 {
            return damaged("the extents of its strips or tiles are not possible");
        }
        let places = places(directory, tiled)?;
        let planes = if planar { channels } else { 1 };
        if places.len() < width.div_ceil(chunk.0) * height.div_ceil(chunk.1) * planes {
            return damaged("it has fewer strips or tiles than its extents need");
        }
        Ok(Self {
            width,
            height,
            form: Form { bits, big_endian: directory.file().big_endian, differences: predicted },
            signed,
            channels,
            alpha,
            orientation: value(tag::ORIENTATION, 1).min(255) as u8,
            profile: directory.bytes(tag::ICC_PROFILE).filter(|_| matches!(colour, Colour::Gray { min_is_white: false })),
            colour,
            codec,
            reversed: value(tag::FILL_ORDER, 1) == 2 && !matches!(codec, Codec::Jpeg | Codec::WebP),
            planar,
            chunk,
            tiled,
            places,
            subsampling,
            tables: directory.bytes(tag::JPEG_TABLES),
            bytes: directory.file().bytes,
        })
    }

    /// Most bytes alive beside the gray picture.
    pub(super) fn buffers(&self) -> u64 {
        let (width, rows) = (self.chunk.0 as u64, self.chunk.1 as u64);
        let (streams, channels) = if self.planar { (self.channels as u64, 1) } else { (1, self.channels as u64) };
        let whole = match self.codec {
            codec if !codec.is_whole() => 0,
            codec if codec.is_fax() => (width.div_ceil(8) + 1) * rows + self.longest(),
            // Samples, a progressive JPEG's coefficients, the tables joined; lossless WebP's and alpha's copies.
            Codec::WebP => 12 * width * rows,
            _ => 4 * width.next_multiple_of(32) * rows.next_multiple_of(32) * channels + self.longest(),
        };
        let lines = (4 + 4 + 4) * width * self.channels as u64 * self.subsampling.1 as u64;
        let state = self.codec.state(self.form.row_bytes(self.chunk.0 * channels as usize).saturating_mul(self.chunk.1));
        streams * (whole + state as u64) + lines + 32 * self.places.len() as u64
    }

    fn longest(&self) -> u64 {
        self.places.iter().map(|place| place.1.min(self.bytes.len() as u64)).max().unwrap_or(0)
    }

    /// Decodes all pixels: gives `each` the column, the row and the samples of a part of a row, pixel by pixel.
    pub(super) fn rows(&self, each: &mut dyn FnMut(usize, usize, &[u32])) -> Result<(), String> {
        let (across, down) = (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1));
        let (step, channels) = if self.planar { (self.channels, 1) } else { (1, self.channels) };
        let text = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it breaks off".to_owned(),
            _ => error.to_string(),
        };
        let (mut bytes, mut line) = (Vec::new(), Vec::new());
        let mut samples = vec![0; self.chunk.0 * self.channels * self.subsampling.1];
        for k in 0..across * down {
            let (left, top) = (k % across * self.chunk.0, k / across * self.chunk.1);
            // The last strip is as high as what is left, the last tile is not.
            let rows = self.chunk.1.min(self.height - top);
            let stored = if self.tiled { self.chunk.1 } else { rows };
            let bytes_of = self.form.row_bytes(self.chunk.0 * channels).saturating_mul(self.chunk.1);
            let extent = Extent { width: self.chunk.0, rows: stored, channels, bytes: bytes_of };
            let mut streams: Vec<Box<dyn Read + '_>> = Vec::with_capacity(step);
            for plane in 0..step {
                let stored = self.stored(plane * across * down + k)?;
                streams.push(stream(self.codec, stored, self.reversed, extent, self.tables)?);
            }
            let wanted = self.chunk.0.min(self.width - left) * self.channels;
            for y in (0..rows).step_by(self.subsampling.1) {
                if self.subsampling != (1, 1) {
                    samples::read_blocks(&mut *streams[0], self.subsampling, self.chunk.0, &mut bytes, &mut samples)
                        .map_err(text)?;
                } else if self.planar {
                    line.resize(self.chunk.0, 0);
                    for (plane, stream) in streams.iter_mut().enumerate() {
                        self.form.read(&mut **stream, 1, &mut bytes, &mut line).map_err(text)?;
                        let slots = samples[plane..].iter_mut().step_by(self.channels);
                        slots.zip(&line).for_each(|(slot, sample)| *slot = *sample);
                    }
                } else {
                    self.form.read(&mut *streams[0], channels, &mut bytes, &mut samples).map_err(text)?;
                }
                let lines = samples.chunks_exact(self.chunk.0 * self.channels);
                for (below, line) in lines.enumerate().take(rows - y) {
                    each(left, top + y + below, &line[..wanted]);
                }
            }
        }
        Ok(())
    }

    /// The stored bytes of a strip or tile.
    fn stored(&self, index: usize) -> Result<&'a [u8], String> {
        let (at, count) = self.places[index];
        let rest = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..)).ok_or("it breaks off")?;
        // Counts of zero are written by some for a single strip.
        let count = if count == 0 { rest.len() } else { usize::try_from(count).unwrap_or(usize::MAX).min(rest.len()) };
        Ok(&rest[..count])
    }
}

/// The one value that all samples share.
fn uniform(directory: &Directory<'_>, tag: u16, or: u64) -> Result<u32, Unread> {
    let values = directory.values(tag).unwrap_or_default();
    let first = *values.first().unwrap_or(&or);
    if values.iter().any(|value| *value != first) {
        return unsupported("its samples have different depths or sorts: convert it to an 8 or 16-bit PNG");
    }
    Ok(u32::try_from(first).unwrap_or(u32::MAX))
}

/// Offset and length of each strip or tile.
fn places(directory: &Directory<'_>, tiled: bool) -> Result<Vec<(u64, u64)>, Unread> {
    let offsets = if tiled { directory.values(tag::TILE_OFFSETS) } else { None };
    let Some(offsets) = offsets.or_else(|| directory.values(tag::STRIP_OFFSETS)) else {
        return damaged("it does not say where its pixels are");
    };
    let counts = if tiled { directory.values(tag::TILE_BYTES) } else { None };
    let counts = counts.or_else(|| directory.values(tag::STRIP_BYTES)).unwrap_or_default();
    Ok(offsets.into_iter().enumerate().map(|(k, at)| (at, *counts.get(k).unwrap_or(&0))).collect())
}
