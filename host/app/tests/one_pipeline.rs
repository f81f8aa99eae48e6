//! Every way in gives the same 256 x 256 gray levels: training and evaluation (`gray_256`), `predict` (`Image::decode`),
//! the server (`decode_within`), and a board (the pixels that are sent to it, resized there); and the
//! same cut to the lungs.
#![cfg(feature = "device")]

use cxr_app::decode::{self, Image};
use cxr_app::device::Pixels;
use cxr_app::lungs::{self, Finder};
use cxr_core::image::{Resizer, Row};
use cxr_protocol::message::Format;
use std::path::{Path, PathBuf};

/// What a board makes of the pixels.
fn on_a_board(pixels: &Pixels) -> Vec<u8> {
    let (width, height) = (usize::from(pixels.width), usize::from(pixels.height));
    let mut resizer = Resizer::<256>::new(width, height, 256, pixels.window.into()).unwrap();
    let mut gray = Vec::new();
    for row in pixels.bytes.chunks_exact(width * pixels.format.bytes()) {
        let words: Vec<u16> = row.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let row = if pixels.format == Format::Gray8 { Row::Gray8(row) } else { Row::Gray16(&words) };
        resizer.push_row(row, |row| gray.extend_from_slice(row)).unwrap();
    }
    gray
}

fn all_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { all_files(&entry, files) } else { files.push(entry) }
    }
}

/// Returns how many files were read and how many refused.
fn check(folder: &Path) -> (usize, usize) {
    let (mut files, mut read, mut refused) = (Vec::new(), 0, 0);
    let finder = Finder::shipped().unwrap();
    all_files(folder, &mut files);
    for path in files {
        let name = path.display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        match Image::decode(&bytes, &name) {
            Ok(image) => {
                let gray = image.gray(256, 256).unwrap();
                assert_eq!(decode::gray_256(&path).unwrap(), gray, "{name}");
                assert_eq!(decode::gray(&bytes, &name, 256, 256).unwrap(), gray, "{name}");
                let within = Image::decode_within(&bytes, &name, 512 << 20).unwrap();
                assert_eq!(within.gray(256, 256).unwrap(), gray, "{name}");
                assert_eq!(within.warnings(), image.warnings(), "{name}");
                assert_eq!(decode::dimensions(&bytes, &name).unwrap(), image.dimensions(), "{name}");
                assert_eq!(on_a_board(&Pixels::new(&image).unwrap()), gray, "{name}");
                // Cut to the lungs as well, or left whole where there are none.
                let (cut, _) = finder.cut(&gray).unwrap();
                assert_eq!(lungs::gray_256(&path, Some(&finder)).unwrap(), cut, "{name}");
                assert_eq!(on_a_board(&Pixels::of_gray(&cut)), cut, "{name}");
                read += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with(&name), "{error}");
                assert!(decode::gray_256(&path).is_err(), "{name}");
                refused += 1;
            }
        }
    }
    (read, refused)
}

#[test]
fn fixtures_are_the_same_everywhere() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let (read, refused) = check(&golden.join("pictures"));
    assert!(read > 200 && refused > 20, "{read} read, {refused} refused");
    let (read, _) = check(&golden.join("dicom"));
    assert!(read >= 14, "{read} read");
}

#[test]
fn files_as_people_have_them_are_the_same_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/files");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let (read, refused) = check(&folder);
    println!("{read} read, {refused} refused");
    assert!(read > 150, "{read} read, {refused} refused");
}
