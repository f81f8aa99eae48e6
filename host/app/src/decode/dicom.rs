//! DICOM files: one frame of gray, colour or palette, in every transfer syntax of still images but JPEG XL.
//!
//! Files are read as they are in the wild: without preamble, with an untrue transfer syntax, with delimiters left out.
//! What the header says against the image being a frontal chest radiograph becomes a warning.

mod about;
mod attributes;
mod colour;
mod data_set;
mod element;
mod encoding;
mod file;
mod frame;
mod header;
mod jpeg;
mod jpeg_2000;
mod jpeg_ls;
mod locate;
mod pixels;
mod rle;
mod samples;
mod syntax;
mod table;
mod voi;
#[cfg(test)]
mod wild_tests;

pub use attributes::attributes;
pub(super) use file::is_dicom;
pub use voi::Preset;

use super::raster::{Image, MAX_ALLOC};
use super::refusal::{Kind, Refusal, refuse};
use anyhow::Result;
use cxr_core::image::{Window, luma};
use header::Header;
use image::{DynamicImage, ImageBuffer};
use samples::{Colour, Data, Samples};

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
    let mut samples = pixels::decode(&mut header, &file, name, max_bytes)?;
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
    if header.shift > 0 && lies_low(&header, &samples.data, width as usize * height as usize) {
        header.shift = 0;
        whole
            .warnings
            .push("The DICOM header's High Bit is not where the values lie: they are read from the lowest bit.".to_owned());
    }
    let gray = voi::window(&header, samples, width as usize * height as usize);
    let pixels = ImageBuffer::from_raw(width, height, gray.samples).ok_or_else(misfit)?;
    whole.warnings.extend(gray.warning);
    Ok(Image { pixels: DynamicImage::ImageLuma16(pixels), window: gray.window, presets: gray.presets, ..whole })
}

