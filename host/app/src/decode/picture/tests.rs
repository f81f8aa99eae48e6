//! Every fixture of tests/golden/pictures (written by scripts/make_pictures.py) and what becomes of it when it is damaged.

use crate::decode::{self as decode, Image, Kind, Refusal};
use cxr_testkit::Lcg;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pictures")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

#[test]
fn levels_are_those_that_were_written() {
    let expected = expected();
    let files = expected["files"].as_object().unwrap();
    assert!(files.len() > 150, "{} files", files.len());
    let mut wrong = Vec::new();
    for (name, file) in files {
        let bytes = read(name);
        let image = match Image::decode(&bytes, name) {
            Ok(image) => image,
            Err(error) => {
                wrong.push(format!("{error}"));
                continue;
            }
        };
        let gray = image.gray(32, 32).unwrap();
        let levels = expected["pictures"][file["picture"].as_str().unwrap()].as_array().unwrap();
        let worst = gray.iter().zip(levels).map(|(ours, level)| (i64::from(*ours) - level.as_i64().unwrap()).abs()).max();
        if worst > file["within"].as_i64() || levels.len() != 1024 {
            wrong.push(format!("{name}: a level differs by {worst:?}"));
        }
        let said = image.warnings().join("; ");
        match file["warns"].as_str() {
            Some(word) if !said.contains(word) => wrong.push(format!("{name}: says {said:?}, not {word:?}")),
            None if !said.is_empty() => wrong.push(format!("{name}: says {said:?}")),
            _ => {}
        }
        assert_eq!(decode::dimensions(&bytes, name).unwrap(), (32, 32), "{name}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_read_is_said() {
    let expected = expected();
    let mut wrong = Vec::new();
    for (name, word) in expected["refused"].as_object().unwrap() {
        match decode::gray(&read(name), "scan", 32, 32) {
            Ok(_) => wrong.push(format!("{name} is read")),
            Err(error) => {
                let message = error.to_string();
                let told = message.contains(word.as_str().unwrap()) && message.starts_with("scan: ");
                if !told || error.downcast_ref::<Refusal>().is_none() || message.contains("not an image") {
                    wrong.push(format!("{name}: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damage_is_an_error_and_nothing_worse() {
    let expected = expected();
    let mut random = Lcg(1);
    let names = expected["files"].as_object().unwrap().keys().chain(expected["refused"].as_object().unwrap().keys());
    for name in names {
        let whole = read(name);
        for end in (0..whole.len()).step_by(1 + whole.len() / 40) {
            let _ = decode::gray(&whole[..end], name, 32, 32);
        }
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            if let Ok(image) = Image::decode_within(&bytes, name, 64 << 20) {
                let _ = image.gray(32, 32);
            }
        }
    }
}

#[test]
fn a_jpeg_that_breaks_off_is_never_silent() {
    for name in ["gray.jpg", "progressive.jpg", "restart.jpg", "colour-420.jpg", "colour-420-progressive-restart.jpg"] {
        let whole = read(name);
        for end in 4..whole.len() {
            match Image::decode(&whole[..end], name) {
                Ok(image) => assert!(!image.warnings().is_empty(), "{name} of {end} bytes: no word"),
                Err(error) => assert_eq!(error.downcast_ref::<Refusal>().map(|r| r.kind), Some(Kind::Damaged), "{error}"),
            }
        }
    }
}

#[test]
fn torn_scans_are_found() {
    // Sixty bytes overwritten in the scan: what is left may be a scan too, but seldom.
    let level = |x: u32, y: u32| (128.0 + 60.0 * (f64::from(x) / 7.0).sin() + 50.0 * (f64::from(y * x) / 90.0).cos()) as u8;
    let picture = image::GrayImage::from_fn(200, 180, |x, y| image::Luma([level(x, y)]));
    let mut whole = Vec::new();
    image::DynamicImage::from(picture).write_to(&mut std::io::Cursor::new(&mut whole), image::ImageFormat::Jpeg).unwrap();
    assert!(Image::decode(&whole, "whole").unwrap().warnings().is_empty());
    let scan = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 10;
    let (mut random, mut found) = (Lcg(7), 0);
    for _ in 0..200 {
        let mut torn = whole.clone();
        let at = scan + random.below(torn.len() - scan - 70);
        torn[at..at + 60].fill_with(|| random.below(255) as u8);
        found += usize::from(Image::decode(&torn, "torn").map_or(true, |image| !image.warnings().is_empty()));
    }
    assert!(found >= 195, "{found} of 200");
}

#[test]
fn more_than_allowed_is_refused_before_it_is_decoded() {
    for (name, least) in [
        ("gray.png", 1024),
        ("gray-16.png", 2048),
        ("colour-444.jpg", 3072),
        ("lzw-8.tif", 1024),
        ("rgb.bmp", 3072),
        ("lossless.webp", 3072),
    ] {
        let error = Image::decode_within(&read(name), name, least - 1).err().unwrap();
        assert_eq!(error.downcast_ref::<Refusal>().map(|refusal| refusal.kind), Some(Kind::TooLarge), "{name}: {error}");
    }
}
