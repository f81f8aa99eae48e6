//! DICOM files: one frame of gray, colour or palette, in every transfer syntax of still images but JPEG XL.
//!
//! Files are read as they are in the wild: without preamble, with an untrue transfer syntax, with delimiters left out.
//! What the header says against the image being a frontal chest radiograph becomes a warning.

mod about;
mod colour;
mod data_set;
mod file;
mod header;
mod jpeg;
mod jpeg_2000;
mod jpeg_ls;
mod pixels;
mod rle;
mod syntax;
mod table;
mod voi;

pub(super) use file::is_dicom;
pub use voi::Preset;

use super::{Image, Kind, MAX_ALLOC, Refusal, refuse};
use anyhow::Result;
use cxr_core::image::{Window, luma};
use header::Header;
use image::{DynamicImage, ImageBuffer};
use pixels::{Colour, Data, Samples};

/// Width and height, from the header.
pub(super) fn dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32)> {
    let header = Header::read(&file::open(bytes, name, MAX_ALLOC)?, name)?;
    Ok((header.columns.into(), header.rows.into()))
}

/// Decodes the only frame; gray keeps its 16 bits and gets the file's window.
///
/// All that is alive at once for the image stays within `max_bytes`: the inflated file, joined fragments, the decoder's
/// memory, samples, gray levels.
pub(super) fn decode<'n>(bytes: &[u8], name: &'n str, max_bytes: u64) -> Result<Image<'n>> {
    let file = file::open(bytes, name, max_bytes)?;
    let mut header = Header::read(&file, name)?;
    let (width, height) = (u32::from(header.columns), u32::from(header.rows));
    if width == 0 || height == 0 {
        refuse!(Damaged, "{name}: a DICOM image of {width} x {height} pixels: replace the file or leave it out");
    }
    let mut samples = pixels::decode(&header, &file, name, max_bytes)?;
    header.signed |= samples.signed;
    let misfit = || Refusal::new(Kind::Damaged, format!("{name}: damaged DICOM pixels: replace the file or leave it out"));
    let mut whole = Image {
        name,
        format: "DICOM",
        pixels: DynamicImage::new_luma8(1, 1),
        window: Window::FULL_16,
        presets: Vec::new(),
        warnings: header.about.warnings(&header.photometric),
    };
    let is_gray = header.photometric.starts_with("MONOCHROME");
    if samples.components == 1 && header.photometric == "PALETTE COLOR" {
        let gray = colour::palette(&header, samples, width, height);
        let broken = || Refusal::new(Kind::Damaged, format!("{name}: a DICOM palette that is not whole: save it as MONOCHROME2"));
        return Ok(Image { pixels: gray.ok_or_else(broken)?, ..whole });
    }
    if samples.components > 1 && !is_gray {
        let gray = colour::gray(&header, &samples, width, height);
        return Ok(Image { pixels: gray.ok_or_else(misfit)?, ..whole });
    }
    if samples.components > 1 {
        // A gray image in a stream of three components.
        samples = weighed(samples);
    }
    let gray = voi::window(&header, samples, width as usize * height as usize);
    let pixels = ImageBuffer::from_raw(width, height, gray.samples).ok_or_else(misfit)?;
    whole.warnings.extend(gray.warning);
    Ok(Image { pixels: DynamicImage::ImageLuma16(pixels), window: gray.window, presets: gray.presets, ..whole })
}