/// True where the bits above the stored ones' width are empty and those below their declared place are not.
fn lies_low(header: &Header, data: &Data<'_>, count: usize) -> bool {
    let all = (0..count).fold(0, |all, i| all | data.get(i));
    all >> header.bits_stored.min(31) == 0 && all & ((1 << header.shift) - 1) != 0
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
    Samples {
        components: 1,
        planar: false,
        colour: None,
        signed: samples.signed,
        data: Data::Words((0..count).map(value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as decode, Kind, Refusal};
    use std::path::{Path, PathBuf};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dicom")
    }

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(folder().join(name).with_extension("dcm")).unwrap()
    }

    #[test]
    fn levels_are_those_of_pydicom() {
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
        let files = expected["levels"].as_object().unwrap();
        assert!(files.len() >= 65, "{} files", files.len());
        let mut wrong = Vec::new();
        for (name, levels) in files {
            let image = decode::Image::decode(&read(name), name);
            let image = image.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(image.warnings(), [""; 0], "{name}");
            let gray = image.gray(32, 32).unwrap();
            // The name of another file, or levels.
            let levels = levels.as_str().map_or(levels, |other| &files[other]);
            let levels: Vec<i64> = levels.as_array().unwrap().iter().filter_map(serde_json::Value::as_i64).collect();
            assert_eq!(gray.len(), levels.len(), "{name}");
            // Ends of windows are rounded to samples; decoders of lossy JPEG round each their way.
            let allowed = if name.starts_with("jpeg-baseline") || name.contains("says") { 3 } else { 1 };
            let off = |(ours, theirs): (&u8, &i64)| (i64::from(*ours) - theirs).abs();
            let most = gray.iter().zip(&levels).map(off).max().unwrap_or(0);
            if most > allowed {
                wrong.push(format!("{name}: {most}"));
            }
            assert_eq!(decode::dimensions(&read(name), name).unwrap(), (32, 32));
        }
        assert!(wrong.is_empty(), "levels off by: {wrong:?}");
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
            ("refused-palette", Kind::Damaged, "palette"),
            ("refused-video", Kind::Unsupported, "MPEG-4 AVC/H.264"),
            ("refused-float", Kind::Unsupported, "floating-point"),
            ("refused-directory", Kind::Unsupported, "DICOMDIR"),
            ("refused-document", Kind::Unsupported, "document"),
            ("refused-no-pixels", Kind::Unsupported, "no pixels"),
        ] {
            let error = decode::gray(&read(name), "scan.dcm", 32, 32).unwrap_err();
            assert_eq!(error.downcast_ref::<Refusal>().unwrap().kind, kind, "{error}");
            assert!(error.to_string().starts_with("scan.dcm: ") && error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_and_nothing_worse() {
        // Each decoder's assertions are caught; their messages would fill the output.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut random = cxr_testkit::Lcg(1);
        let mut next = || random.word() >> 8;
        for entry in std::fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "dcm") {
                continue;
            }
            let whole = std::fs::read(&path).unwrap();
            for end in (0..whole.len()).step_by(41) {
                let _ = decode::gray(&whole[..end], "x", 32, 32);
            }
            for round in 0..300 {
                let mut bytes = whole.clone();
                // Anywhere, and in the pixels' half of the file.
                let start = if round % 2 == 0 { 0 } else { bytes.len() / 3 };
                for _ in 0..4 {
                    let at = start + next() as usize % (bytes.len() - start);
                    bytes[at] = if round % 3 == 0 { bytes[at] ^ (1 << (next() % 8)) } else { next() as u8 };
                }
                let _ = decode::Image::decode_within(&bytes, "x", 16 << 20).map(|image| image.gray(32, 32));
            }
        }
        std::panic::set_hook(hook);
    }

    #[test]
    fn what_the_header_says_against_the_picture_is_said() {
        let whole = read("windowed");
        let at = whole.windows(4).position(|tag| tag == [0x10, 0, 0x10, 0]).unwrap();
        let end = whole.windows(4).position(|tag| tag == [0xe0, 0x7f, 0x10, 0]).unwrap();
        let element = |group: u16, number: u16, kind: &str, text: &str| {
            let padding = if text.len() % 2 == 1 { " " } else { "" };
            let length = (text.len() + padding.len()) as u16;
            let head = [group.to_le_bytes(), number.to_le_bytes(), kind.as_bytes().try_into().unwrap(), length.to_le_bytes()];
            [&head.concat()[..], text.as_bytes(), padding.as_bytes()].concat()
        };
        let warned = |(group, number, kind, text): (u16, u16, &str, &str)| {
            let (at, added) = (if group >= 0x28 { end } else { at }, element(group, number, kind, text));
            let bytes = [&whole[..at], &added, &whole[at..]].concat();
            decode::Image::decode(&bytes, "x").unwrap().warnings().join(" ")
        };
        for (what, told) in [
            ((0x0008, 0x0068, "CS", "FOR PROCESSING"), "FOR PROCESSING"),
            ((0x0008, 0x0060, "CS", "CT"), "modality CT"),
            ((0x0018, 0x5101, "CS", "LL"), "view LL"),
            ((0x0018, 0x5101, "CS", "RL"), "view RL"),
            ((0x0018, 0x5101, "CS", "LATERAL"), "view LATERAL"),
            ((0x0018, 0x0015, "CS", "HAND"), "body part HAND"),
            ((0x0018, 0x0015, "CS", "PELVIS"), "body part PELVIS"),
            ((0x0020, 0x0062, "CS", "R"), "side R"),
            ((0x0020, 0x0020, "CS", "R\\F"), "mirrored"),
            ((0x0020, 0x0020, "CS", "L\\H"), "upside down"),
            ((0x0020, 0x0020, "CS", "R\\H"), "turned by half"),
            ((0x0020, 0x0020, "CS", "F\\R"), "on its side"),
            ((0x0020, 0x0020, "CS", "A\\F"), "from the side"),
            ((0x2050, 0x0020, "CS", "INVERSE"), "Presentation LUT Shape INVERSE"),
            ((0x0028, 0x1050, "DS", "-9000"), "nothing but white"),
            ((0x0028, 0x1050, "DS", "19000"), "nothing but black"),
            ((0x0028, 0x1051, "DS", "900000"), "far wider than its values"),
        ] {
            assert!(warned(what).contains(told), "{what:?}: {}", warned(what));
        }
        // In a sequence, as newer files have the view.
        let meaning = element(0x0008, 0x0104, "LO", "left lateral");
        let item = [&[0xfe, 0xff, 0, 0xe0][..], &(meaning.len() as u32).to_le_bytes(), &meaning].concat();
        let sequence = [&[0x54, 0, 0x20, 2, b'S', b'Q', 0, 0][..], &(item.len() as u32).to_le_bytes(), &item].concat();
        let bytes = [&whole[..end], &sequence, &whole[end..]].concat();
        assert!(decode::Image::decode(&bytes, "x").unwrap().warnings()[0].contains("view LEFT LATERAL"));
        for plain in [
            (0x0008, 0x0068, "CS", "FOR PRESENTATION"),
            (0x0018, 0x5101, "CS", "PA"),
            (0x0018, 0x5101, "CS", "AP SUPINE"),
            (0x0018, 0x0015, "CS", "CHEST"),
            (0x0018, 0x0015, "CS", "Thorax ap"),
            (0x0018, 0x0015, "CS", "UNKNOWN"),
            (0x0020, 0x0020, "CS", "L\\F"),
            (0x0020, 0x0020, "CS", "L\\FP"),
            (0x0020, 0x0062, "CS", "U"),
            (0x2050, 0x0020, "CS", "IDENTITY"),
        ] {
            assert_eq!(warned(plain), "", "{plain:?}");
        }
    }

    #[test]
    fn one_pipeline_for_the_page_the_device_and_predict() {
        // Where inputs after public bug reports lie beside the checkout: none ends the process, each is named.
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/files");
        let mut seen = 0;
        for folder in [shared.join("inputs"), shared.join("controls/inputs")] {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                println!("skipped: {} is not there", folder.display());
                continue;
            };
            for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                let (bytes, name) = (std::fs::read(&path).unwrap(), path.display().to_string());
                if !decode::dicom::is_dicom(&bytes) {
                    continue;
                }
                seen += 1;
                match decode::Image::decode(&bytes, &name) {
                    Ok(image) => assert_eq!(image.gray(256, 256).unwrap(), decode::gray_256(&path).unwrap(), "{name}"),
                    Err(error) => assert!(error.to_string().starts_with(&name), "{error}"),
                }
            }
        }
        assert!(seen == 0 || seen > 100, "{seen}");
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