/// Luma of three components as stored values.
fn weighed(samples: Samples<'_>) -> Samples<'static> {
    let data = &samples.data;
    let count = match data {
        Data::Words(words) => words.len() / 3,
        Data::Bytes(bytes) => bytes.len() / 3,
        _ => 0,
    };
    let value = |i: usize| match samples.colour {
        // The first component is luma.
        Some(Colour::Ybr) => data.get(3 * i) as u16,
        _ => luma(&[0, 1, 2].map(|k| data.get(3 * i + k))) as u16,
    };
    Samples { components: 1, planar: false, colour: None, signed: samples.signed, data: Data::Words((0..count).map(value).collect()) }
}

#[cfg(test)]
mod tests {
    use super::super::{self as decode, Kind, Refusal};
    use std::path::{Path, PathBuf};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/dicom")
    }

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(folder().join(name).with_extension("dcm")).unwrap()
    }

    #[test]
    fn levels_are_those_of_pydicom() {
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
        let files = expected["levels"].as_object().unwrap();
        assert!(files.len() >= 14, "{} files", files.len());
        for (name, levels) in files {
            let gray = decode::gray(&read(name), name, 32, 32).unwrap();
            let levels: Vec<i64> = levels.as_array().unwrap().iter().filter_map(serde_json::Value::as_i64).collect();
            assert_eq!(gray.len(), levels.len(), "{name}");
            // Ends of windows are rounded to samples; decoders of lossy JPEG round each their way.
            let allowed = if name == "jpeg-baseline" { 3 } else { 1 };
            for (i, (ours, theirs)) in gray.iter().zip(&levels).enumerate() {
                assert!((i64::from(*ours) - theirs).abs() <= allowed, "{name}: pixel {i}: {ours} against {theirs}");
            }
            assert_eq!(decode::dimensions(&read(name), name).unwrap(), (32, 32));
        }
    }

    #[test]
    fn presets_are_named_and_lie_in_the_samples() {
        let bytes = read("window-presets");
        let image = decode::Image::decode(&bytes, "x").unwrap();
        let presets: Vec<_> = image.presets().iter().map(|preset| (preset.name.as_str(), preset.low, preset.high)).collect();
        // 1500 - 0.5 +- 2399 / 2.
        assert_eq!(presets, [("Lung", 300, 2699), ("Bone", 50, 1349)]);
        assert_eq!((image.format(), image.bits()), ("DICOM", 16));
    }

    #[test]
    fn what_is_not_read_is_said() {
        for (name, kind, told) in [
            ("refused-frames", Kind::Unsupported, "3 frames"),
            ("refused-palette", Kind::Unsupported, "PALETTE COLOR"),
            ("refused-jpeg-2000", Kind::Unsupported, "JPEG 2000"),
            ("refused-no-pixels", Kind::Unsupported, "no pixels"),
        ] {
            let error = decode::gray(&read(name), "scan.dcm", 32, 32).unwrap_err();
            assert_eq!(error.downcast_ref::<Refusal>().unwrap().kind, kind, "{error}");
            assert!(error.to_string().starts_with("scan.dcm: ") && error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_and_nothing_worse() {
        let mut seed = 1u32;
        for name in [
            "window-presets",
            "implicit-monochrome1-rescaled",
            "voi-table",
            "rle-16",
            "jpeg-baseline",
            "jpeg-lossless",
            "big-endian-signed",
        ] {
            let whole = read(name);
            for end in (0..whole.len()).step_by(7) {
                let _ = decode::gray(&whole[..end], name, 32, 32);
            }
            for _ in 0..2000 {
                let mut bytes = whole.clone();
                for _ in 0..4 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = 132 + (seed >> 8) as usize % (bytes.len() - 132);
                    bytes[at] = (seed >> 3) as u8;
                }
                let _ = decode::gray(&bytes, name, 32, 32);
            }
        }
    }

    #[test]
    fn neither_nesting_nor_claimed_extents_cost_anything() {
        // Sequences in sequences, each of undefined length, ten thousand deep.
        let mut bytes = read("window-presets");
        let start = bytes.windows(4).position(|tag| tag == [0x08, 0, 0x16, 0]).unwrap();
        let open = [&[0x40, 0, 0x75, 2, b'S', b'Q', 0, 0][..], &[0xff; 4], &[0xfe, 0xff, 0, 0xe0], &[0xff; 4]].concat();
        bytes.splice(start..start, open.repeat(10_000));
        let error = decode::gray(&bytes, "x", 32, 32).unwrap_err().to_string();
        assert!(error.contains("nested too deeply"), "{error}");
        let mut bytes = read("rle-16");
        let rows = bytes.windows(6).position(|tag| tag == [0x28, 0, 0x10, 0, b'U', b'S']).unwrap();
        bytes[rows + 8..rows + 10].copy_from_slice(&60_000u16.to_le_bytes());
        let error = decode::gray(&bytes, "x", 32, 32).unwrap_err();
        assert_eq!(error.downcast_ref::<Refusal>().unwrap().kind, Kind::TooLarge, "{error}");
    }
}
